"""Physical units of signals: canonical spelling, and conversion factors between them.

Every modality has a unit that the package computes in (`UNIT_OF`); sources and readers convert
once, on the way in. Spellings found in files are folded here and nowhere else.
"""

import contextlib
import re
import unicodedata
from functools import lru_cache

from medts.core.errors import MedtsError

UNIT_OF: dict[str, str] = {
    "ecg": "mV",
    "eeg": "µV",
    "eog": "µV",
    "emg": "µV",
    "acc": "g",
    "gyro": "rad/s",
    "eda": "µS",
    "ppg": "a.u.",
    "resp": "a.u.",
    "abp": "mmHg",
    "temp": "°C",
    "spo2": "%",
    "hr": "bpm",
    "other": "a.u.",
}
"""The unit in which each modality is held; the keys are the known modalities."""

_DIMENSIONS: dict[str, dict[str, float]] = {
    "voltage": {"V": 1.0, "mV": 1e-3, "µV": 1e-6, "nV": 1e-9},
    "acceleration": {"g": 9.80665, "m/s²": 1.0, "mg": 9.80665e-3},
    "rotation": {"rad/s": 1.0, "deg/s": 0.017453292519943295},
    "conductance": {"S": 1.0, "mS": 1e-3, "µS": 1e-6},
    "pressure": {"mmHg": 1.0, "kPa": 7.50061683},
    "temperature": {"°C": 1.0},
    "ratio": {"%": 1.0},
    "rate": {"bpm": 1.0},
    "arbitrary": {"a.u.": 1.0},
}

_OTHER_SPELLINGS = {
    "µV": ("µvolt", "µvolts", "мкв", "微伏"),
    "mV": ("millivolt", "millivolts", "мв", "毫伏"),
    "V": ("volt", "volts"),
    "m/s²": ("m/s2", "m/s^2"),
    "deg/s": ("dps", "°/s"),
    "°C": ("degc",),
    "a.u.": ("", "nu", "pm", "au", "adu", "1", "none"),
}
_KNOWN = {unit: dimension for dimension, units in _DIMENSIONS.items() for unit in units}
_SPELLINGS = {
    **{unit.lower(): unit for unit in reversed(_KNOWN)},
    **{text: unit for unit, texts in _OTHER_SPELLINGS.items() for text in texts},
}

# The last five are µ and μ of code pages 437 and 850, ISO 8859-7, GBK, Shift JIS and EUC-KR where
# the bytes were taken for Latin-1; none of them begins another unit.
_MICRO = re.compile(
    r"^(?:u|micro|mc|&micro;|&mu;|&#181;|&#956;|\\mu ?|æ|ì|¦ì|\x83ê|¥ì)(?=(?:v|volts?|s)$)"
)


@lru_cache(256)
def canonical_unit(unit: str) -> str:
    """Returns the one spelling of a unit.

    >>> canonical_unit("uV"), canonical_unit("MV")
    ('µV', 'mV')

    Raises:
        MedtsError: If the unit is not known.
    """
    text = unit.strip()
    if text in _KNOWN:
        return text
    folded = _SPELLINGS.get(_fold(text))
    if folded is None:
        raise MedtsError(f"unknown unit {unit!r}", remedy=f"Known: {', '.join(sorted(_KNOWN))}")
    return folded


def _fold(text: str) -> str:
    """Lowers a spelling and brings µ to the micro sign, however it was typed or encoded."""
    with contextlib.suppress(UnicodeError):
        text = text.encode("latin-1").decode("utf-8")  # "Âµ" was UTF-8 taken for Latin-1
    # Compatibility forms (such as the one character "㎶") come apart; both kinds of µ become Greek.
    lowered = unicodedata.normalize("NFKC", text.strip()).lower().replace("μ", "µ")
    return _MICRO.sub("µ", lowered)


@lru_cache(256)
def conversion_factor(unit: str, to: str) -> float:
    """Returns the number by which values in ``unit`` are multiplied to be in ``to``.

    >>> conversion_factor("uV", "mV")
    0.001

    Raises:
        MedtsError: If a unit is unknown or the two measure different things.
    """
    source, target = canonical_unit(unit), canonical_unit(to)
    if source == target:
        return 1.0
    if _KNOWN[source] != _KNOWN[target]:
        problem = f"unit {unit!r} measures {_KNOWN[source]}, not {_KNOWN[target]} like {to!r}"
        raise MedtsError(problem, remedy="State the unit that the numbers are really in")
    factors = _DIMENSIONS[_KNOWN[source]]
    ratio = factors[source] / factors[target]
    return float(f"{ratio:.15g}")
