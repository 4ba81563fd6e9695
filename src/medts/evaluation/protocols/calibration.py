"""Calibration of probabilities."""

from pydantic import Field

from medts.core.config import Config
from medts.evaluation.protocols.base import Bundle, Found, Protocol, Task


class CalibrationConfig(Config):
    """How calibration is binned and which error rates are promised."""

    n_bins: int = Field(default=15, ge=2)
    """Bins of the calibration error and of the reliability curve, at most."""

    error_rates: tuple[float, ...] = (0.1, 0.2)
    """Shares of records whose conformal set may miss the truth."""

    n_resamples: int = Field(default=1000, ge=100)
    """Resamples of subjects behind the intervals."""


class Calibration(Protocol):
    """Calibration: expected calibration error, temperature scaling and conformal prediction.

    Measured on the test records as the model gives them, and again after temperature scaling with
    the one number fitted on validation records; rankings and statements stay the same. Beside these
    stand reliability curves and conformal prediction: sets of classes, or for a multi-label set
    presence and absence of each class, that hold the truth at a stated rate, calibrated on
    validation.

    Validation records have chosen the model's epoch before, so temperature and conformal limits may
    look slightly better than they are; the guarantee of conformal sets assumes that test records
    are exchangeable with validation records, and both are counted once per subject here. The
    calibration error itself is biased upwards on few records: compare it between conditions, not
    with zero.
    """

    name = "calibration"
    Config = CalibrationConfig

    def measure(self, bundle: Bundle, task: Task, config: CalibrationConfig, *, seed: int) -> Found:
        """Measures calibration before and after temperature scaling, and conformal predictions."""
        from medts.evaluation import calibration

        return calibration.run(bundle, task, config, seed=seed)
