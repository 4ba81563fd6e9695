"""Signal quality: faults that are made on purpose are found, and nothing is found without them."""

import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

import medts
from medts.core.records import Record, Stream
from medts.data.sources.synthetic import synthetic_record
from medts.signal.interchange import find_interchange
from medts.signal.median_beat import find_median_beat
from medts.signal.quality import judge

RATE = 500.0


@pytest.fixture(scope="module")
def record():
    return synthetic_record(rhythm="SR", seed=3, sampling_rate=RATE)


def with_lead(record, lead, change):
    stream = record.streams["ecg"]
    signal = stream.signal.astype(np.float32).copy()
    row = stream.channels.index(lead)
    signal[row] = change(signal[row])
    return replace(record, streams={"ecg": replace(stream, signal=signal, resolution=None)})


def hum(lead):
    return lead + 0.05 * np.sin(2 * np.pi * 50 * np.arange(len(lead)) / RATE)


def stopped(lead):
    lead = lead.copy()
    lead[1000:2000] = lead[1000]
    return lead


def broken_off(lead):
    return np.where(np.arange(len(lead)) < 2500, lead, np.nan)


FAULTS = {
    "flat": stopped,
    "gap": broken_off,
    "clipped": lambda lead: np.clip(lead, 0.6 * lead.min(), 0.6 * lead.max()),
    "detached": lambda lead: lead + 4.0 * (np.arange(len(lead)) > 2500),
    "noise": lambda lead: lead + np.random.default_rng(0).normal(0, 0.2, len(lead)),
    "no_beats": lambda lead: np.random.default_rng(0).normal(0, 0.01, len(lead)),
    "inverted": lambda lead: -lead,
    "drift": lambda lead: lead + 0.6 * np.sin(2 * np.pi * 0.2 * np.arange(len(lead)) / RATE),
    "powerline": hum,
}


def test_a_clean_recording_has_no_finding(record):
    quality = judge(record)
    assert quality.is_usable
    assert quality.reasons == quality.exchanged == quality.warnings() == ()
    assert quality.not_judged == {}
    assert set(quality.findings) == set(record.streams["ecg"].channels)
    assert not any(quality.findings.values())


@pytest.mark.parametrize("finding", FAULTS)
def test_a_fault_is_found_in_its_lead_and_in_no_other(record, finding):
    quality = judge(with_lead(record, "V3", FAULTS[finding]))
    assert finding in quality.findings["V3"]
    assert not any(found for lead, found in quality.findings.items() if lead != "V3")
    is_harmless = finding in ("drift", "powerline")
    assert quality.is_channel_usable("V3") == is_harmless
    assert quality.is_usable
    assert quality.problems("V3")


def test_the_unit_of_a_stream_does_not_matter(record):
    stream = record.streams["ecg"].to_unit("µV")
    assert judge(replace(record, streams={"ecg": stream})).is_usable


def test_many_poor_leads_make_a_recording_not_usable(record):
    poor = record
    for lead in ("I", "II", "III", "aVR", "aVL"):
        poor = with_lead(poor, lead, FAULTS["noise"])
    quality = judge(poor)
    assert not quality.is_usable
    assert quality.reasons[0].startswith("5 of 12 channels")
    assert "noise" in quality.reasons[0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda x: 1000 * x, "implausible"),
        (lambda x: x / 1000, "implausible"),
        (lambda x: x[:, :500], "shorter than"),
        (lambda x: x * np.nan, "not recorded"),
        (lambda x: x[:, :0], "shorter than"),
    ],
    ids=["microvolts", "volts", "one second", "empty", "no sample"],
)
def test_what_cannot_be_judged_has_no_finding_and_is_not_usable(record, change, reason):
    stream = record.streams["ecg"]
    changed = replace(stream, signal=change(stream.signal), resolution=None)
    quality = judge(replace(record, streams={"ecg": changed}))
    assert quality.findings == {}
    assert set(quality.not_judged) == set(stream.channels)
    assert all(reason in each for each in quality.not_judged.values())
    assert not quality.is_usable
    assert quality.reasons


def test_a_lead_that_was_not_recorded_is_not_judged_and_the_others_are(record):
    quality = judge(with_lead(record, "V6", lambda lead: lead * np.nan))
    assert quality.not_judged == {"V6": "not recorded"}
    assert not quality.is_channel_usable("V6")
    assert quality.is_usable
    assert quality.words_not_judged() == ("quality of V6: not recorded",)


def swapped(record, one, other):
    """Exchanges the potentials of two electrodes."""
    leads = dict(
        zip(record.streams["ecg"].channels, record.streams["ecg"].signal.astype(float), strict=True)
    )
    potential = {"RA": 0 * leads["I"], "LA": leads["I"], "LL": leads["II"]}
    centre = sum(potential.values()) / 3
    potential |= {f"V{n}": leads[f"V{n}"] + centre for n in range(1, 7)}
    potential[one], potential[other] = potential[other], potential[one]
    centre = (potential["RA"] + potential["LA"] + potential["LL"]) / 3
    i, ii = potential["LA"] - potential["RA"], potential["LL"] - potential["RA"]
    chest = [potential[f"V{n}"] - centre for n in range(1, 7)]
    signal = np.stack([i, ii, ii - i, -(i + ii) / 2, i - ii / 2, ii - i / 2, *chest])
    stream = replace(
        record.streams["ecg"],
        signal=signal.astype(np.float32),
        channels=("I", "II", "III", "aVR", "aVL", "aVF", *(f"V{n}" for n in range(1, 7))),
        resolution=None,
    )
    return replace(record, streams={"ecg": stream})


def test_exchanged_arm_electrodes_are_named_and_the_recording_is_not_usable(record):
    quality = judge(swapped(record, "RA", "LA"))
    assert quality.exchanged == ("electrodes seem to be exchanged: right arm and left arm",)
    assert not quality.is_usable
    assert np.isnan(medts.measure(swapped(record, "RA", "LA")).axis_deg)


def test_exchanged_chest_electrodes_are_a_warning(record):
    quality = judge(swapped(record, "V1", "V4"))
    assert quality.warnings() == ("electrodes seem to be exchanged: V1 and V4",)
    assert quality.is_usable


def test_a_right_leg_electrode_on_an_arm_leaves_a_flat_lead(record):
    stream = record.streams["ecg"]
    median = find_median_beat(stream.signal, RATE)
    beat = dict(zip(stream.channels, median.signal, strict=True))
    still = 0 * beat["I"]
    assert find_interchange(beat).words == ""
    on_right = beat | {"II": still, "III": -beat["I"]}
    assert find_interchange(on_right).limb == "right arm and right leg"
    on_left = beat | {"II": beat["I"], "III": still}
    assert find_interchange(on_left).limb == "left arm and right leg"


def test_a_single_lead_upside_down_is_found_and_its_rhythm_is_still_usable(record):
    stream = record.streams["ecg"].pick(("I",))
    turned = replace(stream, signal=-stream.signal, resolution=None)
    quality = judge(replace(record, streams={"ecg": turned}))
    assert "inverted" in quality.findings["I"]
    assert quality.is_usable
    assert quality.warnings() == ("I seems to be upside down",)


def test_channels_of_several_streams_are_named_with_their_stream(record):
    eeg = np.random.default_rng(0).normal(0, 20, (2, 2500)).astype(np.float32)
    eeg[1] = 3.0
    quality = judge(
        replace(
            record, streams=record.streams | {"eeg": Stream(eeg, ("Cz", "Pz"), 250.0, "eeg", "µV")}
        )
    )
    assert quality.findings["eeg/Cz"] == {}
    assert quality.findings["eeg/Pz"] == {"flat": 1.0}
    assert "ecg/V1" in quality.findings


def test_findings_of_a_long_recording_are_shares_of_its_windows():
    record = synthetic_record(rhythm="SR", seed=3, sampling_rate=250.0, duration_s=40.0)
    stream = record.streams["ecg"].pick(("II",))
    signal = stream.signal.copy()
    signal[0, :2500] = signal[0, 0]
    quality = judge(Record("r", {"ecg": replace(stream, signal=signal, resolution=None)}))
    assert quality.findings["II"]["flat"] == 0.25
    assert quality.problems("II") == ("flat line (25% of the windows)",)
    assert quality.is_channel_usable("II")


def test_motion_may_rest_for_a_moment_and_a_temperature_for_ever():
    acc = np.random.default_rng(0).normal(0, 0.1, (1, 1000))
    acc[:, 100:140] = acc[0, 100]
    streams = {
        "acc": Stream(acc, ("x",), 20.0, "acc", "g"),
        "temp": Stream(np.full((1, 50), 36.6), ("skin",), 1.0, "temp", "°C"),
    }
    assert judge(Record("r", streams)).findings == {"acc/x": {}, "temp/skin": {}}


def test_neither_torch_nor_the_filters_of_scipy_are_imported(tmp_path):
    code = (
        "import sys, numpy as np, medts\n"
        "stream = medts.Stream(np.random.default_rng(0).normal(0, 1, (12, 5000)),"
        " tuple('I II III aVR aVL aVF V1 V2 V3 V4 V5 V6'.split()), 500.0, 'ecg', 'mV')\n"
        "medts.measure(medts.Record('r', {'ecg': stream}))\n"
        "sys.exit(len({'torch', 'scipy.signal', 'scipy.ndimage'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_ten_seconds_of_twelve_leads_take_little_more_than_finding_beats(record):
    from medts.signal.beats import find_r_peaks

    signal = record.streams["ecg"].signal

    def fastest(call):
        times = []
        for _ in range(5):
            start = time.process_time()
            call()
            times.append(time.process_time() - start)
        return min(times)

    beats = fastest(lambda: find_r_peaks(signal, RATE))
    # Type checks of the tests slow all of it down, so that only a ratio can be asked for.
    assert fastest(lambda: judge(record)) < 8 * beats


@pytest.mark.slow
def test_clean_and_noisy_single_leads_of_cinc_2017(real_data):
    folder = real_data / "challenge-2017-validation/validation"
    rows = [line.split(",") for line in (folder / "REFERENCE.csv").read_text().split()]
    usable = {
        label: np.mean(
            [judge(medts.read(folder / f"{n}.hea")).is_usable for n, l in rows if l == label]
        )
        for label in "N~"
    }
    assert usable["N"] > 0.9
    assert usable["~"] < 0.35
