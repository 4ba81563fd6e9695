"""Recipe: the config of a run, pretraining and fine-tuning alike.

The objective decides what a run learns from: labels, signals, pairs of signal and report, or
reports alone. A recipe is a function that returns one; a variant calls another recipe and changes
one thing. Every field's sentence is its help on the command line. Nothing here imports torch.
"""

from collections.abc import Sequence

from pydantic import Field, model_validator

from medts.core.config import NOT_IDENTITY, Config
from medts.core.errors import ConfigError
from medts.core.labels import LabelSet
from medts.data.windowing import Windowing
from medts.models.settings.base import AnyEncoder, EncoderSettings, StreamInput
from medts.models.settings.heads import HeadConfig, MatchingHeadConfig
from medts.objectives.settings.base import AnyObjective, check_fit
from medts.objectives.settings.classification import ClassificationConfig
from medts.objectives.settings.regression import RegressionConfig
from medts.signal.preprocess import Preprocessing
from medts.training.settings import Training


class Recipe(Config):
    """Encoder, head, objective, preprocessing, windows and training of one run."""

    name: str = ""
    """Name in the list of recipes, which `medts.recipes.find_recipe` gives."""

    encoder: AnyEncoder
    """Which encoder, and its sizes."""

    objective: AnyObjective = ClassificationConfig()
    """What is optimised; it decides what the run learns from."""

    head: HeadConfig | MatchingHeadConfig | None = None
    """Between the embedding and the logits, where labels are learnt."""

    starts_from_probe: bool = False
    """LP-FT (Kumar et al., ICLR 2022): whether a linear head is initialised from a logistic
    regression probe, so that its first steps do not undo what pretraining taught."""

    preprocessing: Preprocessing = Field(default_factory=Preprocessing)
    """Channels, unit, rate, band and scale that the encoder reads."""

    windowing: Windowing = Windowing()
    """How records are cut."""

    training: Training = Training()
    """Optimiser, schedule, length and precision."""

    corpus_balance: float = Field(default=0.5, ge=0.0, le=1.0)
    """How evenly corpora are sampled without labels: 0 by their subjects, 1 all equally often."""

    cache_gib: float = Field(default=4.0, ge=0, json_schema_extra=NOT_IDENTITY)
    """Memory that preprocessed records may take, GiB; what does not fit is prepared again."""

    tuning_trials: int = Field(default=0, ge=0)
    """Settings that were compared on validation before this recipe was fixed."""

    @model_validator(mode="before")
    @classmethod
    def _labels_need_a_head(cls, values: object) -> object:
        if isinstance(values, dict) and values.get("head") is None:
            objective = values.get("objective", ClassificationConfig())
            if getattr(objective, "learns_from", "") == "labels":
                is_matching = objective.kind == "label_matching"
                return {**values, "head": MatchingHeadConfig() if is_matching else HeadConfig()}
        return values

    @model_validator(mode="after")
    def _parts_fit(self) -> "Recipe":
        check_channels(self.encoder, self.preprocessing)
        check_fit(self.encoder, self.objective)
        self._check_head()
        if self.objective.learns_from != "labels" and self.training.monitor != "loss":
            raise ValueError(
                f"objective {self.objective.kind!r} has no labels: training.monitor must be 'loss'"
            )
        return self

    def _check_head(self) -> None:
        if self.objective.learns_from != "labels":
            if self.head is not None:
                raise ValueError(f"objective {self.objective.kind!r} trains no head")
            return
        is_matching = self.objective.kind == "label_matching"
        if is_matching != isinstance(self.head, MatchingHeadConfig):
            raise ValueError("objective label_matching and a matching head need each other")
        is_linear = isinstance(self.head, HeadConfig) and not (
            self.head.hidden or self.head.normalise
        )
        if self.starts_from_probe and not is_linear:
            raise ValueError("only a linear head without a norm can start from a probe")
        if self.starts_from_probe and self.objective.kind == "regression":
            raise ValueError("a logistic regression probe cannot start a head of numbers")

    def learning(self, label_sets: Sequence[LabelSet]) -> "Recipe":
        """Returns the recipe with the objective that the kinds of some label sets want.

        Of numbers, a recipe of classification learns by regression.

        Raises:
            ConfigError: If its objective learns no such labels.
        """
        if self.objective.learns_from != "labels":
            return self
        kinds = {each.kind for each in label_sets}
        if kinds <= self.objective.label_kinds:
            return self
        is_plain = isinstance(self.objective, ClassificationConfig)
        if kinds == {"number"} and is_plain and not self.starts_from_probe:
            return self.but(objective=RegressionConfig())
        has_numbers = "number" in kinds
        raise ConfigError(
            f"recipe {self.name!r} with objective {self.objective.kind!r} does not learn "
            f"{'numbers' if has_numbers else 'classes'} "
            f"({', '.join(each.name for each in label_sets)})",
            field="labels",
            remedy="Take a recipe of plain classification, such as xresnet1d, or in Python "
            ".but(objective=RegressionConfig(), starts_from_probe=False)"
            if has_numbers
            else "Take a label set of numbers, or another objective",
        )

    def hiding(self, label_sets: Sequence[LabelSet]) -> "Recipe":
        """Returns the recipe for some label sets: redacted reports must not name their classes."""
        reports = self.preprocessing.reports
        if reports is None or not reports.is_redacted:
            return self
        return self.but(preprocessing=self.preprocessing.but(reports=reports.hiding(label_sets)))

    def reading(self, preprocessing: Preprocessing, windowing: Windowing) -> "Recipe":
        """Returns the recipe on other streams, channels and windows, as another corpus has them.

        Raises:
            ConfigError: If the encoder reads one stream and preprocessing makes several.
        """
        encoder = encoder_for(self.encoder, preprocessing, windowing)
        return self.but(encoder=encoder, preprocessing=preprocessing, windowing=windowing)


def encoder_for(
    encoder: EncoderSettings, preprocessing: Preprocessing, windowing: Windowing
) -> EncoderSettings:
    """Returns an encoder's settings with the streams, channels and window that are prepared.

    Sampling rates are stated where the encoder stated them before.

    Raises:
        ConfigError: If the encoder reads one stream and preprocessing makes several.
    """
    fields, specs = type(encoder).model_fields, preprocessing.streams
    if "streams" in fields:
        has_rates = any(each.sampling_rate for each in encoder.inputs().values())
        return encoder.but(streams=inputs_of(preprocessing, has_rates=has_rates))
    if len(specs) > 1:
        raise ConfigError(
            f"{encoder.kind} reads one stream, and there are {', '.join(specs)}",
            field="preprocessing.streams",
            remedy="Take an encoder that reads several streams",
        )
    ((name, spec),) = specs.items()
    changes: dict[str, object] = {"stream": name, "channels": spec.channels}
    if "window" in fields:  # such encoders are built for one length of window
        changes["window"] = round(windowing.window_s * spec.sampling_rate)
    return encoder.but(**changes)


def inputs_of(preprocessing: Preprocessing, *, has_rates: bool = True) -> dict[str, StreamInput]:
    """Returns what an encoder reads of the streams that preprocessing makes."""
    return {
        name: StreamInput(
            channels=spec.channels, sampling_rate=spec.sampling_rate if has_rates else None
        )
        for name, spec in preprocessing.streams.items()
    }


def check_channels(encoder: EncoderSettings, preprocessing: Preprocessing) -> None:
    """Makes sure that the encoder reads the streams, channels and rates that preprocessing makes.

    Raises:
        ValueError: If it does not.
    """
    for name, wanted in encoder.inputs().items():
        spec = preprocessing.streams.get(name)
        if spec is None:
            raise ValueError(f"preprocessing makes no stream {name!r}")
        if spec.channels != wanted.channels:
            raise ValueError(
                f"encoder reads {wanted.channels}, preprocessing makes {spec.channels}"
            )
        if wanted.sampling_rate not in (None, spec.sampling_rate):
            raise ValueError(
                f"encoder reads {name!r} at {wanted.sampling_rate:g} Hz, "
                f"preprocessing makes {spec.sampling_rate:g} Hz"
            )
