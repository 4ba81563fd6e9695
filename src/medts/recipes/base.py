"""Recipe: everything one fine-tuning run needs, as values.

A recipe is a function that returns one; a variant calls another recipe and changes one thing.
Every field's sentence is its help on the command line.
"""

from pydantic import Field, model_validator

from medts.core.config import Config
from medts.data.windows import Windowing
from medts.models import EncoderConfig
from medts.models.heads import HeadConfig
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

    objective: ClassificationConfig = ClassificationConfig()
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
        spec = self.preprocessing.streams.get(self.encoder.stream)
        if spec is None:
            raise ValueError(f"preprocessing makes no stream {self.encoder.stream!r}")
        if spec.channels != self.encoder.channels:
            raise ValueError(
                f"encoder reads {self.encoder.channels}, preprocessing makes {spec.channels}"
            )
        return self
