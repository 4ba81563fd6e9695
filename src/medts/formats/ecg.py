"""Shared by ECG readers: a record from its channels, cart measurements, facts in one spelling.

Leads that follow from I and II are added and marked, a calibration pulse at the end is cut off.
Facts have the same names whatever the maker calls them: ``start``, ``age`` (years), ``sex``,
``manufacturer``, ``device``, ``software``, ``high_pass_hz``, ``low_pass_hz``, ``notch_hz``,
``calibration_cut_s``. The name of the patient is never read.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from medts.core.errors import MedtsError
from medts.core.records import Annotation, Fact, Measurement, Record, Statement
from medts.core.units import conversion_factor
from medts.formats.base import Channel, Hints, gather, settle_rate
from medts.formats.leads import calibration_start, with_limb_leads

UNIT_OF_MEASUREMENT = {
    **dict.fromkeys(("heart_rate", "atrial_rate"), "bpm"),
    **dict.fromkeys(("rr", "pp", "p_duration", "pr", "qrs", "qt", "qtc"), "ms"),
    **dict.fromkeys(("qtc_bazett", "qtc_fridericia", "qtc_framingham", "qtc_hodges"), "ms"),
    **dict.fromkeys(("p_axis", "qrs_axis", "t_axis"), "°"),
}
"""Global measurements by their names here, whatever a maker calls them."""

MEASUREMENT_OF_MDC = {
    "MDC_ECG_HEART_RATE": "heart_rate",
    "MDC_ECG_HEART_RATE_ATRIAL": "atrial_rate",
    "MDC_ECG_TIME_PD_RR": "rr",
    "MDC_ECG_TIME_PD_PP": "pp",
    "MDC_ECG_TIME_PD_P": "p_duration",
    "MDC_ECG_TIME_PD_PR": "pr",
    "MDC_ECG_TIME_PD_PQ": "pr",
    "MDC_ECG_TIME_PD_QRS": "qrs",
    "MDC_ECG_TIME_PD_QT": "qt",
    "MDC_ECG_TIME_PD_QTc": "qtc",
    "MDC_ECG_TIME_PD_QTcB": "qtc_bazett",
    "MDC_ECG_TIME_PD_QTcF": "qtc_fridericia",
    "MDC_ECG_ANGLE_P_FRONT": "p_axis",
    "MDC_ECG_ANGLE_QRS_FRONT": "qrs_axis",
    "MDC_ECG_ANGLE_T_FRONT": "t_axis",
}
"""ISO/IEEE 11073-10102."""

_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(?:(\d\d)(?:\.(\d{1,6}))?)?)?")
_OLDEST_CREDIBLE = 120
LARGEST = 1e18
"""Scales beyond it would overflow when a sample is multiplied."""


@dataclass(frozen=True)
class Said:
    """What a device says besides its signals; the fields are those of `Record`."""

    subject_id: str = ""
    report: str | None = None
    statements: tuple[Statement, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    measurements: tuple[Measurement, ...] = ()


def ecg_record(
    path: Path, channels: list[Channel], hints: Hints, facts: Mapping[str, Fact], said: Said
) -> Record:
    """Makes the record of an electrocardiograph; empty facts are left out.

    Raises:
        ReadError: If names or units do not suffice, or the hints contradict the file.
    """
    rates = {each.sampling_rate for each in channels}
    if rates and hints.sampling_rate not in rates:
        settle_rate(path, channels[0].sampling_rate, hints)
    channels, cut_s = _without_calibration(channels)
    channels = with_limb_leads(channels)
    found: dict[str, Fact] = {k: fact for k, fact in facts.items() if fact not in (None, "")}
    if cut_s:
        found["calibration_cut_s"] = cut_s
    return Record(
        record_id=path.stem,
        streams=gather(path, channels, hints),
        facts=found,
        **vars(said),
    )


def _without_calibration(channels: list[Channel]) -> tuple[list[Channel], float]:
    """Returns the channels without a calibration pulse at their end, and its length in seconds."""
    try:
        step_mv = conversion_factor(channels[0].unit, "mV") if channels else 1.0
    except MedtsError:
        return channels, 0.0
    start = calibration_start(
        [each.values for each in channels], step_mv, channels[0].sampling_rate if channels else 1.0
    )
    if not start:
        return channels, 0.0
    cut_s = (channels[0].values.size - start) / channels[0].sampling_rate
    return [replace(each, values=each.values[:start]) for each in channels], round(cut_s, 6)


def parse_time(text: str) -> datetime | None:
    """Reads a time as HL7 and DICOM write it; None where it is none.

    >>> str(parse_time("20021122091000.250+0100"))
    '2002-11-22 09:10:00.250000'
    """
    match = _TIME.match(text.strip())
    if match is None:
        return None
    *whole, fraction = match.groups(default="0")
    try:
        return datetime(*map(int, whole), int(fraction.ljust(6, "0")))  # pyright: ignore
    except ValueError:
        return None


def isoformat(time: datetime | None) -> str | None:
    """Returns a time as a fact; 1900 and earlier, as carts without a clock say, are none."""
    return None if time is None or time.year <= 1900 else time.isoformat()


def age_at(birth: datetime | None, start: datetime | None) -> int | None:
    """Returns whole years between two dates; None where that is no age."""
    if birth is None or start is None:
        return None
    years = start.year - birth.year - ((start.month, start.day) < (birth.month, birth.day))
    return years if 0 <= years <= _OLDEST_CREDIBLE else None


def parse_sex(text: str) -> str | None:
    """Returns ``F`` or ``M`` for every spelling of the two; None for anything else."""
    first = text.strip()[:1].upper()
    return first if first in ("F", "M") else None


def parse_number(text: str | None) -> float | None:
    """Returns a number that something could have measured; None for anything else."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if abs(number) < LARGEST else None  # not a number is no smaller either


def parse_age(text: str | None) -> int | None:
    """Returns an age in whole years; None for what cannot be one."""
    years = parse_number(text)
    return int(years) if years is not None and 0 < years <= _OLDEST_CREDIBLE else None


def measured(values: Iterable[tuple[str, str | float | None]]) -> tuple[Measurement, ...]:
    """Returns the global measurements that are numbers, in the units of their names."""
    found = ((name, parse_number(str(value))) for name, value in values)
    return tuple(
        Measurement(name=name, value=number, unit=UNIT_OF_MEASUREMENT[name])
        for name, number in found
        if number is not None
    )
