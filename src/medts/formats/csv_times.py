"""Time axis of a table: which column holds the times, in which unit, and the rate they give.

Times may be numbers in a stated unit, clock times with or without a date, or the numbers of the
samples. Where the unit is not stated and the steps are a second or longer, nothing is guessed.

Axes: T samples in time.
"""

import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np
from jaxtyping import Float

from medts.core.errors import MedtsError, ReadError
from medts.core.units import canonical_unit

_JITTER = 0.01
"""Share of a sampling interval by which one may differ from the others."""

_ROUNDING = 0.75
"""Share of a sampling interval by which a rounded time may miss its place; a lost sample is 1."""

_SECONDS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds", "sekunde", "sekunden", "sek"), 1.0),
    **dict.fromkeys(("seconde", "secondes", "segundo", "segundos", "secondi", "秒"), 1.0),
    **dict.fromkeys(("ms", "msec", "msecs", "millis", "millisec", "millisecs"), 1e-3),
    **dict.fromkeys(("millisecond", "milliseconds", "millisekunden", "millisecondes"), 1e-3),
    **dict.fromkeys(("us", "usec", "usecs", "µs", "µsec", "micros", "microsec"), 1e-6),
    **dict.fromkeys(("microsecond", "microseconds", "mikrosekunden", "microsecondes"), 1e-6),
    **dict.fromkeys(("ns", "nsec", "nanosecond", "nanoseconds", "nanos"), 1e-9),
    **dict.fromkeys(("min", "mins", "minute", "minutes", "minuten"), 60.0),
    **dict.fromkeys(("h", "hour", "hours", "hrs", "stunden"), 3600.0),
}
_COUNTED = ("sample", "samples", "sample #", "sample number", "sample_number", "sample_index")
_COUNTED = (*_COUNTED, "sampleindex", "samplenumber", "index", "row", "frame", "frames")
_NAMES = (
    r"(?:(?:elapsed|relative|recording|rel)[\s_]*)?"
    r"(?:times?|t|time[\s_]?stamps?|time[\s_]axis|datetime|zeit|zeitstempel|uhrzeit|temps|tiempo|"
    r"tempo|tijd|tid|время|时间|時間)"
)
_TIME = re.compile(rf"(?P<name>{_NAMES})(?:[\s_.\-/,]+(?:in[\s_]+)?(?P<unit>[^\W\d_]+))?")
_CLOCK = re.compile(
    r"[\[\"']*(?:(?P<date>\d{1,4}[-./]\d{1,2}[-./]\d{1,4})[T ,]+)?"
    r"(?P<first>\d{1,3}):(?P<second>\d\d)(?::(?P<third>\d\d))?(?:[.,:](?P<fraction>\d+))?"
    r"\s*(?P<half>[ap]\.?m\.?)?(?:Z|[+-]\d\d:?\d\d)?(?: \d[\d./-]+)?[\]\"']*",
    re.IGNORECASE,
)
_DAY_S = 86_400.0


def is_clock(cell: str) -> bool:
    """Whether a cell is a time of day or a date with one.

    >>> is_clock("0:00.004"), is_clock("2020-03-02T10:20:30.004Z"), is_clock("1:2")
    (True, True, False)
    """
    return _CLOCK.fullmatch(cell.strip()) is not None


def unit_seconds(unit: str) -> float | None:
    """Returns how long a unit of time is; None for other texts.

    >>> unit_seconds("msec"), unit_seconds("mV")
    (0.001, None)
    """
    folded = unit.strip().rstrip(".").replace("μ", "µ").replace("Âµ", "µ").lower()
    return _SECONDS.get(folded.replace("âµ", "µ"))


def time_unit(name: str, unit: str) -> str | None:
    """Returns the unit of a column of times, empty where it is not stated; None for others.

    >>> time_unit("time_ms", ""), time_unit("Time", "s"), time_unit("t", ""), time_unit("I", "mV")
    ('ms', 's', '', None)
    """
    folded = name.strip().lower()
    unit = unit.strip()
    if unit and unit_seconds(unit) is None and not unit.lower().startswith("sample"):
        with suppress(MedtsError):
            canonical_unit(unit)
            return None  # a channel called T, t or index, in a unit of its own
    if folded in _COUNTED:
        return unit or "samples"
    if len(folded) > 1 and folded not in ("min", "mins") and unit_seconds(folded) is not None:
        return unit or folded
    match = _TIME.fullmatch(folded)
    return None if match is None else unit or match["unit"] or ""


def clock_seconds(
    path: Path, field: str, first_row: int, cells: Iterable[str]
) -> Float[np.ndarray, "T"]:
    """Returns seconds since midnight, going on over it; dates only show that a day has passed."""
    times: list[float] = []
    day_s = 0.0
    for row, cell in enumerate(cells, start=first_row):
        match = _CLOCK.fullmatch(cell.strip())
        if match is None:
            if cell.strip():
                problem = f"{cell.strip()!r} is no time of day"
                raise ReadError(problem, path=path, field=f"row {row}, {field}")
            times.append(np.nan)
            continue
        hour, minute, second = _parts(match)
        if hour is None:
            problem = f"{cell.strip()!r} may be hours and minutes, or minutes and seconds"
            remedy = (
                "Write hh:mm:ss, or leave the column out and pass sampling_rate= (--sampling-rate)"
            )
            raise ReadError(problem, path=path, field=f"row {row}, {field}", remedy=remedy)
        time = 3600.0 * hour + 60.0 * minute + second + float(f"0.{match['fraction'] or 0}")
        if times and time + day_s < times[-1] - _DAY_S / 2:
            day_s += _DAY_S
        times.append(time + day_s)
    return np.array(times)


def _parts(match: re.Match[str]) -> tuple[int | None, int, int]:
    """Returns hours (None where they cannot be told from minutes), minutes and seconds."""
    first, second = int(match["first"]), int(match["second"])
    if match["third"] is None:
        return (0, first, second) if match["fraction"] and not match["half"] else (None, 0, 0)
    if match["half"]:
        first = first % 12 + (12 if match["half"][0] in "pP" else 0)
    return first, second, int(match["third"])


def infer_rate(
    path: Path, times: Float[np.ndarray, "T"], unit: str, stated: float | None
) -> float | None:
    """Returns the mean rate of evenly spaced times in Hz; None for one row or counted samples.

    With a stated rate, rounded times are accepted if no sample is out of its place, and a unit
    that is not named is the one that fits.
    """
    if len(times) and not np.all(np.isfinite(times)):
        row = int(np.flatnonzero(~np.isfinite(times))[0])
        remedy = "Write a time into every row; leave the cells of the channels empty"
        raise ReadError("no time", path=path, field=f"time, sample {row}", remedy=remedy)
    steps = np.diff(times)
    if steps.size == 0:
        return None
    step = float(np.median(steps))
    if unit.lower().startswith("sample"):
        return _counted(path, steps, times)
    factor = unit_seconds(unit)
    if unit and factor is None and stated is None:
        raise ReadError(
            f"unknown unit of time {unit!r}",
            path=path,
            field="time",
            remedy="Known: s, ms, µs, ns, min, h; or pass sampling_rate= (--sampling-rate)",
        )
    if factor is None and stated is not None:
        lengths = (1.0, 1e-3, 1e-6, 1e-9, 60.0, 3600.0, 1.0 / stated)
        factor = next(
            (each for each in lengths if abs(step * each * stated - 1) < _ROUNDING / 2), 1.0
        )
    elif factor is None and step >= 1.0:
        raise ReadError(
            f"times in steps of {step:g} without a unit may be seconds, milliseconds or samples",
            path=path,
            field="time",
            remedy="Call the column time_s or time_ms, or pass sampling_rate= (--sampling-rate)",
        )
    return _even_rate(path, times * (factor or 1.0), step * (factor or 1.0), stated)


def _counted(path: Path, steps: np.ndarray, times: np.ndarray) -> None:
    """Checks that no sample is missing; their numbers say nothing of the rate."""
    if np.all(steps == 1):
        return
    at = int(np.flatnonzero(steps != 1)[0])
    raise ReadError(
        f"sample {times[at + 1]:g} follows on {times[at]:g}",
        path=path,
        field="time",
        remedy="Write every sample; leave the cells of missing ones empty",
    )


def _even_rate(
    path: Path, times: Float[np.ndarray, "T"], step: float, stated: float | None
) -> float:
    """Returns the rate if every time is in its place; ``step`` is the median one."""
    steps = np.diff(times)
    if stated is not None:
        place = (times - times[0]) * stated
        is_even = np.abs(place - np.arange(times.size)) < _ROUNDING
        expected = 1.0 / stated
        remedy = "Correct sampling_rate= (--sampling-rate), or resample"
        if step == 0:
            remedy = "The times are coarser than the samples: take the column out of the file"
    else:
        expected = step
        is_even = np.append(True, np.abs(steps - expected) <= _JITTER * abs(expected))
        rate = (times.size - 1) / float(times[-1] - times[0]) if times[-1] > times[0] else 0.0
        remedy = (
            "Resample to even steps; if times are only rounded, pass sampling_rate= "
            f"(--sampling-rate; on average it is {rate:.6g} Hz)"
        )
    if expected <= 0 or not np.all(is_even):
        sample = max(int(np.argmin(is_even)), 1)
        raise ReadError(
            f"sample {sample} follows at {times[sample]:g} s on {times[sample - 1]:g} s; "
            f"even steps would be {expected:g} s",
            path=path,
            field="time",
            remedy=remedy,
        )
    if stated is not None:
        return stated
    rate = steps.size / float(times[-1] - times[0])
    return float(round(rate)) if abs(rate - round(rate)) <= 1e-6 * rate else rate
