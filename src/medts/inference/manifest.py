"""Manifest: the written part of a bundle, ``manifest.json``; read without torch.

*Format version.* ``format_version`` is raised when a reader of the version before would
misunderstand what is written: a key changes its meaning or unit, is removed, or becomes required
for a right prediction. A new key that may be left out does not raise it. A reader takes exactly its
own version: it refuses an older or newer bundle with one sentence, and never guesses. The version
of ``preprocessing`` stands in it; its rule is that of `medts.signal.preprocess.Preprocessing`.
"""

import hashlib
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from medts.core.channels import aliases_of
from medts.core.config import Config
from medts.core.errors import BundleError, unknown_name
from medts.core.labels import LabelSet, OperatingPoint, same_classes
from medts.data.seen import Seen
from medts.data.windowing import Windowing
from medts.models.settings.base import AnyEncoder
from medts.models.settings.heads import HeadConfig, MatchingHeadConfig
from medts.signal.preprocess import Preprocessing

FORMAT_VERSION = 2


class TextModel(Config):
    """The language model whose vectors of texts a matching head was trained on."""

    name: str
    """Name or folder that it was loaded by."""

    digest: str
    """SHA-256 of its weights and vocabulary; ``random`` where vectors were sampled."""

    dim: int
    """Width of its vectors."""

    n_truncated: int = 0
    """Texts of the label sets that were longer than is read."""


class ModelConfig(Config):
    """The network and its windows."""

    encoder: AnyEncoder
    """Encoder and its sizes."""

    head: HeadConfig | MatchingHeadConfig | None = None
    """Head, where the model classifies."""

    text: TextModel | None = None
    """Language model, where classes are known by their words."""

    windowing: Windowing
    """Windows whose probabilities, or numbers, are averaged into the record's."""


class TemperatureScaling(Config):
    """Temperature scaling (Guo et al. 2017) of a label set: log-odds divided by one number."""

    kind: Literal["temperature"] = "temperature"
    """Tells the kinds apart."""

    temperature: float = Field(gt=0)
    """Above 1 the model had been too sure."""


class PlattScaling(Config):
    """Platt scaling of each class of a ``multi`` set: slope and intercept of its log-odds."""

    kind: Literal["platt"] = "platt"
    """Tells the kinds apart."""

    slope: dict[str, float]
    """Of each class."""

    intercept: dict[str, float]
    """Of each class."""


Calibration = Annotated[TemperatureScaling | PlattScaling, Field(discriminator="kind")]


class Labels(Config):
    """A label set with what was chosen for it on validation records, and further ones."""

    label_set: LabelSet | None = None
    """What the logits mean; none for an encoder without head."""

    operating_points: dict[str, OperatingPoint] = Field(default_factory=dict)
    """Threshold of each class and the split it was chosen on."""

    calibration: Calibration | None = None
    """Applied to the mean probability of a record, before thresholds; none leaves it as it is."""

    further: tuple["Labels", ...] = ()
    """The same of every further label set, where one model has several."""

    @model_validator(mode="after")
    def _platt_scaling_names_every_class(self) -> "Labels":
        scaling, label_set = self.calibration, self.label_set
        if isinstance(scaling, PlattScaling) and label_set is not None:
            named = {frozenset(scaling.slope), frozenset(scaling.intercept)}
            if label_set.kind != "multi" or named != {frozenset(label_set.classes)}:
                raise ValueError("Platt scaling names each class of a multi set, and no other")
        return self

    @property
    def label_sets(self) -> dict[str, LabelSet]:
        """Every label set that the model was trained on, by name; the first one leads."""
        every = (self, *self.further)
        return {each.label_set.name: each.label_set for each in every if each.label_set}

    def resolve(self, label_set: str | LabelSet | None = None) -> LabelSet:
        """Returns the label set that is meant: the leading one, one by name, or the one given.

        One that was trained on is returned with the words of training, whatever the words of that
        which is given.

        Raises:
            BundleError: If the model has no head.
            UnknownNameError: If it was not trained on one of that name.
        """
        if self.label_set is None:
            raise BundleError(
                "this bundle is an encoder without a head", remedy="Fine-tune it first"
            )
        if label_set is None:
            return self.label_set
        known = self.label_sets
        if isinstance(label_set, str):
            if label_set not in known:
                raise unknown_name("label set of this model", label_set, known)
            return known[label_set]
        own = known.get(label_set.name)
        return own if own is not None and same_classes(label_set, own) else label_set

    def of(self, label_set: LabelSet) -> "Labels":
        """Returns what was chosen for a label set; nothing for one that was not trained on."""
        every = (self, *self.further)
        return next((e for e in every if e.label_set == label_set), Labels(label_set=label_set))

    def thresholds(self, label_set: LabelSet) -> dict[str, float]:
        """Returns the operating point of each class of a label set, where there is one."""
        points = self.of(label_set).operating_points
        return {name: each.threshold for name, each in points.items()}


class Provenance(Config):
    """Where the weights come from."""

    recipe: str
    """Name of the recipe."""

    settings: dict[str, Any] = Field(default_factory=dict)
    """The resolved recipe."""

    seed: int = 0
    """Seed of the run."""

    splits: dict[str, Any] = Field(default_factory=dict)
    """Folds, records and subjects of training and validation."""

    seen: tuple[Seen, ...] = ()
    """Folds and subjects that were trained or selected on, by corpus."""

    prevalence: dict[str, float] = Field(default_factory=dict)
    """Share of the training records in which each class holds."""

    prevalence_by_set: dict[str, dict[str, float]] = Field(default_factory=dict)
    """The same for each label set by its name, where there are several."""

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

    def shares_of(self, label_set: LabelSet, labels: Labels) -> dict[str, float]:
        """Returns the prevalence of each class of a label set; none where it was not learnt."""
        if label_set == labels.label_set:
            return self.prevalence
        is_own = label_set == labels.label_sets.get(label_set.name)
        return self.prevalence_by_set.get(label_set.name, {}) if is_own else {}


class Artifact(Config):
    """A file with weights."""

    file: str
    """Name of the file in the folder."""

    sha256: str
    """SHA-256 of its bytes."""


class Channel(Config):
    """A channel that the model reads."""

    name: str
    """Canonical name."""

    aliases: tuple[str, ...] = ()
    """Older names of the same channel."""


class Requirement(Config):
    """A package of others without which the bundle does not load."""

    package: str
    """Name by which it is installed."""

    version: str = ""
    """Version that was installed when the bundle was written."""

    noun: Literal["encoder", "objective"]
    """What it provides."""

    kind: str
    """Under which name it provides that."""


class Manifest(Config):
    """What ``manifest.json`` holds."""

    format_version: Literal[2] = FORMAT_VERSION
    """Version of the layout; see the head of `medts.inference.manifest`."""

    artifacts: dict[Literal["safetensors", "onnx"], Artifact] = Field(default_factory=dict)
    """Files with the weights; either may be absent."""

    model: ModelConfig
    """Encoder, head and windows."""

    preprocessing: Preprocessing
    """Channels, unit, rate, band and scale of every stream, and the version of its arithmetic."""

    channels: dict[str, tuple[Channel, ...]] = Field(default_factory=dict)
    """Of each stream, the channels in the order in which the model reads them."""

    labels: Labels = Labels()
    """Label sets with thresholds and calibration."""

    seen: tuple[Seen, ...] = ()
    """Folds and subjects that were trained or selected on, by corpus."""

    requires: tuple[Requirement, ...] = ()
    """Packages of others that must be installed."""

    provenance: Provenance
    """Where the weights come from; what was seen stands above."""

    @property
    def digest(self) -> str:
        """SHA-256 over weights, network settings, preprocessing and labels."""
        weights = self.artifacts.get("safetensors") or self.artifacts.get("onnx")
        return digest_of(
            "" if weights is None else weights.sha256, self.model, self.preprocessing, self.labels
        )

    def prevalence(self, label_set: LabelSet) -> dict[str, float]:
        """Returns the share of training records of each class; none where unknown."""
        return self.provenance.shares_of(label_set, self.labels)


def digest_of(
    weights: str, model: ModelConfig, preprocessing: Preprocessing, labels: Labels
) -> str:
    """Returns the digest of a bundle whose weights have the given SHA-256."""
    digest = hashlib.sha256(weights.encode())
    for part in (model, preprocessing, labels):
        digest.update(hashlib.sha256(part.model_dump_json().encode()).digest())
    return digest.hexdigest()


def channels_of(preprocessing: Preprocessing) -> dict[str, tuple[Channel, ...]]:
    """Lists the channels of every stream by name and alias, in the order that is read."""
    return {
        name: tuple(Channel(name=each, aliases=aliases_of(each)) for each in spec.channels)
        for name, spec in preprocessing.streams.items()
    }
