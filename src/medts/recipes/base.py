"""Recipe and Pretraining: everything one run needs, as values.

A recipe is a function that returns one; a variant calls another recipe and changes one thing.
Every field's sentence is its help on the command line.
"""

from pydantic import Field, model_validator

from medts.core.config import Config
from medts.data.windows import Windowing
from medts.models import EncoderConfig
from medts.models.heads import HeadConfig
from medts.objectives import PretrainingConfig, SupervisedConfig
from medts.objectives.classification import ClassificationConfig
from medts.signal.preprocess import Preprocessing
from medts.training.settings import Training


class Recipe(Config):
    """Encoder, head, objective, preprocessing, windows and training of one run."""

    name: str
    """Name in the list of recipes."""

    encoder: EncoderConfig
    """Which encoder, and its sizes."""

    head: HeadConfig = HeadConfig()
    """Between the embedding and the logits."""

    objective: SupervisedConfig = ClassificationConfig()
    """How labels become a loss."""

    preprocessing: Preprocessing = Field(default_factory=Preprocessing)
    """Channels, unit, rate, band and scale that the encoder reads."""

    windowing: Windowing = Windowing()
    """How records are cut."""

    training: Training = Training()
    """Optimiser, schedule, length and precision."""

    cache_gib: float = Field(default=4.0, ge=0)
    """Memory that preprocessed records may take, GiB; what does not fit is prepared again."""

    tuning_trials: int = Field(default=0, ge=0)
    """Settings that were compared on validation before this recipe was fixed."""

    @model_validator(mode="after")
    def _encoder_reads_what_is_prepared(self) -> "Recipe":
        check_channels(self.encoder, self.preprocessing)
        return self


class Pretraining(Config):
    """Encoder, objective, preprocessing, windows and training of one run without labels."""

    name: str
    """Name in the list of pretraining recipes."""

    encoder: EncoderConfig
    """Which encoder, and its sizes; it is what the run is for."""

    objective: PretrainingConfig
    """What the encoder has to do to learn; its other parts are thrown away."""

    preprocessing: Preprocessing = Field(default_factory=Preprocessing)
    """Channels, unit, rate, band and scale that the encoder reads."""

    windowing: Windowing = Windowing()
    """How records are cut."""

    training: Training = Training(monitor="loss")
    """Optimiser, schedule, length and precision."""

    corpus_balance: float = Field(default=0.5, ge=0.0, le=1.0)
    """How alike corpora are drawn: 0 by their number of subjects, 1 all equally often."""

    cache_gib: float = Field(default=4.0, ge=0)
    """Memory that preprocessed records may take, GiB; what does not fit is prepared again."""

    @model_validator(mode="after")
    def _encoder_reads_what_is_prepared(self) -> "Pretraining":
        check_channels(self.encoder, self.preprocessing)
        if self.training.monitor != "loss":
            raise ValueError("pretraining has no labels: training.monitor must be 'loss'")
        return self


def check_channels(encoder: EncoderConfig, preprocessing: Preprocessing) -> None:
    """Makes sure that the encoder reads the channels that preprocessing makes.

    Raises:
        ValueError: If it does not.
    """
    spec = preprocessing.streams.get(encoder.stream)
    if spec is None:
        raise ValueError(f"preprocessing makes no stream {encoder.stream!r}")
    if spec.channels != encoder.channels:
        raise ValueError(f"encoder reads {encoder.channels}, preprocessing makes {spec.channels}")
