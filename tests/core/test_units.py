import pytest

from medts.core.errors import MedtsError
from medts.core.units import UNIT_OF, canonical_unit, conversion_factor


@pytest.mark.parametrize(
    "spelling",
    [
        "uV",
        "µV",
        "μV",
        "microvolt",
        " uv ",
        "microV",
        "uVolts",
        "mcV",
        "&micro;V",
        "㎶",
        "ÂµV",
        "Î¼V",
        "æV",
        "ìV",
        "¦ÌV",
        "\x83ÊV",
        "¥ìV",
    ],
)
def test_every_spelling_of_a_microvolt_becomes_one(spelling):
    assert canonical_unit(spelling) == "µV"


@pytest.mark.parametrize("spelling", ["?V", "\ufffdV", "uVs", "uM"])
def test_what_may_have_been_a_micro_is_not_guessed(spelling):
    with pytest.raises(MedtsError, match="unknown unit"):
        canonical_unit(spelling)


def test_a_thousand_microvolts_are_a_millivolt():
    assert conversion_factor("uV", "mV") == pytest.approx(1e-3, rel=1e-12)
    assert conversion_factor("V", "uV") == pytest.approx(1e6, rel=1e-12)


def test_voltage_never_becomes_acceleration():
    with pytest.raises(MedtsError, match="measures voltage, not acceleration"):
        conversion_factor("mV", "g")


def test_an_unknown_unit_is_refused_with_the_known_ones():
    with pytest.raises(MedtsError, match=r"unknown unit 'furlong'.*mV"):
        canonical_unit("furlong")


def test_the_unit_of_every_modality_is_canonical():
    assert all(canonical_unit(unit) == unit for unit in UNIT_OF.values())
