"""Prediction result for one recording (`Answer`): probabilities, decisions, JSON schema version 1.

The same object comes out of Python, the command line (``--json``), streaming and files. Keys never
change within a version of the schema; what nothing fills yet is an empty list.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ConfigDict, Field

from medts.core.config import Config
from medts.core.labels import LabelSet
from medts.core.records import Measurement

Decision = Literal["yes", "no", "unsure"]


class ClassAnswer(Config):
    """Probability and decision of one class; or the value of one number (regression)."""

    probability: float | None = Field(default=None, ge=0.0, le=1.0)
    """Mean over windows, calibrated where the model is; none for a number."""

    decision: Decision | None = None
    """Against the threshold; of a ``single`` set yes for the likeliest class; else none."""

    threshold: float | None = None
    """Operating point of the class; none where the model has none."""

    value: float | None = None
    """Predicted number, mean over windows; none for a class."""

    unit: str | None = None
    """Unit of the number; none for a class, empty where it has no unit."""


class ChannelQuality(Config):
    """Signal quality of one channel."""

    channel: str
    """Name of the channel; ``stream/channel`` where several streams are read."""

    is_usable: bool = True
    """False where the channel should not be relied on."""

    problems: tuple[str, ...] = ()
    """What is wrong with it, in words."""


class StreamFacts(Config):
    """One stream of the recording as it was given, before preprocessing."""

    modality: str
    """What is measured, such as ``ecg``."""

    channels: tuple[str, ...]
    """Channels (leads) by their canonical names."""

    sampling_rate: float
    """Samples per second, Hz."""

    duration_s: float
    """Length, seconds."""


class RecordingFacts(Config):
    """Input of the model."""

    streams: dict[str, StreamFacts] = Field(default_factory=dict)
    """Streams of the recording by name."""

    missing_channels: tuple[str, ...] = ()
    """Channels that the model reads and the recording lacks; as ``stream/channel`` where it reads
    several streams."""


class ModelFacts(Config):
    """Which model was applied."""

    name: str
    """Name of its recipe."""

    digest: str
    """SHA-256 over weights, settings and labels."""


class Answer(Config):
    """The prediction for one recording."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    schema_version: Literal[1] = Field(default=1, alias="schema")
    """Version of this schema."""

    record_id: str
    """The recording."""

    label_set: str
    """Name of the label set that the classes belong to."""

    classes: dict[str, ClassAnswer]
    """Every class of the label set, in its order; all null where the recording was not judged."""

    not_judged: tuple[str, ...] = ()
    """Why classes or the whole recording were not judged, in words."""

    warnings: tuple[str, ...] = ()
    """Caveats for whoever uses the prediction."""

    is_usable: bool = True
    """False where the recording is too poor to be relied on."""

    quality: tuple[ChannelQuality, ...] = ()
    """Signal quality by channel."""

    measurements: tuple[Measurement, ...] = ()
    """Numbers measured on the recording."""

    recording: RecordingFacts = RecordingFacts()
    """Input of the model."""

    model: ModelFacts
    """Which model was applied."""

    @property
    def probability(self) -> dict[str, float]:
        """Probability of each class; nothing for a set of numbers."""
        found = {name: each.probability for name, each in self.classes.items()}
        return {name: each for name, each in found.items() if each is not None}

    @property
    def value(self) -> dict[str, float]:
        """Value of each number; nothing for a set of classes."""
        found = {name: each.value for name, each in self.classes.items()}
        return {name: each for name, each in found.items() if each is not None}

    @property
    def is_judged(self) -> bool:
        """False where the recording is too short, empty or implausible for any prediction."""
        return bool(self.probability or self.value)

    @property
    def stated(self) -> tuple[str, ...] | None:
        """Classes whose decision is yes; None, which is no finding, where nothing was judged."""
        if not self.is_judged:
            return None
        return tuple(name for name, each in self.classes.items() if each.decision == "yes")

    @property
    def missing_channels(self) -> tuple[str, ...]:
        """Channels that the model reads and the recording lacks."""
        return self.recording.missing_channels

    def as_json(self) -> dict[str, Any]:
        """Returns plain dictionaries, lists, strings and numbers, ready for ``json.dumps``."""
        return self.model_dump(mode="json", by_alias=True)


def decide(
    probability: Mapping[str, float], label_set: LabelSet, thresholds: Mapping[str, float]
) -> dict[str, ClassAnswer]:
    """Applies thresholds (operating points) to probabilities; numbers get their units.

    >>> sets = LabelSet(name="a/b", classes=("X", "Y"), kind="multi")
    >>> {n: c.decision for n, c in decide({"X": 0.4, "Y": 0.9}, sets, {"X": 0.5}).items()}
    {'X': 'no', 'Y': None}
    """
    if label_set.has_numbers:
        units = label_set.units
        return {
            name: ClassAnswer(value=probability[name], unit=units.get(name, ""))
            for name in label_set.classes
        }
    likeliest = max(label_set.classes, key=probability.__getitem__)
    found = {}
    for name in label_set.classes:
        share, threshold = probability[name], thresholds.get(name)
        decision: Decision | None = None
        if label_set.kind == "single":
            decision = "yes" if name == likeliest else "no"
        elif threshold is not None:
            decision = "yes" if share >= threshold else "no"
        found[name] = ClassAnswer(probability=share, decision=decision, threshold=threshold)
    return found
