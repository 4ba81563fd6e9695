"""Signal files against wfdb, bit for bit, and against packers written sample by sample."""

import subprocess
import sys

import numpy as np
import pytest

from medts.core.errors import ReadError
from medts.formats import read
from medts.formats.wfdb_header import find_header, parse, parse_signals
from medts.formats.wfdb_signals import read_samples

BITS = {
    "8": 8,
    "16": 16,
    "24": 24,
    "32": 32,
    "61": 16,
    "80": 8,
    "160": 16,
    "212": 12,
    "310": 10,
    "311": 10,
}


def pack(samples, code):
    """Packs one sample at a time, as the WFDB manual describes each format."""
    bits = BITS[code]
    values = [int(each) for each in samples]
    if code == "8":
        return b"".join(each.to_bytes(1, "little", signed=True) for each in values)
    if code in ("16", "24", "32"):
        return b"".join(each.to_bytes(bits // 8, "little", signed=True) for each in values)
    if code == "61":
        return b"".join(each.to_bytes(2, "big", signed=True) for each in values)
    if code in ("80", "160"):
        return b"".join((each + 2 ** (bits - 1)).to_bytes(bits // 8, "little") for each in values)
    n_held, n_bytes = {"212": (2, 3), "310": (3, 4), "311": (3, 4)}[code]
    packed = b""
    for start in range(0, len(values), n_held):
        unit = [each % 2**bits for each in values[start : start + n_held]]
        n_missing = n_held - len(unit)
        a, b, c = [*unit, 0, 0, 0][:3]
        if code == "212":
            whole = a & 255 | (a >> 8 | b >> 8 << 4) << 8 | (b & 255) << 16
        elif code == "310":
            whole = a << 1 | (c & 31) << 11 | b << 17 | c >> 5 << 27
        else:
            whole = a | b << 10 | c << 20
        cut = {("212", 1): 1, ("310", 2): 2, ("311", 2): 2, ("311", 1): 1}.get((code, n_missing), 0)
        packed += whole.to_bytes(n_bytes, "little")[: n_bytes - cut]
    return packed


def write(folder, code, samples, *, per_frame=(1,), layout="", zeros=0, initial=None):
    """Writes interleaved samples and a header for them; each signal is named by its number."""
    first = initial or [0] * len(per_frame)
    (folder / "r.dat").write_bytes(b"\x55" * zeros + pack(samples, code))
    n_frames = len(samples) // sum(per_frame)
    lines = [f"r {len(per_frame)} 100 {n_frames}"]
    lines += [
        f"r.dat {code}x{size}{layout} 100(0)/mV 0 0 {start} 0 0 V{row}"
        for row, (size, start) in enumerate(zip(per_frame, first, strict=True), start=1)
    ]
    (folder / "r.hea").write_text("\n".join(lines) + "\n")
    return folder / "r"


def integers(path):
    header = parse(find_header(path))
    return read_samples(header, parse_signals(header))[1]


def by_wfdb(path):
    wfdb = pytest.importorskip("wfdb")
    return wfdb.rdrecord(str(path), physical=False, smooth_frames=False).e_d_signal


def assert_equal(ours, theirs):
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("per_frame", [(1,), (1, 1), (1, 1, 1), (3, 1, 2)])
@pytest.mark.parametrize("code", BITS)
def test_every_plain_format_is_unpacked_to_what_was_packed(tmp_path, code, per_frame):
    for n_frames in (1, 2, 3, 4, 5, 101):
        limit = 2 ** (BITS[code] - 1)
        samples = np.random.default_rng(n_frames).integers(
            -limit, limit, n_frames * sum(per_frame), dtype=np.int64
        )
        samples[0], samples[-1] = -limit, limit - 1
        path = write(tmp_path, code, samples, per_frame=per_frame)
        frames, first = samples.reshape(n_frames, -1), 0
        for signal, size in zip(integers(path), per_frame, strict=True):
            expected = frames[:, first : first + size].reshape(-1)
            expected = np.cumsum(expected) if code == "8" else expected
            np.testing.assert_array_equal(signal, expected)
            first += size


@pytest.mark.parametrize("code", [code for code in BITS if code != "61"])
@pytest.mark.parametrize("layout", ["", ":2", "+7", ":3+512"])
def test_plain_formats_offsets_and_skews_equal_wfdb(tmp_path, code, layout):
    if code == "8" and ":" in layout:
        pytest.skip("wfdb has no integer for what was not recorded in format 8")
    limit = 2 ** (BITS[code] - 1)
    samples = np.random.default_rng(0).integers(1 - limit, limit, 4 * 37, dtype=np.int64)
    zeros = int(layout.partition("+")[2] or 0)
    for per_frame, initial in (((1, 1, 1, 1), [5, -3, 0, 9]), ((2, 1, 1), [1, 2, 3])):
        if 2 in per_frame and ":" in layout:
            continue  # wfdb leaves half of what skew opens as it was
        path = write(
            tmp_path,
            code,
            samples,
            per_frame=per_frame,
            layout=layout,
            zeros=zeros,
            initial=initial,
        )
        assert_equal(integers(path), by_wfdb(path))


@pytest.mark.parametrize("code", ["16", "24", "32", "80", "212", "508", "516", "524"])
def test_what_wfdb_writes_is_read_bit_for_bit(tmp_path, code):
    wfdb = pytest.importorskip("wfdb")
    limit = 2 ** (int(code) % 500 - 1) if int(code) > 500 else 2 ** (BITS[code] - 1)
    samples = np.random.default_rng(1).integers(-limit, limit, (501, 3), dtype=np.int64)
    wfdb.wrsamp(
        "w",
        fs=250,
        units=["mV", "uV", "mV"],
        sig_name=["I", "II", "V1"],
        d_signal=samples,
        fmt=[code] * 3,
        adc_gain=[200.0, 0.3, 1000.0],
        baseline=[1024, 0, -7],
        write_dir=str(tmp_path),
    )
    assert_equal(integers(tmp_path / "w"), samples.T)
    assert_equal(integers(tmp_path / "w"), by_wfdb(tmp_path / "w"))
    theirs = wfdb.rdrecord(str(tmp_path / "w")).p_signal.T * [[1], [1e-3], [1]]
    ours = read(tmp_path / "w").streams["ecg"].signal
    np.testing.assert_allclose(ours, theirs.astype(np.float32), rtol=1.2e-7)
    assert np.isnan(ours).sum() == (samples == -limit).sum()


def test_a_signal_over_several_files_and_one_of_which_nothing_is_stored(tmp_path):
    np.arange(10, dtype="<i2").tofile(tmp_path / "a.dat")
    np.arange(20, dtype=">i2").tofile(tmp_path / "b.dat")
    (tmp_path / "r.hea").write_text(
        "r 3 100 10\na.dat 16 10/mV 0 0 0 0 0 I\nb.dat 61x2 10/mV 0 0 0 0 0 II\n"
        "~ 0 10/mV 0 0 0 0 0 V1\n"
    )
    back = read(tmp_path / "r")
    np.testing.assert_allclose(back.streams["ecg"].signal[0], np.arange(10) / 10, rtol=1e-6)
    assert np.isnan(back.streams["ecg"].signal[1]).all()
    assert back.streams["ecg-2"].sampling_rate == 200
    np.testing.assert_allclose(back.streams["ecg-2"].signal[0], np.arange(20) / 10, rtol=1e-6)


def test_what_skew_leaves_open_is_nan(tmp_path):
    path = write(tmp_path, "8", [1] * 5, layout=":2")
    np.testing.assert_allclose(
        read(path).streams["ecg"].signal, [[0.03, 0.04, 0.05, np.nan, np.nan]], rtol=1e-6
    )
    path = write(tmp_path, "16", range(10), per_frame=(2,), layout=":2")
    np.testing.assert_allclose(
        read(path).streams["ecg"].signal[0], [*np.arange(4, 10) / 100, *[np.nan] * 4], rtol=1e-6
    )
    path = write(tmp_path, "16", [1] * 5, layout=":999999")
    assert np.isnan(read(path).streams["ecg"].signal).all()


def test_values_are_the_double_quotient_rounded_once(tmp_path):
    samples = np.random.default_rng(2).integers(-(2**15) + 1, 2**15, 5000)
    for gain in ("200", "1000", "0.1", "3", "204.7", "2047.99"):
        path = write(tmp_path, "16", samples)
        text = path.with_suffix(".hea").read_text()
        path.with_suffix(".hea").write_text(text.replace("100(0)", f"{gain}(-37)"))
        expected = ((samples + 37) / float(gain)).astype(np.float32)
        np.testing.assert_array_equal(read(path).streams["ecg"].signal[0], expected)


GOOD = "r.dat 16 100/mV 0 0 0 0 0 I"


@pytest.mark.parametrize(
    ("record_line", "signal_line", "message"),
    [
        ("r 1 100 99999999999999", GOOD, r"r\.dat: number of samples: holds 10 frames"),
        ("r 1 100 11", GOOD, r"r\.dat: number of samples: holds 10 frames"),
        ("r 1 100 -10", GOOD, r"r\.hea: number of samples: '-10' is impossible"),
        ("r 1 100 1e3", GOOD, r"r\.hea: number of samples: '1e3' is impossible"),
        ("r 1 100 9999999999999999999", GOOD, r"r\.hea"),
        ("r -1 100 10", GOOD, r"r\.hea: number of channels: '-1' is impossible"),
        ("r 999999999999 100 10", GOOD, r"999999999999 channels are promised, 1 described"),
        ("r 1 -100 10", GOOD, r"r\.hea: sampling rate: '-100' is impossible"),
        ("r 1 1e999 10", GOOD, r"r\.hea: sampling rate: '1e999' is impossible"),
        ("r 1 fast 10", GOOD, r"r\.hea: sampling rate: 'fast' is impossible"),
        ("r 1 0 10", GOOD, "does not say its sampling rate"),
        ("r 1 100 10", "r.dat 16+21 100/mV 0 0 0 0 0 I", "signal line 1: byte offset 21 lies"),
        ("r 1 100", "r.dat 16+20 100/mV 0 0 0 0 0 I", r"r\.dat: holds no samples"),
        ("r 1 100 10", "r.dat 16x0 100/mV 0 0 0 0 0 I", "signal line 1: 0 samples per frame"),
        ("r 1 100 10", "r.dat 16x999999999999 100/mV 0 0 0 0 0 I", "holds 1e-11 frames"),
        ("r 1 100", "r.dat 16x999999999999 100/mV 0 0 0 0 0 I", "holds 1e-11 frames"),
        ("r 1 100 10", "r.dat 16 1e-99/mV 0 0 0 0 0 I", "signal line 1: a gain of 1e-99"),
        ("r 1 100 10", "r.dat 16 200(x)/mV 0 0 0 0 0 I", "signal line 1: cannot be understood"),
        ("r 1 100 10", "r.dat 16 nan/mV 0 0 0 0 0 I", "signal line 1: no gain"),
        ("r 1 100 10", "~ 0 100/mV 0 0 0 0 0 I", "names no signal file"),
        ("r 2 100 10", f"{GOOD}\nr.dat 212 100/mV 0 0 0 0 0 II", "signal line 2: format 212"),
        ("r 2 100 10", f"{GOOD}\nr.dat 16+4 100/mV 0 0 0 0 0 II", "signal line 2: byte offset 4"),
        ("r 2 100 10", f"{GOOD}\n~ 0x9999999999 1/mV 0 0 0 0 0 II", "number of samples"),
        ("r 1 100 10", f"{'x' * 300} 16 100/mV 0 0 0 0 0 I", "cannot be read: File name too long"),
        ("r 1 100 10", ". 16 100/mV 0 0 0 0 0 I", "no such file"),
        ("r 1 100 10", "r.dat 516 100/mV 0 0 0 0 0 I", r"r\.dat: not a FLAC file"),
        ("r/1 1 100 10", "r 10", "has segments itself"),
        ("r/2 1 100 10", "r 10", "2 segments are promised, 1 listed"),
        ("r/1 1 100 10", "s -10", "segment line 1, number of samples: '-10' is impossible"),
        ("r/1 1 100 10", "~ 99999999999999", "number of samples"),
    ],
)
def test_impossible_numbers_end_in_one_error_that_names_file_and_field(
    tmp_path, record_line, signal_line, message
):
    np.arange(10, dtype="<i2").tofile(tmp_path / "r.dat")
    (tmp_path / "r.hea").write_text(f"{record_line}\n{signal_line}\n")
    with pytest.raises(ReadError, match=message):
        read(tmp_path / "r.hea")


@pytest.mark.parametrize(("code", "n_bytes"), [("310", 3), ("310", 1), ("311", 2), ("212", 2)])
def test_a_cut_unit_is_refused_where_it_lacks_bits_of_a_sample(tmp_path, code, n_bytes):
    path = write(tmp_path, code, [1, 2])
    path.with_suffix(".dat").write_bytes(path.with_suffix(".dat").read_bytes()[:n_bytes])
    with pytest.raises(ReadError, match="the header says 2"):
        read(path)


def test_random_damage_never_ends_in_anything_but_a_read_error(tmp_path):
    generator = np.random.default_rng(3)
    path = write(tmp_path, "212", generator.integers(-2048, 2048, 60), per_frame=(1, 2))
    whole = path.with_suffix(".hea").read_bytes()
    n_refused = 0
    for _ in range(400):
        damaged = bytearray(whole)
        for _ in range(generator.integers(1, 4)):
            damaged[generator.integers(len(damaged))] = generator.choice(
                np.frombuffer(b"0919-+:/x. ~(e\xb5\x00", np.uint8)
            )
        path.with_suffix(".hea").write_bytes(bytes(damaged))
        try:
            read(path.with_suffix(".hea"))
        except ReadError:
            n_refused += 1
    assert 0 < n_refused < 400


def test_flac_without_soundfile_names_the_extra(tmp_path, monkeypatch):
    (tmp_path / "r.dat").write_bytes(b"fLaC")
    (tmp_path / "r.hea").write_text("r 1 100 10\nr.dat 516 100/mV 0 0 0 0 0 I\n")
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(ReadError, match=r"soundfile.*medts\[wfdb\]"):
        read(tmp_path / "r")


def test_reading_loads_nothing_heavy(tmp_path):
    path = write(tmp_path, "212", range(10))
    heavy = ("wfdb", "pandas", "matplotlib", "torch", "scipy", "soundfile")
    code = (
        f"import sys, medts; medts.read({str(path)!r});"
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
