"""Readers against files of other makers, found through MEDTS_DATA and never committed."""

import gzip

import numpy as np
import pytest

from medts.core.errors import ReadError
from medts.core.montage import STANDARD_12_LEADS
from medts.formats import find_format, read


@pytest.fixture
def clinical(real_data):
    folder = real_data / "clinical"
    if not folder.is_dir():
        pytest.skip("no clinical files here")
    return folder


TWELVE = {
    "scp/example.scp": ("scp", 500, 5000, 0),
    "scp/welch-allyn-4.scp": ("scp", 600, 6000, 4),
    "scp/welch-allyn-9.scp": ("scp", 600, 6000, 4),
    "aecg/example.xml": ("aecg", 500, 5000, 0),
    "aecg/example-1khz.xml": ("aecg", 1000, 10_000, 0),
    "muse/example1.xml": ("muse", 500, 5000, 4),
    "muse/example3.xml": ("muse", 500, 5000, 4),
    "philips/heartstart-1.03.xml": ("sierra", 500, 5264, 0),
    "philips/pagewriter-1.04.xml": ("sierra", 500, 5300, 0),
    "philips/pagewriter-1.04.01.xml": ("sierra", 500, 5300, 0),
    "philips/pagewriter-1.04-as-aecg.xml": ("aecg", 500, 5300, 0),
    "schiller/sample.xml": ("schiller", 500, 5000, 0),
    "dicom/twelve-lead-1khz.dcm": ("dicom", 1000, 10_000, 0),
    "dicom/implicit-vr.dcm": ("dicom", 500, 5000, 0),
    "dicom/padding-zero.dcm": ("dicom", 500, 5000, 0),
    "ishne/twelve-lead-1khz.ecg": ("ishne", 1000, 95_573, 0),
}


@pytest.mark.parametrize("name", TWELVE)
def test_twelve_leads_in_millivolts(clinical, name):
    key, rate, n_samples, n_derived = TWELVE[name]
    assert find_format(clinical / name).key == key
    record = read(clinical / name)
    ecg = record.streams["ecg"]
    assert set(ecg.channels) == set(STANDARD_12_LEADS)
    assert (ecg.unit, ecg.sampling_rate, ecg.n_samples) == ("mV", rate, n_samples)
    assert len(ecg.derived) == n_derived
    assert np.isfinite(ecg.signal).all()
    # Einthoven and Goldberger hold to a few steps of what the cart rounds.
    one, two, three, right = ecg.pick(("I", "II", "III", "aVR")).signal
    assert np.abs(two - one - three).max() < 0.0301
    assert np.abs(right + (one + two) / 2).max() < 0.0301


@pytest.mark.parametrize("other", ["aecg/example.xml", "dicom/padding-zero.dcm"])
def test_one_recording_in_three_formats_is_one_signal(clinical, other):
    scp, same = (read(clinical / name).streams["ecg"] for name in ("scp/example.scp", other))
    signals = [each.pick(STANDARD_12_LEADS).signal for each in (scp, same)]
    np.testing.assert_array_equal(*signals)


def test_the_same_recording_has_the_same_measurements(clinical):
    names = ("scp/example.scp", "aecg/example.xml", "dicom/padding-zero.dcm")
    found = [{e.name: e.value for e in read(clinical / n).measurements} for n in names]
    assert found[0] == found[1]
    assert found[2].items() <= found[0].items()
    assert (found[0]["pr"], found[0]["qrs"], found[0]["qt"]) == (148, 120, 420)


def test_philips_own_conversion_agrees_within_its_filter(clinical):
    ours = read(clinical / "philips/pagewriter-1.04.xml")
    theirs = read(clinical / "philips/pagewriter-1.04-as-aecg.xml")
    apart = np.abs(ours.streams["ecg"].signal - theirs.streams["ecg"].signal)
    assert apart.max() < 0.0201
    assert ours.facts["start"] == theirs.facts["start"]
    assert ours.facts["calibration_cut_s"] == 0.4


def test_polysomnography_is_the_same_in_edf_and_bdf(clinical):
    edf, bdf = (read(clinical / f"edf/short_psg.{kind}") for kind in ("edf", "bdf"))
    assert list(edf.streams) == list(bdf.streams) == ["eeg", "eog", "resp", "emg", "temp", "other"]
    for name, stream in edf.streams.items():
        same = bdf.streams[name]
        assert stream.channels == same.channels
        step = np.ptp(stream.signal, 1, keepdims=True) / 1000
        assert np.all(np.abs(stream.signal - same.signal) <= step + 1e-6)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("scp/broken-pointers.scp", "section 2: does not lie where its pointer says"),
        ("scp/not-scp-healforce.scp", "it is a maker's own format"),
        ("philips/invalid-type.xml", "documentinfo: a document of type MortaraECG"),
    ],
)
def test_what_must_be_refused_is_refused_in_words(clinical, name, message):
    with pytest.raises(ReadError, match=message):
        read(clinical / name)


def test_what_the_carts_say(clinical):
    swedish = read(clinical / "scp/welch-allyn-4.scp")
    assert swedish.report.splitlines()[2].startswith("ålderskorrigerat Sokolow index")
    philips = read(clinical / "philips/pagewriter-1.04.01.xml")
    assert [each.code for each in philips.statements] == ["SR", "ET"]
    italian = read(clinical / "dicom/twelve-lead-1khz.dcm")
    assert italian.report == "RITMO SINUSALE\nECG NORMALE"
    assert read(clinical / "aecg/minimum.xml").streams["ecg"].channels == ("II",)


def test_actigraph_agrees_with_the_export_of_its_maker(clinical):
    acc = read(clinical / "motion/actigraph.gt3x").streams["acc"]
    with gzip.open(clinical / "motion/actigraph.csv.gz", "rt") as file:
        theirs = np.loadtxt(file, delimiter=",", skiprows=11, max_rows=acc.n_samples).T
    is_recorded = np.isfinite(acc.signal[0])
    assert is_recorded.sum() == 33_000
    assert np.abs(acc.signal - theirs)[:, is_recorded].max() < 0.000501  # it rounds to 0.001


def test_wearables_and_eeg(clinical):
    rates = {n: s.sampling_rate for n, s in read(clinical / "empatica").streams.items()}
    assert rates == {"acc": 32, "ppg": 64, "eda": 4, "temp": 4, "hr": 1}
    eeg = read(clinical / "brainvision/test.vhdr").streams["eeg"]
    assert (len(eeg.channels), eeg.n_samples, eeg.unit) == (26, 7900, "µV")
