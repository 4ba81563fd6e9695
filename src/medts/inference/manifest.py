"""The written parts of a bundle: what the model is, what it answers, and where it comes from."""

from collections.abc import Callable
from typing import Any

from pydantic import Field, model_serializer

from medts.core.config import Config
from medts.core.labels import LabelSet, OperatingPoint
from medts.data.windowing import Windowing
from medts.models.settings.base import AnyEncoder
from medts.models.settings.heads import HeadConfig, MatchingHeadConfig

FORMAT_VERSION = 1


class TextModel(Config):
    """The language model whose vectors of texts a matching head was trained on."""

    name: str
    """What it was asked for by."""

    digest: str
    """SHA-256 of its weights and vocabulary; ``random`` where vectors were drawn."""

    dim: int
    """Width of its vectors."""

    n_truncated: int = 0
    """Texts of the label sets that were longer than is read."""


class ModelConfig(Config):
    """What ``config.json`` says."""

    format_version: int = FORMAT_VERSION
    """Version of the layout of the folder."""

    encoder: AnyEncoder
    """Encoder and its sizes."""

    head: HeadConfig | MatchingHeadConfig | None = None
    """Head, where the model classifies."""

    text: TextModel | None = None
    """Language model, where classes are known by their words."""

    windowing: Windowing
    """Windows whose probabilities are averaged into the record's."""

    @model_serializer(mode="wrap")
    def _without_unused_additions(self, write: Callable[..., dict[str, Any]]) -> dict[str, Any]:
        """What came later is not written where unused, so older digests stay what they were."""
        return {key: value for key, value in write(self).items() if value or key != "text"}


class Labels(Config):
    """What ``labels.json`` says."""

    label_set: LabelSet | None = None
    """What the logits mean; none for an encoder without head."""

    operating_points: dict[str, OperatingPoint] = Field(default_factory=dict)
    """Threshold of each class and the split it was chosen on."""

    further: tuple["Labels", ...] = ()
    """The same of every further label set, where one model answers several."""

    @model_serializer(mode="wrap")
    def _without_unused_additions(self, write: Callable[..., dict[str, Any]]) -> dict[str, Any]:
        """What came later is not written where unused, so older digests stay what they were."""
        return {key: value for key, value in write(self).items() if value or key != "further"}


class Provenance(Config):
    """What ``provenance.json`` says."""

    recipe: str
    """Name of the recipe."""

    settings: dict[str, Any] = Field(default_factory=dict)
    """The resolved recipe."""

    seed: int = 0
    """Seed of the run."""

    splits: dict[str, Any] = Field(default_factory=dict)
    """Folds, records and subjects of training and validation."""

    seen_subjects: tuple[str, ...] = ()
    """One-way tokens of subjects that were trained or selected on."""

    prevalence: dict[str, float] = Field(default_factory=dict)
    """Share of the training records in which each class holds."""

    prevalence_by_set: dict[str, dict[str, float]] = Field(default_factory=dict)
    """The same for each label set by its name, where classes are known by their words."""

    data_digest: str = ""
    """SHA-256 over the training records' ids, signals and labels."""

    init_digest: str = ""
    """Digest of the bundle that training started from."""

    versions: dict[str, str] = Field(default_factory=dict)
    """Versions of what the weights depend on."""

    corpora: dict[str, str] = Field(default_factory=dict)
    """Title and licence of every training corpus."""

    synthetic: bool = False
    """True where no person was recorded."""

    selection: dict[str, float] = Field(default_factory=dict)
    """Epoch that was kept and its value on validation."""
