"""Channels: one spelling, references apart from derivations, and rows found by name alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medts.core.channels import Channel, canonical_channel, match_channels, parse_channel
from medts.core.errors import ConfigError
from medts.core.montage import MONTAGES, STANDARD_12_LEADS, guess_modality


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("V1-ref", Channel("V1", reference="ref")),
        ("EEG FP1-REF", Channel("Fp1", reference="REF")),
        ("EEG T3-LE", Channel("T7", reference="LE")),
        ("fz-AVG", Channel("Fz", reference="AVG")),
        ("MDC_ECG_LEAD_II", Channel("II")),
        ("MDC_ECG_LEAD_AVR", Channel("aVR")),
        ("Ableitung II", Channel("II")),
        ("lead_v2", Channel("V2")),
        ("Fp1-F7", Channel("Fp1-F7", derivation="Fp1-F7")),
        ("EEG F7-T3", Channel("F7-T7", derivation="F7-T7")),
        ("EEG Fpz-Cz", Channel("Fpz-Cz", derivation="Fpz-Cz")),
        ("C3 - M2", Channel("C3-M2", derivation="C3-M2")),
        ("acc_x", Channel("acc_x")),
        ("ACC-Y", Channel("acc_y")),
        ("Gyroscope Z", Channel("gyro_z")),
        ("oro-nasal", Channel("oro-nasal")),
        (" Pleth, ", Channel("Pleth")),
    ],
)
def test_common_spellings_have_one_meaning(written, meant):
    assert parse_channel(written) == meant
    assert canonical_channel(meant.name) == meant.name


@given(st.text(max_size=20))
def test_a_canonical_name_is_its_own(text):
    name = canonical_channel(text)
    assert canonical_channel(name) == name


@pytest.mark.parametrize("montage", MONTAGES.values(), ids=lambda each: each.name)
def test_montages_are_spelt_canonically(montage):
    assert tuple(map(canonical_channel, montage.channels)) == montage.channels


def test_rows_are_found_by_name_in_any_order_and_spelling():
    assert match_channels(STANDARD_12_LEADS, STANDARD_12_LEADS) == tuple(range(12))
    assert match_channels(("I", "V1", "aVR"), ("AVR", "lead I")) == (1, None, 0)
    assert match_channels(("T7",), ("EEG T3-REF",)) == (0,)


def test_a_derivation_never_fills_an_electrode():
    assert match_channels(("Fp1", "F7"), ("Fp1-F7",)) == (None, None)
    assert match_channels(("Fp1-F7",), ("Fp1", "F7", "EEG FP1-F7")) == (2,)


def test_an_axis_is_found_with_and_without_its_sensor_but_not_in_another_one():
    assert match_channels(("x", "y"), ("acc_y", "acc_x")) == (1, 0)
    assert match_channels(("acc_x",), ("x",)) == (0,)
    assert match_channels(("acc_x",), ("gyro_x",)) == (None,)
    assert match_channels(("x",), ("acc_x", "gyro_x")) == (None,)


@pytest.mark.parametrize("present", [("I", "I"), ("I", "Lead I"), ("T3", "T7")])
def test_two_rows_of_one_name_are_refused(present):
    with pytest.raises(ConfigError, match="more than once"):
        match_channels(("I",), present)
    with pytest.raises(ConfigError, match="more than once"):
        match_channels(present, present)


def test_a_derivation_of_electrodes_is_eeg():
    assert guess_modality("Fp1-F7") == "eeg"
