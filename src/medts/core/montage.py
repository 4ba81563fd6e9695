"""Montages: named, ordered lists of channels (12-lead ECG, 10-20 system), and modality by name.

A stream is brought into the order of a montage by name, and what it lacks is marked absent; see
`medts.core.channels`.
"""

import re
from dataclasses import dataclass

from medts.core.channels import ECG_LEADS, canonical_channel, is_electrode

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

_WORDS = {
    "ecg": "ecg ekg",
    "eeg": "eeg",
    "eog": "eog",
    "emg": "emg",
    "ppg": "ppg pleth bvp",
    "resp": "resp thorax abdomen airflow",
    "abp": "abp art",
    "acc": "acc accel",
    "gyro": "gyro",
    "eda": "eda gsr",
    "temp": "temp",
    "spo2": "spo2 sao2",
    "hr": "hr pulse",
}
_MODALITY_OF_WORD = {word: key for key, words in _WORDS.items() for word in words.split()}


def guess_modality(channel: str) -> str:
    """Guesses the modality from a channel's name; ``other`` where it has no known word.

    >>> guess_modality("aVL"), guess_modality("EEG Fp1"), guess_modality("PLETH")
    ('ecg', 'eeg', 'ppg')
    """
    words = re.findall(r"[a-z]+\d?", channel.lower())
    for word in words:
        modality = _MODALITY_OF_WORD.get(word) or _MODALITY_OF_WORD.get(word.rstrip("0123456789"))
        if modality is not None:
            return modality
    name = canonical_channel(channel)
    if name in ECG_LEADS.values():
        return "ecg"
    return "eeg" if is_electrode(name) else "other"
