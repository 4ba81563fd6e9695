import numpy as np
import pytest

from medts.core.errors import ReadError
from medts.formats import find_format, read

HEADER = """Brain Vision Data Exchange Header File Version 1.0
; made
[Common Infos]
Codepage=UTF-8
DataFile={data}
MarkerFile=x.vmrk
DataFormat=BINARY
DataOrientation={layout}
NumberOfChannels={n}
SamplingInterval=2000
[Binary Infos]
BinaryFormat={kind}
[Channel Infos]
Ch1=Fp1,,0.5,µV
Ch2=T3,,2,
Ch3=CP5,,1,BS
Ch4=EOG\\1left,,0.001,mV
[Comment]
Ch1=other,,9,V
"""
MARKERS = """Brain Vision Data Exchange Marker File, Version 1.0
[Marker Infos]
Mk1=New Segment,,1,1,0,20131113161403794232
Mk2=Stimulus,S 1,26,1,0
Mk3=Comment,blink\\1 twice,51,10,0
Mk4=Stimulus,S 2,nowhere,1,0
"""
SAMPLES = np.random.default_rng(0).integers(-900, 900, (4, 100))


def written(tmp_path, *, kind="INT_16", layout="MULTIPLEXED", data="x.eeg", n=4):
    text = HEADER.format(kind=kind, layout=layout, data=data, n=n)
    (tmp_path / "x.vhdr").write_text(text, encoding="utf-8")
    (tmp_path / "x.vmrk").write_text(MARKERS, encoding="utf-8")
    dtype = {"INT_16": "<i2", "INT_32": "<i4", "IEEE_FLOAT_32": "<f4"}.get(kind, "<i2")
    table = SAMPLES.T if layout == "MULTIPLEXED" else SAMPLES
    (tmp_path / "x.eeg").write_bytes(np.ascontiguousarray(table).astype(dtype).tobytes())
    return tmp_path / "x.vhdr"


@pytest.mark.parametrize("kind", ["INT_16", "INT_32", "IEEE_FLOAT_32"])
@pytest.mark.parametrize("layout", ["MULTIPLEXED", "VECTORIZED"])
def test_channels_with_their_units_and_markers(tmp_path, kind, layout):
    path = written(tmp_path, kind=kind, layout=layout)
    assert find_format(path).key == "brainvision"
    record = read(path)
    eeg, eog, other = (record.streams[name] for name in ("eeg", "eog", "other"))
    assert (eeg.channels, eeg.unit, eeg.sampling_rate) == (("Fp1", "T7"), "µV", 500.0)
    np.testing.assert_allclose(eeg.signal, SAMPLES[:2] * [[0.5], [2.0]], atol=1e-4)
    assert eog.channels == ("EOG,left",)
    np.testing.assert_allclose(eog.signal[0], SAMPLES[3], atol=1e-4)
    assert (other.channels, other.unit) == (("CP5",), "a.u.")
    assert record.facts == {"start": "2013-11-13T16:14:03.794232"}
    assert [(m.time_s, m.label, m.kind, m.duration_s) for m in record.annotations] == [
        (0.05, "S 1", "stimulus", 0.0),
        (0.1, "blink, twice", "comment", 0.02),
    ]


def test_a_renamed_recording_and_a_path_in_the_header_stay_in_the_folder(tmp_path):
    assert read(written(tmp_path, data="old.eeg")).streams["eeg"].n_samples == 100
    assert read(written(tmp_path, data="../../$b.eeg")).streams["eeg"].n_samples == 100
    (tmp_path / "x.eeg").unlink()
    text = HEADER.format(kind="INT_16", layout="MULTIPLEXED", data="/etc/passwd", n=4)
    (tmp_path / "x.vhdr").write_text(text, encoding="utf-8")
    with pytest.raises(ReadError, match=r"no data file '/etc/passwd' beside the header"):
        read(tmp_path / "x.vhdr")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 3}, r"x\.eeg: 800 bytes do not hold 3 channels"),
        ({"n": 0}, "numberofchannels: '0' is no positive number"),
        ({"kind": "ASCII"}, "samples as BINARY ASCII are not read"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, options, message):
    with pytest.raises(ReadError, match=message):
        read(written(tmp_path, **options))
