"""Missing modalities."""

from typing import Literal

from pydantic import Field

from medts.evaluation.protocols.base import Bundle, Found, Protocol, Task
from medts.training.settings import ProbeConfig


class MissingModalitiesConfig(ProbeConfig):
    """Settings of the protocol `missing_modalities`."""

    readout: Literal["head", "probe"] = "head"
    """``head``: the model's own. ``probe``: trained here, on the frozen encoder."""

    metric: Literal["macro_auroc", "macro_f1", "balanced_accuracy"] = "macro_auroc"
    """Score that is followed."""

    n_resamples: int = Field(default=1000, ge=2)
    """Resamples of the subjects for intervals."""


class MissingModalities(Protocol):
    """Missing modalities (sensor dropout at test): what is left for every set of absent streams.

    Three regimes. Nothing is missing at all: the result's own metrics. The readout
    was tuned on everything and meets records that lack modalities: ``tuned on all``. It was tuned
    on records that lack the same ones: ``tuned without``. For the first two the readout may be the
    model's own head; the third needs one for each set of modalities, so there it is a probe on the
    frozen encoder. (For a fine-tuned model, train its recipe on fewer streams and compare.)

    Streams are taken out of the windows after preprocessing, as a recording without them would
    look. A record that has nothing left gets the class shares of training, and is counted.
    """

    name = "missing_modalities"
    Config = MissingModalitiesConfig

    def measure(
        self, bundle: Bundle, task: Task, config: MissingModalitiesConfig, *, seed: int
    ) -> Found:
        """Measures a model on its test records with every set of its streams missing."""
        from medts.evaluation import missing_modalities

        return missing_modalities.run(bundle, task, config, seed=seed)
