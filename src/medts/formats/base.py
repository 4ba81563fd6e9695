"""Interface of a file format (recognise, read, write), and channels gathered into streams.

A reader of one format yields plain channels, as the file states them. `gather` makes streams of
them: it settles names, modality and unit with the help of the caller's `Hints`, and refuses to
guess where a guess could be wrong by a factor of a thousand.

Axes: T samples in time.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from medts.core.errors import MedtsError, ReadError, unknown_name
from medts.core.montage import canonical_channel, guess_modality
from medts.core.records import Record, Stream
from medts.core.units import UNIT_OF, canonical_unit, conversion_factor

_SELF_EVIDENT = ("a.u.", "°C", "%", "bpm")
"""Units that may go unsaid, because their modality is never held in another one."""

_SHOWN_BY_UNIT = ("acc", "gyro", "eda", "temp")
"""Modalities that a unit alone identifies; a voltage could be anything."""


@dataclass(frozen=True)
class Hints:
    """Facts from the caller that a file may lack; see `medts.formats.read`."""

    sampling_rate: float | None = None
    channels: tuple[str, ...] | None = None
    unit: str | None = None
    modality: str | None = None
    rename: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        if self.modality is not None and self.modality not in UNIT_OF:
            raise unknown_name("modality", self.modality, UNIT_OF)
        if self.unit is not None:
            object.__setattr__(self, "unit", canonical_unit(self.unit))
        if self.channels is not None:
            names = tuple(canonical_channel(name) for name in self.channels)
            object.__setattr__(self, "channels", names)
        if self.rename is not None:
            names = {canonical_channel(old): canonical_channel(n) for old, n in self.rename.items()}
            if not all(names.values()):
                raise MedtsError("a channel is renamed to nothing", field="rename")
            object.__setattr__(self, "rename", names)
        if self.sampling_rate is not None and not 0 < self.sampling_rate < np.inf:
            problem = f"sampling rate {self.sampling_rate} is not positive"
            raise MedtsError(problem, field="sampling_rate")

    def renamed(self, name: str) -> str:
        """Returns the name that the caller gives a channel of the file, else the file's own."""
        return (self.rename or {}).get(canonical_channel(name), name)


def refuse_to_write(record: Record, path: Path) -> None:
    """Stands in for the writer of a format that is only read.

    Raises:
        MedtsError: Always.
    """
    raise MedtsError("this format is only read", path=path, remedy="Write .npz, .edf or WFDB")


@dataclass(frozen=True)
class Format:
    """A file format; ``FORMAT`` of a module of `medts.formats`, or an entry point, is in the list.

    Args:
        key: Short name in the list of formats.
        name: For people.
        suffixes: Usual ones of file names; never used to recognise a file.
        recognises: Whether the content of an existing or partly missing file is of this format.
        read: Turns a file into a record.
        write: Writes a record, replacing what is there; left out for a format that is only read.
        order: Formats are tried from low to high; a text format that any table could be has 90.
    """

    key: str
    name: str
    suffixes: tuple[str, ...]
    recognises: Callable[[Path], bool]
    read: Callable[[Path, Hints], Record]
    write: Callable[[Record, Path], None] = refuse_to_write
    order: int = 50

    @property
    def is_writable(self) -> bool:
        """Whether records can be written in this format."""
        return self.write is not refuse_to_write


@dataclass(frozen=True)
class Channel:
    """One row of a file, as the file states it.

    Args:
        name: Empty where the file has none.
        values: In ``unit``; NaN where nothing was recorded.
        sampling_rate: Hz.
        unit: As spelt in the file; empty where it has none.
        resolution: Size of one step of the recorder's integers, in ``unit``, where known.
        modality: What it measures, where the file says so; empty where its name must tell.
        is_derived: Whether it was computed from other channels and not recorded.
        start_s: Seconds from the start of the record to the first sample.
    """

    name: str
    values: Float[np.ndarray, "T"]
    sampling_rate: float
    unit: str = ""
    resolution: float | None = None
    modality: str = ""
    is_derived: bool = False
    start_s: float = 0.0


def head_of(path: Path, n_bytes: int) -> bytes:
    """Returns the first bytes of a file (for sniffing); none if it is no file."""
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        return file.read(n_bytes)


def gather(path: Path, channels: list[Channel], hints: Hints) -> dict[str, Stream]:
    """Makes one stream per modality, rate and time, renamed and in the modality's own unit.

    A stream is named after its modality; further ones are called ``ecg-2``, ``ecg-3``, ….
    Modalities held in arbitrary units keep the unit of the file, one stream for each unit.

    Raises:
        ReadError: If names or units are missing, doubled, unknown or contradict the hints.
    """
    check_renamed(path, [channel.name for channel in channels], hints)
    channels = [replace(channel, name=hints.renamed(channel.name)) for channel in channels]
    chosen = _choose(path, channels, hints.channels)
    modalities = [hints.modality or _modality_of(channel) for channel in chosen]
    units = _settle_units(path, chosen, modalities, hints.unit)
    groups: dict[tuple[str, float, str, float, int], list[tuple[Channel, float]]] = {}
    for channel, modality, unit in zip(chosen, modalities, units, strict=True):
        held = unit if UNIT_OF[modality] == "a.u." else UNIT_OF[modality]
        key = (modality, channel.sampling_rate, held, channel.start_s, channel.values.size)
        groups.setdefault(key, []).append((channel, conversion_factor(unit, held)))

    streams: dict[str, Stream] = {}
    for (modality, sampling_rate, held, start_s, _), members in groups.items():
        names = tuple(canonical_channel(channel.name) for channel, _ in members)
        doubled = next((name for name in names if names.count(name) > 1), None)
        if doubled is not None:
            problem = f"channel {doubled!r} occurs more than once"
            remedy = "Pass channels= with a distinct name for every channel of the file"
            raise ReadError(problem, path=path, field="channels", remedy=remedy)
        n_before = sum(stream.modality == modality for stream in streams.values())
        steps = [each.resolution * factor for each, factor in members if each.resolution]
        signal = np.empty((len(members), members[0][0].values.size), np.float32)
        for row, (each, factor) in zip(signal, members, strict=True):
            with np.errstate(over="ignore"):
                if factor == 1.0:
                    row[:] = each.values
                else:
                    np.multiply(each.values, factor, out=row, dtype=np.float64, casting="same_kind")
            if np.isinf(row).any():
                raise ReadError("a sample is infinite", path=path, field=f"channel {each.name}")
        streams[modality if n_before == 0 else f"{modality}-{n_before + 1}"] = Stream(
            signal=signal,
            channels=names,
            sampling_rate=sampling_rate,
            modality=modality,
            unit=held,
            start_s=start_s,
            resolution=np.array(steps) if len(steps) == len(members) else None,
            derived=tuple(
                n for n, (each, _) in zip(names, members, strict=True) if each.is_derived
            ),
        )
    return streams


def check_renamed(path: Path, names: Iterable[str], hints: Hints) -> None:
    """Checks that the file has every channel that the caller renames."""
    found = [canonical_channel(name) for name in names]
    if missing := [old for old in hints.rename or {} if old not in found]:
        problem = f"no channel {', '.join(missing)} to rename"
        raise ReadError(problem, path=path, field="rename", remedy=f"Present: {', '.join(found)}")


def settle_rate(
    path: Path, stated: float | None, hints: Hints, *, tolerance: float = 1e-6
) -> float:
    """Returns the sampling rate of a file in Hz."""
    if stated is None and hints.sampling_rate is None:
        problem = "the file does not say its sampling rate"
        remedy = "Pass sampling_rate= (--sampling-rate) in Hz"
        raise ReadError(problem, path=path, field="sampling_rate", remedy=remedy)
    if stated is None or hints.sampling_rate is None:
        return float(stated or hints.sampling_rate or 0.0)
    if abs(stated - hints.sampling_rate) > tolerance * stated:
        raise ReadError(
            f"sampling_rate={hints.sampling_rate:g} was given, but the file says {stated:g} Hz",
            path=path,
            field="sampling_rate",
            remedy="Leave sampling_rate= out, or correct the file",
        )
    return hints.sampling_rate


def _choose(path: Path, channels: list[Channel], wanted: tuple[str, ...] | None) -> list[Channel]:
    """Picks channels by name; names them where the names of the file are not distinct."""
    if not channels:
        raise ReadError("the file holds no signal", path=path)
    if any(channel.values.size == 0 for channel in channels):
        raise ReadError("the file holds no samples", path=path)
    names = [canonical_channel(channel.name) for channel in channels]
    is_distinct = all(names) and len(set(names)) == len(names)
    if wanted is None:
        if not all(names):
            problem = f"channel {names.index('') + 1} of {len(names)} has no name"
            remedy = "Pass channels= with one name per channel, in the order of the file"
            raise ReadError(problem, path=path, field="channels", remedy=remedy)
        return channels
    if is_distinct:
        missing = [name for name in wanted if name not in names]
        if missing:
            problem = f"no channel {', '.join(missing)}"
            remedy = f"Present: {', '.join(names)}"
            raise ReadError(problem, path=path, field="channels", remedy=remedy)
        return [channels[names.index(name)] for name in wanted]
    if len(wanted) != len(channels):
        problem = f"{len(wanted)} names were given for {len(channels)} channels"
        remedy = "Pass channels= with one name per channel, in the order of the file"
        raise ReadError(problem, path=path, field="channels", remedy=remedy)
    return [replace(each, name=name) for name, each in zip(wanted, channels, strict=True)]


def _modality_of(channel: Channel) -> str:
    modality = channel.modality or guess_modality(channel.name)
    if modality != "other":
        return modality
    return next(
        (each for each in _SHOWN_BY_UNIT if _measures(channel.unit, UNIT_OF[each])), "other"
    )


def _measures(unit: str, held: str) -> bool:
    """Whether values in ``unit`` can be converted to ``held``."""
    try:
        conversion_factor(unit, held)
    except MedtsError:
        return False
    return True


def _settle_units(
    path: Path, channels: list[Channel], modalities: list[str], hint: str | None
) -> list[str]:
    """Takes the unit from the file, else from the caller where it fits, else not at all."""
    stated = [_stated_unit(*pair) for pair in zip(channels, modalities, strict=True)]
    open_rows = [row for row, unit in enumerate(stated) if unit is None]
    hinted: list[int] = []
    if hint is not None:
        hinted = [row for row in open_rows if _measures(hint, UNIT_OF[modalities[row]])]
        hinted = hinted or [row for row in open_rows if UNIT_OF[modalities[row]] == "a.u."]
        if not hinted and hint not in stated:
            found = sorted({unit or "none" for unit in stated})
            raise ReadError(
                f"unit={hint!r} was given, but fits no channel; units found: {', '.join(found)}",
                path=path,
                field="unit",
                remedy="Leave unit= out, or correct the file",
            )
    units: list[str] = []
    for row, (channel, modality) in enumerate(zip(channels, modalities, strict=True)):
        held, unit = UNIT_OF[modality], stated[row]
        if unit is not None:
            pass
        elif row in hinted and hint is not None:
            unit = hint
        elif held in _SELF_EVIDENT and channel.unit.strip() == "":
            unit = held
        else:
            problem = f"unknown unit {channel.unit!r}" if channel.unit.strip() else "no unit"
            raise ReadError(
                problem,
                path=path,
                field=f"channel {channel.name}",
                remedy=f"State it in the file, pass unit= ({modality} is held in {held}), "
                "or leave the channel out with channels=",
            )
        if held != "a.u." and not _measures(unit, held):
            problem = f"unit {unit!r} does not measure {modality}, which is held in {held}"
            remedy = "Pass modality= if the name misleads, or channels= to leave this one out"
            raise ReadError(problem, path=path, field=f"channel {channel.name}", remedy=remedy)
        units.append(unit)
    return units


def _stated_unit(channel: Channel, modality: str) -> str | None:
    """Returns the unit in its one spelling; None where the file names none that is known."""
    if channel.unit.strip() == "":
        return None
    try:
        unit = canonical_unit(channel.unit)
    except MedtsError:
        return None
    return None if unit == "a.u." and UNIT_OF[modality] != "a.u." else unit
