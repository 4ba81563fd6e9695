"""Simple features: known rhythms and waves are read off as they were drawn."""

from dataclasses import replace

import numpy as np
import pytest
import wfdb

from medts.core.errors import MedtsError
from medts.core.montage import STANDARD_12_LEADS
from medts.core.records import Record, Stream
from medts.data.sources.synthetic import synthetic_record
from medts.formats import read
from medts.signal.features import (
    band_powers,
    channel_features,
    ecg_features,
    rhythm_features,
    signal_features,
)


def drawn_ecg(*, sampling_rate=500.0, st_mv=0.0, qrs_ms=80.0):
    """A lead of triangles and bumps whose every size is known, 75 beats a minute."""
    time_s = np.arange(0, 20, 1 / sampling_rate)
    lead = np.zeros_like(time_s)
    width_s = qrs_ms / 1000
    for r_s in np.arange(0.6, 20, 0.8):
        at_s = time_s - r_s
        lead += 1.2 * np.maximum(0, 1 - np.abs(at_s) / (width_s / 4))
        lead -= 0.4 * np.maximum(0, 1 - np.abs(at_s - 0.375 * width_s) / (width_s / 8))
        lead += st_mv * ((at_s > width_s / 2) & (at_s < 0.2))
        lead += 0.3 * np.exp(-0.5 * ((at_s - 0.30) / 0.03) ** 2)
    return Stream(np.stack([lead, -lead]), ("II", "aVR"), sampling_rate, "ecg", "mV")


def test_waves_are_as_high_as_they_were_drawn():
    found = ecg_features(drawn_ecg())
    assert found["rate_bpm"] == pytest.approx(75, rel=0.01)
    assert found["II.r_mv"] == pytest.approx(1.2, abs=0.2)
    assert found["II.s_mv"] == pytest.approx(-0.4, abs=0.15)
    assert found["II.t_mv"] == pytest.approx(0.3, abs=0.05)
    assert found["aVR.s_mv"] == pytest.approx(-1.2, abs=0.2)
    assert found["aVR.t_mv"] == pytest.approx(-0.3, abs=0.05)
    assert found["II.st_mv"] == pytest.approx(0.0, abs=0.05)


def test_an_elevated_st_segment_and_a_wide_qrs_show():
    plain = ecg_features(drawn_ecg())
    elevated = ecg_features(drawn_ecg(st_mv=0.2))
    assert elevated["II.st_mv"] - plain["II.st_mv"] == pytest.approx(0.2, abs=0.06)
    assert plain["aVR.st_mv"] - elevated["aVR.st_mv"] == pytest.approx(0.2, abs=0.06)
    wide = ecg_features(drawn_ecg(qrs_ms=140.0))
    assert wide["qrs_ms"] - plain["qrs_ms"] == pytest.approx(60, abs=20)


def test_features_do_not_depend_on_the_unit():
    stream = drawn_ecg()
    other = replace(stream, signal=stream.signal * 1000, unit="uV")
    expected = ecg_features(stream)
    assert ecg_features(other) == pytest.approx(expected, rel=1e-6)
    with pytest.raises(MedtsError):
        ecg_features(replace(stream, unit="mmHg"))


def test_variability_follows_its_definitions():
    rr_ms = np.array([800, 860, 800, 790, 900.0])
    found = rhythm_features(np.cumsum([0.0, *rr_ms]) / 1000)
    assert found["rate_bpm"] == pytest.approx(60_000 / 830)
    assert found["sdnn_ms"] == pytest.approx(np.std(rr_ms, ddof=1))
    assert found["rmssd_ms"] == pytest.approx(np.sqrt((60**2 + 60**2 + 10**2 + 110**2) / 4))
    assert found["pnn50_ratio"] == pytest.approx(3 / 4)
    assert all(np.isnan(value) for value in rhythm_features(np.array([1.0])).values())


@pytest.mark.parametrize("sampling_rate", [100.0, 500.0])
def test_findings_of_a_synthetic_heart_show_in_the_features(sampling_rate):
    def found(**changes):
        record = synthetic_record(sampling_rate=sampling_rate, severity=1.0, **changes)
        return signal_features(record)

    plain, block = found(), found(findings=("CLBBB",))
    assert 60 < plain["ecg.qrs_ms"] < 115
    assert block["ecg.qrs_ms"] > plain["ecg.qrs_ms"] + 20
    large = found(findings=("LVH",))
    assert large["ecg.V5.r_mv"] > 1.3 * plain["ecg.V5.r_mv"]
    assert found(findings=("STE",))["ecg.V3.st_mv"] > plain["ecg.V3.st_mv"] + 0.05
    assert found(rhythm="AFIB")["ecg.rmssd_ms"] > 2 * plain["ecg.rmssd_ms"]
    assert found(rhythm="STACH", rate_bpm=130)["ecg.rate_bpm"] == pytest.approx(130, rel=0.05)


def test_what_is_absent_is_nan_and_names_stay_the_same():
    full = signal_features(synthetic_record(), {"ecg": STANDARD_12_LEADS})
    missing = signal_features(synthetic_record(electrodes_off=("V2",)), {"ecg": STANDARD_12_LEADS})
    assert full.keys() == missing.keys()
    assert all(np.isfinite(list(full.values())))
    absent = {name for name, value in missing.items() if np.isnan(value)}
    assert absent == {name for name in full if name.startswith("ecg.V2.")}

    record = Record("r", {"ppg": Stream(np.zeros((1, 500)), ("PLETH",), 125.0, "ppg", "a.u.")})
    without = signal_features(record, {"ecg": STANDARD_12_LEADS})
    assert without.keys() == full.keys()
    assert np.isnan(list(without.values())).all()
    flat = signal_features(record)
    assert flat
    assert np.isnan(list(flat.values())).all()


def test_channels_are_described_by_name_whatever_their_order():
    record = synthetic_record()
    stream = record.streams["ecg"]
    turned = replace(record, streams={"ecg": stream.pick(STANDARD_12_LEADS[::-1])})
    expected = signal_features(record)
    assert signal_features(turned, {"ecg": STANDARD_12_LEADS}) == pytest.approx(expected, rel=1e-3)


def test_a_tone_has_its_power_in_its_band_and_nowhere_else():
    time_s = np.arange(0, 60, 1 / 100)
    tone = 3.0 * np.sin(2 * np.pi * 10 * time_s)
    powers = band_powers(tone, 100.0, ((0.5, 4.0), (8.0, 13.0), (30.0, 45.0), (40.0, 60.0)))
    assert powers[1] == pytest.approx(np.log10(9 / 2), abs=0.01)
    assert max(powers[0], powers[2]) < powers[1] - 4
    assert np.isnan(powers[3])

    eeg = channel_features(Stream(tone[None], ("Cz",), 100.0, "eeg", "uV"))
    assert eeg["Cz.sd"] == pytest.approx(3 / np.sqrt(2), rel=1e-3)
    assert eeg["Cz.kurtosis"] == pytest.approx(-1.5, abs=0.01)
    assert max(eeg, key=lambda name: eeg[name] if "power" in name else -9) == (
        "Cz.log10_power_8_13_hz"
    )


def test_the_qrs_is_about_as_long_as_cardiologists_marked_it(real_data):
    errors_ms = []
    for number in range(1, 201, 4):
        path = real_data / "ludb" / "data" / str(number)
        marked_ms = []
        for lead in STANDARD_12_LEADS:
            marks = wfdb.rdann(str(path), lead.lower())
            kinds, at = "".join(marks.symbol), marks.sample
            found = [k for k in range(len(kinds)) if kinds[k : k + 3] == "(N)"]
            marked_ms += [(at[k + 2] - at[k]) / 500 * 1000 for k in found]
        features = ecg_features(read(path.with_suffix(".hea")).streams["ecg"])
        errors_ms.append(features["qrs_ms"] - np.median(marked_ms))
    assert np.median(np.abs(errors_ms)) <= 8
    assert abs(np.mean(errors_ms)) < 5
