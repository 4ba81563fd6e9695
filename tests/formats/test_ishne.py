import numpy as np
import pytest
from made_ishne import encode

from medts.core.errors import ReadError
from medts.formats import find_format, read

SAMPLES = np.random.default_rng(0).integers(-900, 900, (3, 500))


def written(tmp_path, content):
    (tmp_path / "x.ecg").write_bytes(content)
    return tmp_path / "x.ecg"


def test_leads_are_read_by_code_with_gaps_where_one_was_off(tmp_path):
    samples = SAMPLES.copy()
    samples[1, 100:150] = -32768
    path = written(tmp_path, encode(samples, (5, 12, 0), variable=b"more", announced=99))
    assert find_format(path).key == "ishne"
    record = read(path)
    ecg = record.streams["ecg"]
    assert ecg.channels == ("I", "V2", "lead 3")
    assert (ecg.unit, ecg.sampling_rate) == ("mV", 250.0)
    assert np.isnan(ecg.signal).sum(1).tolist() == [0, 50, 0]
    np.testing.assert_allclose(ecg.signal[0], samples[0] * 0.005, atol=1e-6)
    assert record.subject_id == "SBJ-1"
    assert record.facts == {
        **{"start": "2002-11-22T09:10:00", "age": 49, "sex": "F", "device": "H12"},
        "n_samples_announced": 99,
    }
    assert "Clark" not in repr(record)


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (156, 13, "header: 13 leads at 250 Hz"),
        (272, 0, "header: 3 leads at 0 Hz"),
        (12, 30000, "header: 3 leads at 250 Hz from byte"),
        (208, 0, "lead V2: a resolution of 0 nV"),
    ],
)
def test_impossible_headers_are_refused(tmp_path, at, value, message):
    content = bytearray(encode(SAMPLES, (5, 12, 0)))
    content[at : at + 2] = value.to_bytes(2, "little")
    with pytest.raises(ReadError, match=message):
        read(written(tmp_path, bytes(content)))
    with pytest.raises(ReadError, match="cut short"):
        read(written(tmp_path, encode(SAMPLES, (5, 12, 0))[:-1]))
