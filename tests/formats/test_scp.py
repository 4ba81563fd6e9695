import struct

import numpy as np
import pytest
from made_scp import DEFAULT, Scp, encode

from medts.core.errors import ReadError
from medts.formats import find_format, read

OWN = [[("0", 0, 0, None), ("100", 1, 0, None), ("101", -1, 0, None), ("11", 0, 16, None)]]
SWITCHING = [
    [("0", 0, 0, None), ("10", 1, 0, None), ("11", 0, 0, 1)],
    [("0", 0, 16, None), ("1", 0, 0, 0)],
]


def make_samples(n_leads=2, n=900, seed=0):
    rng = np.random.default_rng(seed)
    return np.clip(np.cumsum(rng.integers(-9, 10, (n_leads, n)), 1), -4000, 4000)


def written(tmp_path, scp):
    path = tmp_path / "x.scp"
    path.write_bytes(encode(scp))
    return path


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("tables", [None, DEFAULT, OWN, SWITCHING])
def test_every_coding_gives_the_samples_back(tmp_path, order, tables):
    samples = make_samples()
    path = written(tmp_path, Scp(samples, order=order, tables=tables))
    assert find_format(path).key == "scp"
    ecg = read(path).streams["ecg"]
    assert (ecg.unit, ecg.sampling_rate) == ("mV", 500.0)
    np.testing.assert_allclose(ecg.pick(("I", "II")).signal, samples * 0.0025, atol=1e-6)
    assert ecg.channels == ("I", "II", "III", "aVR", "aVL", "aVF")
    assert ecg.derived == ("III", "aVR", "aVL", "aVF")
    third = (samples[1] - samples[0]) * 0.0025
    np.testing.assert_allclose(ecg.pick(("III",)).signal[0], third, atol=1e-6)


@pytest.mark.parametrize("tables", [None, DEFAULT])
def test_leads_longer_than_a_16_bit_byte_count_are_read(tmp_path, tables):
    samples = make_samples(n=70_001)
    ecg = read(written(tmp_path, Scp(samples, tables=tables, order=1))).streams["ecg"]
    np.testing.assert_allclose(ecg.pick(("I", "II")).signal, samples * 0.0025, atol=1e-5)


def test_subtracted_reference_beats_are_added(tmp_path):
    samples = make_samples(n=400)
    beat = make_samples(n=60, seed=4)
    beats = ((50, 70, 95), (150, 170, 195), (250, 270, 309))
    scp = Scp(samples, tables=DEFAULT, order=2, beat=beat, fiducial=21, beats=beats)
    ecg = read(written(tmp_path, scp)).streams["ecg"]
    np.testing.assert_allclose(ecg.pick(("I", "II")).signal, samples * 0.0025, atol=1e-6)


@pytest.mark.parametrize("factor", [2, 4])
def test_bimodal_zones_are_exact_and_the_rest_is_interpolated(tmp_path, factor):
    ramp = np.stack([np.arange(400) * 4, 1600 - np.arange(400) * 4])
    zones = ((51, 90), (151, 190))
    scp = Scp(ramp, tables=DEFAULT, order=2, factor=factor, zones=zones)
    ecg = read(written(tmp_path, scp)).streams["ecg"].pick(("I", "II"))
    assert (ecg.sampling_rate, ecg.n_samples) == (500.0, 400)
    error = np.abs(ecg.signal / 0.0025 - ramp)
    for first, last in zones:
        assert error[:, first - 1 : last].max() < 0.01
    assert error.max() <= 4 * factor  # half a group is held at the end of each stretch
    assert np.median(error) < 0.6


def test_bimodal_data_with_reference_beats(tmp_path):
    beat = make_samples(n=40, seed=4)
    samples = np.zeros((2, 400), int)
    beats = ((100, 115, 135), (220, 235, 255))
    for first, fiducial, last in beats:
        samples[:, first - 1 : last] = beat[:, 16 - fiducial + first - 1 : 16 - fiducial + last]
    zones = ((97, 136), (217, 256))
    scp = Scp(samples, tables=DEFAULT, factor=4, zones=zones, beat=beat, fiducial=16, beats=beats)
    ecg = read(written(tmp_path, scp)).streams["ecg"].pick(("I", "II"))
    np.testing.assert_allclose(ecg.signal, samples * 0.0025, atol=1e-6)


def test_leads_that_begin_later_have_gaps(tmp_path):
    samples = make_samples(n=100)
    path = written(tmp_path, Scp(samples, leads=(3, 4), firsts=(1, 101)))
    ecg = read(path).streams["ecg"]
    assert (ecg.channels, ecg.n_samples) == (("V1", "V2"), 200)
    assert np.isnan(ecg.signal[0, 100:]).all()
    assert np.isnan(ecg.signal[1, :100]).all()
    np.testing.assert_allclose(ecg.signal[1, 100:], samples[1] * 0.0025, atol=1e-6)


def test_an_interval_rounded_to_microseconds_means_a_whole_rate(tmp_path):
    path = written(tmp_path, Scp(make_samples(), interval_us=1667))
    assert read(path).streams["ecg"].sampling_rate == 600.0


def test_what_the_cart_says_is_read(tmp_path):
    tags = {
        0: b"Clark\0",
        2: b"SBJ-1\0",
        5: struct.pack("<HBB", 1953, 5, 8),
        8: b"\2",
        25: struct.pack("<HBB", 2002, 11, 22),
        26: bytes((9, 10, 0)),
        27: struct.pack("<H", 5),
        28: struct.pack("<H", 150),
    }
    measures = struct.pack("<BBHH", 1, 0, 800, 29999)
    measures += struct.pack("<5H3h", 100, 200, 250, 350, 650, 45, 29999, -30)
    measures += struct.pack("<HHHH", 0, 75, 29999, 410)
    text = "Sinus rhythm, é\0".encode("latin-1")
    said = struct.pack("<BHBBBBBB", 0, 2002, 11, 22, 9, 10, 0, 1) + b"\1"
    said += struct.pack("<H", len(text)) + text
    coded = struct.pack("<BHBBBBBB", 0, 2002, 11, 22, 9, 10, 0, 1) + b"\1\5\0\1NSR\0"
    path = written(tmp_path, Scp(make_samples(), tags=tags, more={7: measures, 8: said, 11: coded}))
    record = read(path)
    assert record.subject_id == "SBJ-1"
    assert record.report == "Sinus rhythm, é"
    assert [(each.code, each.system) for each in record.statements] == [("NSR", "scp-ecg")]
    assert record.facts == {
        "start": "2002-11-22T09:10:00",
        "age": 49,
        "sex": "F",
        "high_pass_hz": 0.05,
        "low_pass_hz": 150.0,
    }
    found = {each.name: each.value for each in record.measurements}
    assert found == {
        **{"rr": 800, "p_duration": 100, "pr": 150, "qrs": 100, "qt": 400},
        **{"p_axis": 45, "t_axis": -30, "heart_rate": 75, "qtc": 410},
    }
    assert "Clark" not in repr(record)


def test_a_damaged_record_is_refused_with_its_place(tmp_path):
    whole = encode(Scp(make_samples(), tables=DEFAULT))
    path = tmp_path / "x.scp"
    changed = bytearray(whole)
    changed[-9] ^= 1
    path.write_bytes(changed)
    with pytest.raises(ReadError, match=r"section 6: the checksum is wrong"):
        read(path)
    path.write_bytes(whole[:-40])
    with pytest.raises(ReadError, match=r"record length: the header says"):
        read(path)
    path.write_bytes(whole[:160] + b"\0" * 5 + whole[160:])  # names that grew
    with pytest.raises(ReadError, match=r"section \d: does not lie where its pointer says"):
        read(path)


def test_a_wrong_checksum_of_the_patient_alone_is_said(tmp_path):
    whole = bytearray(encode(Scp(make_samples(), tags={2: b"SBJ-1\0"})))
    at = whole.index(b"SBJ-1")
    whole[at : at + 5] = b"SBJ-2"  # the checksum is still that of SBJ-1
    (tmp_path / "x.scp").write_bytes(whole)
    record = read(tmp_path / "x.scp")
    assert record.facts["checksum"] == "wrong in record, section 1"
