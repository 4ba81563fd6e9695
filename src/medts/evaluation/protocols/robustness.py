"""Robustness to perturbed recordings."""

from pydantic import Field

from medts.core.config import Config
from medts.evaluation.protocols.base import Bundle, Found, Protocol, Task
from medts.signal.perturb import NoiseKind


class RobustnessConfig(Config):
    """Which circumstances are tried; an empty list leaves a kind out."""

    missing_channels: tuple[int, ...] = (1, 3, 6, 9, 11)
    """How many channels are missing, for streams of more than six; with fewer, every subset is."""

    n_draws: int = Field(default=3, ge=1)
    """Random choices of channels for each of these numbers."""

    noise: tuple[NoiseKind, ...] = ("white", "wander", "mains", "muscle")
    """Kinds of noise."""

    snr_db: tuple[float, ...] = (20.0, 10.0, 0.0)
    """Signal power over noise power, decibels."""

    sampling_rates: tuple[float, ...] = (250.0, 100.0, 50.0)
    """Rates of other recorders, Hz; only those below the recording's own are tried."""

    durations_s: tuple[float, ...] = (5.0, 2.5)
    """Seconds that are kept from the start of the record."""

    gains: tuple[float, ...] = (0.5, 2.0)
    """Factors on all amplitudes."""

    inverted: bool = True
    """Whether all channels are turned over."""

    swaps: tuple[tuple[str, str], ...] = (
        ("RA", "LA"), ("RA", "LL"), ("LA", "LL"), ("V1", "V2"), ("V1", "V3"), ("V5", "V6"),
    )  # fmt: skip
    """Pairs of electrodes that are exchanged on an ECG."""

    n_records: int | None = Field(default=None, ge=2)
    """Test records sampled for all conditions but the clean one; none takes all."""


class Robustness(Protocol):
    """Robustness to perturbations: how far the score falls on worse recordings than in training.

    The same model, at the same thresholds, meets the same test records with channels or streams
    missing, with noise, from a slower recorder, cut short, amplified, upside down, or with
    electrodes exchanged. Every circumstance is a condition with its own score and the paired
    difference to the clean score, with intervals over subjects. Intervals of many conditions are
    not corrected for their number. A record that cannot be read under a condition (no usable
    channel is left) is left out of both sides and counted.
    """

    name = "robustness"
    Config = RobustnessConfig

    def measure(self, bundle: Bundle, task: Task, config: RobustnessConfig, *, seed: int) -> Found:
        """Scores the test records clean and under every condition."""
        from medts.evaluation import robustness

        return robustness.run(bundle, task, config, seed=seed)
