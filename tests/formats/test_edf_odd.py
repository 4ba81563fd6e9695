"""EDF as makers really write it: odd header fields, dummy channels, texts that are not in UTF-8."""

import numpy as np
import pytest

from medts.core.errors import ReadError
from medts.formats import read

FIELDS = {"label": 16, "t": 80, "dim": 8, "pmin": 8, "pmax": 8, "dmin": 8, "dmax": 8, "f": 80}
USUAL = {"dim": "uV", "pmin": -1000, "pmax": 1000, "dmin": -32768, "dmax": 32767, "n": 100}
ECG = {"label": "EEG Fp1"}


@pytest.fixture
def make(tmp_path):
    """Writes five seconds of signals at 100 Hz; a signal is its fields of the header."""

    def make(*signals, kind=b"", head=None, marks=(), clocks=range(5)):
        signals = [{**USUAL, **each} for each in signals]
        if kind:
            signals.append({**USUAL, "label": "EDF Annotations", "dim": "", "n": 60})
        general = {
            **{0: b"0", 8: b"X X X X", 88: b"Startdate 02-MAR-2020 X X X", 168: b"02.03.20"},
            **{176: b"10.20.30", 184: b"%d" % (256 * (len(signals) + 1)), 192: kind},
            **{236: b"5", 244: b"1", 252: b"%d" % len(signals), **(head or {})},
        }
        block = bytearray(b" " * 256)
        for at, text in general.items():
            block[at : at + len(text)] = text
        for name, width in {**FIELDS, "n": 8, "r": 32}.items():
            for each in signals:
                text = each.get(name, "")
                block += (text if isinstance(text, bytes) else str(text).encode()).ljust(width)
        for number, clock in enumerate(clocks):
            for each in signals:
                values = np.arange(each["n"]) + 100 * number + each.get("shift", 0)
                data = values.astype("<i2").tobytes()
                if each["label"] == "EDF Annotations":
                    found = b"".join(text for at, text in marks if at == number)
                    data = (b"+%g\x14\x14\0" % clock + found).ljust(120, b"\0")
                block += data
        (tmp_path / "x.edf").write_bytes(block)
        return tmp_path / "x.edf"

    return make


STEP = 2000 / 65535


def test_texts_and_numbers_of_other_countries(make):
    path = make({"label": "EEG Fp1", "dim": "µV".encode()}, head={244: b"0,5"})
    assert read(path).streams["eeg"].sampling_rate == 200
    assert read(path).streams["eeg"].unit == "µV"
    half = make({**ECG, "pmin": "-100,5", "pmax": "100,5"})
    found = read(half).streams["eeg"].signal[0]
    np.testing.assert_allclose(np.diff(found[:3]), 201 / 65535, rtol=1e-5)
    for name in ("Größe".encode(), "Größe".encode("latin-1"), "ééééééééé".encode()[:16]):
        others = [c for s in read(make(ECG, {"label": name})).streams.values() for c in s.channels]
        assert others[-1] in ("Größe", "éééééééé")
    assert read(make({"label": b"EEG Fp1\0\0"}, head={0: b"0\0\0\0\0\0\0\0"})).streams["eeg"]


@pytest.mark.parametrize(
    ("text", "label"), [("Réveil".encode(), "Réveil"), ("Réveil".encode("latin-1"), "Réveil")]
)
def test_a_mark_in_latin_1_is_read_and_said(make, text, label):
    marks = [(1, b"+1.5\x14" + text + b"\x14\0"), (2, b"+2,25\x150,5\x14on\x14\0")]
    record = read(make(ECG, kind=b"EDF+C", marks=marks))
    found = [(each.time_s, each.duration_s, each.label) for each in record.annotations]
    assert found == [(1.5, 0.0, label), (2.25, 0.5, "on")]
    assert ("annotation_encoding" in record.facts) == (text != label.encode())


@pytest.mark.parametrize("kind", [b"EDF+C", b"EDF+D"])
def test_what_follows_a_jump_of_the_clock_is_at_its_time(make, kind):
    marks = [(0, b"+0.5\x14first\x14\0"), (4, b"+104.5\x14last\x14\0")]
    record = read(make(ECG, kind=kind, marks=marks, clocks=(0, 1, 2, 103, 104)))
    found = record.streams["eeg"].signal[0]
    assert found.size == 10_500
    assert np.isnan(found[300:10_300]).all()
    np.testing.assert_allclose(np.diff(found[10_300:]), STEP, rtol=1e-3)
    assert [(each.time_s, each.label) for each in record.annotations] == [
        (0.5, "first"),
        (104.5, "last"),
    ]


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        ({"label": "-", "dmin": 0, "dmax": 0}, "uncalibrated: -"),
        ({"label": "EEG Cz", "pmin": 0, "pmax": 0}, "uncalibrated: EEG Cz"),
        ({"label": "EEG Cz", "pmin": "1.000,5"}, "uncalibrated: EEG Cz"),
        ({"label": "EEG Cz", "pmin": "****", "pmax": ""}, "uncalibrated: EEG Cz"),
        ({"label": "EEG Cz", "n": 0}, "uncalibrated: EEG Cz"),
    ],
)
def test_an_odd_channel_is_left_out_and_said(make, odd, said):
    path = make(ECG, odd)
    record = read(path)
    assert record.streams["eeg"].channels == ("Fp1",)
    assert record.facts["left_out"] == said
    assert read(path, channels=("EEG Fp1",)).streams["eeg"].channels == ("Fp1",)
    with pytest.raises(ReadError, match=r"channel .*uncalibrated.*--channels"):
        read(path, channels=("Fp1", odd["label"]))


def test_dummies_and_copies_are_left_out_as_in_chb_mit(make):
    doubled = {"label": "T8-P8"}
    path = make(ECG, {"label": "-"}, doubled, {"label": "-"}, doubled)
    record = read(path)
    assert record.streams["eeg"].channels == ("Fp1", "T8-P8")
    assert record.facts["left_out"] == "unnamed: -, -; copies: T8-P8"
    assert read(path, channels=("T8-P8",)).streams["eeg"].channels == ("T8-P8",)
    names = ("a", "b", "c", "d", "e")
    assert read(path, channels=names, modality="eeg").streams["eeg"].channels == names
    other = make(ECG, doubled, {**doubled, "shift": 1})
    with pytest.raises(ReadError, match="'T8-P8' occurs more than once"):
        read(other)
    assert read(other, channels=("Fp1",)).streams["eeg"].channels == ("Fp1",)


@pytest.mark.parametrize(
    ("born", "start", "age"),
    [
        (b"02-MAR-1970", b"02-MAR-2020", 50),
        (b"03-MAR-1970", b"02-MAR-2020", 49),
        (b"01-JAN-2030", b"02-MAR-2020", None),
        (b"01-JAN-1800", b"02-MAR-2020", None),
        (b"01-JAN-1900", b"02-MAR-2020", None),
        (b"01-JAN-1899", b"02-MAR-2020", None),
        (b"01-FEB-1951", b"01-JAN-1985", None),
        (b"31-FEB-1951", b"02-MAR-2020", None),
    ],
)
def test_an_age_from_a_date_that_was_taken_out_is_none(make, born, start, age):
    head = {8: b"X M " + born + b" X", 88: b"Startdate " + start + b" X X X"}
    facts = read(make(ECG, kind=b"EDF+C", head=head)).facts
    assert facts.get("age") == age
    assert facts["sex"] == "M"
