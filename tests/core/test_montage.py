import pytest

from medts.core.montage import (
    MONTAGES,
    STANDARD_12_LEADS,
    canonical_channel,
    guess_modality,
)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("AVR", "aVR"), ("avl", "aVL"), ("Lead II", "II"), ("ECG V1", "V1"), ("EEG FP1", "Fp1"),
     ("EEG T3", "T7"), ("v6", "V6"), ("MLII", "MLII"), ("Pleth", "Pleth")],
)  # fmt: skip
def test_a_channel_has_one_spelling(written, meant):
    assert canonical_channel(written) == meant
    assert canonical_channel(meant) == meant


def test_the_twelve_leads_stand_in_the_usual_order():
    assert " ".join(STANDARD_12_LEADS) == "I II III aVR aVL aVF V1 V2 V3 V4 V5 V6"
    assert MONTAGES["ecg-12"].channels == STANDARD_12_LEADS


@pytest.mark.parametrize(
    ("channel", "modality"),
    [("aVL", "ecg"), ("MLII", "ecg"), ("EEG Fz", "eeg"), ("Cz", "eeg"), ("PLETH", "ppg"),
     ("RESP", "resp"), ("ABP", "abp"), ("ECG II", "ecg"), ("nonsense", "other")],
)  # fmt: skip
def test_a_channels_name_tells_its_modality(channel, modality):
    assert guess_modality(channel) == modality
