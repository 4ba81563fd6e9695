"""Record and Stream: a recording in physical units, channels and streams by name.

A stream is one modality at one sampling rate; a record holds several streams, which may differ
in rate, channels and start.

Axes: C channels, T samples in time.
"""

import re
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float

from medts.core.channels import canonical_channel, check_distinct
from medts.core.config import Config
from medts.core.errors import MedtsError
from medts.core.units import UNIT_OF, canonical_unit, conversion_factor

Fact = str | float | int | bool | None


@dataclass(frozen=True)
class Statement:
    """One coded finding about a record, with the system its code belongs to.

    ``likelihood`` is in percent; 0 means that the annotator gave none, as in PTB-XL.
    """

    code: str
    system: str
    likelihood: float | None = None


@dataclass(frozen=True)
class Annotation:
    """Something marked in time: a beat, a wave's boundary, a stage, a rhythm change.

    ``time_s`` counts from the start of the record; ``channel`` is empty when all are meant.
    """

    time_s: float
    label: str
    kind: str
    channel: str = ""
    duration_s: float = 0.0


class Measurement(Config):
    """One number measured on the recording itself, such as a heart rate."""

    name: str
    """What is measured."""

    value: float
    """The number."""

    unit: str = ""
    """Unit of the number."""

    channel: str | None = None
    """Channel that it was measured on; none for the whole recording."""


@dataclass(frozen=True)
class Stream:
    """One modality of one recording, in physical units; NaN marks samples never recorded.

    Channel names and the unit are brought to their canonical spelling on construction.

    Args:
        signal: Physical values in ``unit``.
        channels: One name per row of ``signal``.
        sampling_rate: Samples per second (sfreq, fs), Hz.
        modality: A key of `medts.core.units.UNIT_OF`, such as ``ecg``.
        unit: Unit of every row.
        start_s: Seconds from the start of the record to the first sample.
        resolution: Physical size of one step of the recorder's integers, per channel, where the
            file has it; a store keeps such signals without loss.
        derived: Those of ``channels`` that were computed from others and not recorded, such as
            aVR from I and II.

    Raises:
        MedtsError: If names are missing or doubled, the rate is not positive, the modality is
            unknown, or the unit measures something else than the modality.
    """

    signal: Float[np.ndarray, "C T"]
    channels: tuple[str, ...]
    sampling_rate: float
    modality: str
    unit: str
    start_s: float = 0.0
    resolution: Float[np.ndarray, "C"] | None = None
    derived: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = tuple(canonical_channel(name) for name in self.channels)
        object.__setattr__(self, "channels", names)
        object.__setattr__(self, "derived", tuple(n for n in self.derived if n in names))
        object.__setattr__(self, "unit", canonical_unit(self.unit))
        if len(names) != len(self.signal):
            problem = f"{len(self.signal)} channels but {len(names)} names"
            raise MedtsError(problem, field="channels")
        check_distinct(names)
        if not (np.isfinite(self.sampling_rate) and self.sampling_rate > 0):
            problem = f"sampling rate {self.sampling_rate} is not positive"
            raise MedtsError(problem, field="sampling_rate")
        if self.modality not in UNIT_OF:
            remedy = f"Known: {', '.join(UNIT_OF)}"
            raise MedtsError(f"unknown modality {self.modality!r}", remedy=remedy)
        if UNIT_OF[self.modality] != "a.u.":
            conversion_factor(self.unit, UNIT_OF[self.modality])

    @property
    def n_samples(self) -> int:
        """Samples in time."""
        return self.signal.shape[1]

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.sampling_rate

    def to_unit(self, unit: str) -> "Stream":
        """Returns the stream in another unit of the same kind.

        Raises:
            MedtsError: If the units measure different things.
        """
        factor = conversion_factor(self.unit, unit)
        if factor == 1.0:
            return replace(self, unit=unit)
        resolution = None if self.resolution is None else self.resolution * factor
        signal = self.signal * self.signal.dtype.type(factor)
        return replace(self, signal=signal, unit=unit, resolution=resolution)

    def pick(self, channels: tuple[str, ...]) -> "Stream":
        """Returns the named channels, in that order.

        Raises:
            MedtsError: If one is not in the stream.
        """
        wanted = [canonical_channel(name) for name in channels]
        missing = [name for name in wanted if name not in self.channels]
        if missing:
            remedy = f"Present: {', '.join(self.channels)}"
            raise MedtsError(f"no channel {', '.join(missing)}", remedy=remedy)
        rows = [self.channels.index(name) for name in wanted]
        resolution = None if self.resolution is None else self.resolution[rows]
        return replace(
            self, signal=self.signal[rows], channels=tuple(wanted), resolution=resolution
        )


@dataclass(frozen=True)
class Record:
    """A subject's recording: its streams by name, report, statements, annotations and facts.

    Args:
        record_id: Unique within its corpus.
        streams: By name; the name is the modality unless a source regroups channels. None in a
            record of marks alone, such as a hypnogram.
        subject_id: The person (patient); the record's own id where the corpus has no persons.
        report: Free text by the clinician or the device.
        statements: Coded findings.
        annotations: Marks in time.
        measurements: Numbers that the device measured, such as its QT interval.
        facts: Whatever else is known, such as ``age`` in years, ``sex`` and ``device``.
    """

    record_id: str
    streams: dict[str, Stream]
    subject_id: str = ""
    report: str | None = None
    statements: tuple[Statement, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    facts: dict[str, Fact] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.streams and not self.annotations:
            raise MedtsError(f"record {self.record_id!r} has no stream")
        bad = [name for name in self.streams if not re.fullmatch(r"[a-z0-9][a-z0-9_\-]*", name)]
        if bad:
            raise MedtsError(f"stream name {bad[0]!r} is not lower-case letters, digits, - or _")

    @property
    def duration_s(self) -> float:
        """Seconds from the start of the record to the end of its last stream, else of its marks."""
        ends = [stream.start_s + stream.duration_s for stream in self.streams.values()]
        return max(ends or [each.time_s + each.duration_s for each in self.annotations])
