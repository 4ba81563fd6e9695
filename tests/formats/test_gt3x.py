import zipfile

import numpy as np
import pytest
from made_gt3x import encode, record, simple

from medts.core.errors import ReadError
from medts.formats import find_format, read

SAMPLES = np.random.default_rng(0).integers(-2000, 2000, (3, 3, 30))
SECONDS = (1568745600, 1568745601, 1568745604)


def written(tmp_path, log, **options):
    (tmp_path / "x.gt3x").write_bytes(encode(log, **options))
    return tmp_path / "x.gt3x"


@pytest.mark.parametrize("kind", [26, 0])
def test_seconds_lie_where_the_clock_says_and_sleep_is_a_gap(tmp_path, kind):
    path = written(tmp_path, simple(SAMPLES, SECONDS, kind))
    assert find_format(path).key == "gt3x"
    back = read(path)
    acc = back.streams["acc"]
    assert (acc.channels, acc.unit, acc.sampling_rate) == (("acc_x", "acc_y", "acc_z"), "g", 30.0)
    assert acc.n_samples == 150
    for place, part in zip((0, 30, 120), SAMPLES, strict=True):
        np.testing.assert_allclose(acc.signal[:, place : place + 30], part / 256, atol=1e-6)
    assert np.isnan(acc.signal[:, 60:120]).all()
    assert back.facts["start"] == "2019-09-17T18:40:00"
    assert "Clark" not in repr(back)


def test_damage_is_refused_with_its_place(tmp_path):
    log = simple(SAMPLES, SECONDS)
    for changed, message in (
        (log[:-20], r"log\.bin: the record at byte \d+ is cut short"),
        (log[:40] + b"\xff" + log[41:], r"log\.bin: the checksum of the record at byte 11"),
        (record(2, 5, b"12"), r"log\.bin: holds no acceleration"),
        (simple(SAMPLES, (0, 1, 4_000_000_000)), "the clock of the log runs from 0 to 4000000000"),
    ):
        with pytest.raises(ReadError, match=message):
            read(written(tmp_path, changed))
    with pytest.raises(ReadError, match=r"info\.txt: 'sample rate' is '0'"):
        read(written(tmp_path, log, rate=0))


def test_a_zip_bomb_is_refused(tmp_path):
    path = written(tmp_path, bytes(50_000_000), method=zipfile.ZIP_DEFLATED)
    with pytest.raises(ReadError, match=r"log\.bin: more than \d+ bytes, a zip bomb"):
        read(path)
