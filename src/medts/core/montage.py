"""Channels by name: canonical spellings, named montages, and what a channel measures.

Nothing in the package ever relies on the order of channels in a file. A montage is an ordered
list of names; a stream is brought into its order by name, and what it lacks is marked absent.
"""

import re
from dataclasses import dataclass

from medts.core.errors import unknown_name

LIMB_LEADS = ("I", "II", "III")
AUGMENTED_LEADS = ("aVR", "aVL", "aVF")
CHEST_LEADS = ("V1", "V2", "V3", "V4", "V5", "V6")
STANDARD_12_LEADS = LIMB_LEADS + AUGMENTED_LEADS + CHEST_LEADS

LEAD_GROUPS = {
    "limb": LIMB_LEADS,
    "augmented": AUGMENTED_LEADS,
    "v1-v3": CHEST_LEADS[:3],
    "v4-v6": CHEST_LEADS[3:],
}
"""The twelve leads as four streams: three views of the frontal plane twice, and of the chest."""

SCALP_REGIONS = {
    "frontal": ("Fp1", "Fp2", "F3", "F4", "F7", "F8", "Fz"),
    "central": ("C3", "C4", "Cz"),
    "temporal": ("T7", "T8", "P7", "P8"),
    "parietal": ("P3", "P4", "Pz"),
    "occipital": ("O1", "O2"),
}
"""The 19 electrodes of the 10-20 system as five streams; P7 and P8 were once named T5 and T6."""


@dataclass(frozen=True)
class Montage:
    """A named, ordered list of channels of one modality, with their reference."""

    name: str
    modality: str
    channels: tuple[str, ...]
    reference: str


_TEN_TWENTY = (
    "Fp1 Fp2 F3 F4 F7 F8 T7 T8 C3 C4 P7 P8 P3 P4 O1 O2 Fz Cz Pz".split()  # noqa: SIM905
)

MONTAGES: dict[str, Montage] = {
    montage.name: montage
    for montage in (
        Montage("ecg-12", "ecg", STANDARD_12_LEADS, "Wilson central terminal"),
        Montage("ecg-limb-6", "ecg", LIMB_LEADS + AUGMENTED_LEADS, "Wilson central terminal"),
        Montage("ecg-lead-i", "ecg", ("I",), "right arm"),
        Montage("eeg-10-20", "eeg", tuple(_TEN_TWENTY), "as recorded"),
    )
}

_ECG_OTHERS = ("V", "MLI", "MLII", "MLIII", "V3R", "V4R", "V7", "V8", "V9", "vx", "vy", "vz", "ECG")
_ECG_NAMES = {name.lower(): name for name in (*STANDARD_12_LEADS, *_ECG_OTHERS)}
_ECG_NAMES |= {f"mv{i}": f"MV{i}" for i in range(1, 7)}

_EEG_OLD_NAMES = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}
_EEG_NAME = re.compile(r"^(Fp|AF|F|FT|FC|T|C|TP|CP|P|PO|O|A|M)(z|\d{1,2})$", re.IGNORECASE)
_PREFIX = re.compile(r"^(ecg|ekg|eeg|eog|emg|lead|channel)[\s_\-:]+", re.IGNORECASE)

_MODALITY_OF_WORD = {
    "ecg": "ecg",
    "ekg": "ecg",
    "eeg": "eeg",
    "eog": "eog",
    "emg": "emg",
    "ppg": "ppg",
    "pleth": "ppg",
    "bvp": "ppg",
    "resp": "resp",
    "thorax": "resp",
    "abdomen": "resp",
    "airflow": "resp",
    "abp": "abp",
    "art": "abp",
    "acc": "acc",
    "accel": "acc",
    "gyro": "gyro",
    "eda": "eda",
    "gsr": "eda",
    "temp": "temp",
    "spo2": "spo2",
    "sao2": "spo2",
    "hr": "hr",
    "pulse": "hr",
}


def canonical_channel(name: str) -> str:
    """Returns the one spelling of a channel name; an unknown name is only trimmed.

    >>> canonical_channel("AVR"), canonical_channel("Lead ii"), canonical_channel("EEG T3")
    ('aVR', 'II', 'T7')
    """
    text = name.strip().rstrip(",.")
    bare = _PREFIX.sub("", text)
    lead = _ECG_NAMES.get(bare.lower())
    if lead is not None:
        return lead
    if match := _EEG_NAME.match(bare):
        region, position = match.groups()
        region = {"fp": "Fp"}.get(region.lower(), region.upper())
        return _EEG_OLD_NAMES.get(region + position, region + position.lower())
    return text


def aliases_of(channel: str) -> tuple[str, ...]:
    """Returns older names under which a channel is found as well, besides other spellings.

    >>> aliases_of("T7"), aliases_of("V1")
    (('T3',), ())
    """
    return tuple(old for old, name in _EEG_OLD_NAMES.items() if name == channel)


def guess_modality(channel: str) -> str:
    """Returns the modality that a channel's name speaks of, or ``other``.

    >>> guess_modality("aVL"), guess_modality("EEG Fp1"), guess_modality("PLETH")
    ('ecg', 'eeg', 'ppg')
    """
    words = re.findall(r"[a-z]+\d?", channel.lower())
    for word in words:
        modality = _MODALITY_OF_WORD.get(word) or _MODALITY_OF_WORD.get(word.rstrip("0123456789"))
        if modality is not None:
            return modality
    name = canonical_channel(channel)
    if name in _ECG_NAMES.values():
        return "ecg"
    return "eeg" if _EEG_NAME.match(name) else "other"


def find_montage(name: str) -> Montage:
    """Returns a montage by name.

    Raises:
        UnknownNameError: If there is none of that name; the nearest is suggested.
    """
    if name not in MONTAGES:
        raise unknown_name("montage", name, MONTAGES)
    return MONTAGES[name]
