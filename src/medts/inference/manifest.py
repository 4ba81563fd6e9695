"""The written parts of a bundle: what the model is, what it answers, and where it comes from."""

from typing import Any

from pydantic import Field

from medts.core.config import Config
from medts.core.labels import LabelSet, OperatingPoint
from medts.data.windows import Windowing
from medts.models import EncoderConfig
from medts.models.heads import HeadConfig

FORMAT_VERSION = 1


class ModelConfig(Config):
    """What ``config.json`` says."""

    format_version: int = FORMAT_VERSION
    """Version of the layout of the folder."""

    encoder: EncoderConfig
    """Encoder and its sizes."""

    head: HeadConfig | None = None
    """Head, where the model classifies."""

    windowing: Windowing
    """Windows whose probabilities are averaged into the record's."""


class Labels(Config):
    """What ``labels.json`` says."""

    label_set: LabelSet | None = None
    """What the logits mean; none for an encoder without head."""

    operating_points: dict[str, OperatingPoint] = Field(default_factory=dict)
    """Threshold of each class and the split it was chosen on."""


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
