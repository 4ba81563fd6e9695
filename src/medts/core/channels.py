"""Channel names: canonical spelling (ECG leads, 10-20 electrodes), references, matching by name.

Electrode names follow the extended 10-20 system, leads the twelve of the standard ECG. What is
recorded against a common reference is named by its electrode; the difference of two electrodes is
a derivation of its own, which never stands for either of them. Nothing in the package relies on
the order of channels in a file. Named montages are left to `medts.core.montage`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from medts.core.errors import ConfigError

ECG_LEADS = {
    name.lower(): name
    for name in (
        *("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"),
        *("V", "MLI", "MLII", "MLIII", "V3R", "V4R", "V7", "V8", "V9", "vx", "vy", "vz", "ECG"),
        *(f"MV{i}" for i in range(1, 7)),
    )
}
"""Leads by their spelling in lower case."""

_OLD_ELECTRODES = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}
_ELECTRODE = re.compile(r"^(Fp|AF|F|FT|FC|T|C|TP|CP|P|PO|O|A|M)(z|\d{1,2})$", re.IGNORECASE)
_PREFIX = re.compile(
    r"^(mdc[\s_]ecg[\s_](lead|elec[\s_]potl)|ecg|ekg|eeg|eog|emg|lead|channel|ableitung|abl\.)"
    r"[\s_\-:]+",
    re.IGNORECASE,
)
_REFERENCES = ("ref", "le", "ar", "avg", "av", "car")
"""Common references: unnamed, linked ears, and averages of all electrodes."""

_AXES, _SENSORS = ("x", "y", "z"), ("acc", "gyro")
_AXIS = re.compile(r"^(accelerometer|accel|acc|gyroscope|gyro)[\s_\-]?([xyz])$", re.IGNORECASE)


@dataclass(frozen=True)
class Channel:
    """One row of a signal: canonical name, reference, derivation.

    Args:
        name: Canonical; what channels are matched by.
        reference: Common reference as written, such as ``REF``; empty where none is named.
        derivation: The difference that was formed, such as ``Fp1-F7``; empty for all others.
        is_derived: True where it was computed from other channels and not recorded.
    """

    name: str
    reference: str = ""
    derivation: str = ""
    is_derived: bool = False


@cache
def parse_channel(text: str) -> Channel:
    """Reads a channel as files spell it; an unknown name is only trimmed.

    >>> parse_channel("EEG FP1-REF")
    Channel(name='Fp1', reference='REF', derivation='', is_derived=False)
    >>> parse_channel("EEG FP1-F7").name, parse_channel("MDC_ECG_LEAD_II").name
    ('Fp1-F7', 'II')
    """
    trimmed = text.strip().rstrip(",.")
    bare = _PREFIX.sub("", trimmed)
    if (known := _known(bare)) is not None:
        return Channel(known)
    if match := _AXIS.match(bare):
        sensor, axis = (part.lower() for part in match.groups())
        return Channel(f"{'acc' if sensor.startswith('acc') else 'gyro'}_{axis}")
    first, dash, second = (part.strip() for part in bare.partition("-"))
    one, other = _known(first), _known(second)
    if dash and one is not None:
        if second.lower() in _REFERENCES:
            return Channel(one, reference=second)
        if other is not None:
            return Channel(f"{one}-{other}", derivation=f"{one}-{other}")
    return Channel(trimmed)


def canonical_channel(name: str) -> str:
    """Returns the one spelling of a channel name; an unknown name is only trimmed.

    >>> canonical_channel("AVR"), canonical_channel("Lead ii"), canonical_channel("EEG T3")
    ('aVR', 'II', 'T7')
    """
    return parse_channel(name).name


def is_electrode(name: str) -> bool:
    """Whether a canonical name is one electrode of the scalp, or a derivation that begins there."""
    return _ELECTRODE.match(name.partition("-")[0]) is not None


def check_distinct(names: Sequence[str]) -> None:
    """Checks that no channel occurs twice.

    Raises:
        ConfigError: If one does.
    """
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        problem = f"channel {', '.join(doubled)} occurs more than once"
        remedy = "Rename or drop the copies; channels are distinguished by name alone"
        raise ConfigError(problem, field="channels", remedy=remedy)


def match_channels(wanted: Sequence[str], present: Sequence[str]) -> tuple[int | None, ...]:
    """Returns the row of each wanted channel by its name; None for one that is not there.

    An axis is found with and without the name of its sensor.

    >>> match_channels(("I", "II", "V1"), ("Lead II", "AVR", "I"))
    (2, 0, None)

    Raises:
        ConfigError: If two rows have one name.
    """
    names = tuple(canonical_channel(name) for name in present)
    check_distinct(names)
    if tuple(wanted) == tuple(present):
        return tuple(range(len(present)))
    row_of = {name: row for row, name in enumerate(names)}
    return tuple(_row(canonical_channel(name), row_of) for name in wanted)


def _row(name: str, row_of: dict[str, int]) -> int | None:
    if name in row_of or name[-1:] not in _AXES:
        return row_of.get(name)
    sensor, _, axis = name.rpartition("_")
    if sensor in _SENSORS:
        return row_of.get(axis)
    found = [row_of[key] for each in _SENSORS if (key := f"{each}_{name}") in row_of]
    return found[0] if len(found) == 1 else None


def _known(text: str) -> str | None:
    """Returns the spelling of a lead or an electrode; None for anything else."""
    lead = ECG_LEADS.get(text.lower())
    if lead is not None:
        return lead
    match = _ELECTRODE.match(text)
    if match is None:
        return None
    region, position = match.groups()
    region = "Fp" if region.lower() == "fp" else region.upper()
    return _OLD_ELECTRODES.get(region + position, region + position.lower())


def aliases_of(channel: str) -> tuple[str, ...]:
    """Returns older names under which a channel is found as well, besides other spellings.

    >>> aliases_of("T7"), aliases_of("V1")
    (('T3',), ())
    """
    return tuple(old for old, name in _OLD_ELECTRODES.items() if name == channel)
