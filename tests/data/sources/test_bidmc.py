"""BIDMC: a small part in the official layout, and the real part where MEDTS_DATA is set."""

import numpy as np
import pytest

from medts.core.errors import ReadError
from medts.data.ingest import ingest
from medts.data.sources.bidmc import Bidmc
from medts.data.store import Store

COLUMNS = (" RESP", " PLETH", " V", " II", " ABP", " CVP")


def write_recording(root, number, *, patient="s01182", columns=COLUMNS, age="88", n=1000):
    folder = root / "bidmc_csv"
    folder.mkdir(exist_ok=True)
    stem = folder / f"bidmc_{number:02d}"
    values = np.round(np.random.default_rng(number).random((n, len(columns))), 5)
    rows = [f"{round(i / 125, 3):g}," + ",".join(map(str, row)) for i, row in enumerate(values)]
    stem.with_name(f"{stem.name}_Signals.csv").write_text(
        "\n".join(["Time [s]," + ",".join(columns), *rows]) + "\n"
    )
    stem.with_name(f"{stem.name}_Numerics.csv").write_text(
        "Time [s], HR, PULSE, RESP, SpO2\n0,94,93,,97\n1,94,NaN,,97\n"
    )
    stem.with_name(f"{stem.name}_Breaths.csv").write_text(
        "breaths ann1 [signal sample no], breaths ann2 [signal sample no]\n250,\n500,375\n"
    )
    stem.with_name(f"{stem.name}_Fix.txt").write_text(
        f"{stem.name}\nAge: {age}\nGender: M\nLocation: micu\nMIMIC II matched wdb ID: {patient}\n"
    )
    return values.T


def test_columns_are_taken_by_name_into_streams_with_units(tmp_path):
    values = write_recording(tmp_path, 1)
    (entry,) = Bidmc().entries(tmp_path)
    record = entry.load()
    held = {n: (s.channels, s.unit, s.sampling_rate) for n, s in record.streams.items()}
    assert held == {
        "resp": (("RESP",), "a.u.", 125.0),
        "ppg": (("PLETH",), "a.u.", 125.0),
        "ecg": (("V", "II"), "mV", 125.0),
        "abp": (("ABP",), "mmHg", 125.0),
        "cvp": (("CVP",), "mmHg", 125.0),
        "hr": (("HR", "PULSE"), "bpm", 1.0),
        "spo2": (("SpO2",), "%", 1.0),
    }
    np.testing.assert_allclose(record.streams["ecg"].signal, values[2:4], atol=1e-6)
    assert np.isnan(record.streams["hr"].signal[1, 1])
    assert record.facts == {"age": 88, "sex": "male", "ward": "micu"}
    assert [(b.time_s, b.label) for b in record.annotations] == [
        (2.0, "annotator 1"),
        (3.0, "annotator 2"),
        (4.0, "annotator 1"),
    ]


def test_recordings_of_one_patient_are_one_subject_in_one_fold(tmp_path):
    for number, patient in ((1, "a"), (2, "b"), (6, "b"), (7, "c")):
        write_recording(tmp_path, number, patient=patient, age="90+" if number == 1 else "70")
    found = [(e.record_id, e.subject_id, e.fold) for e in Bidmc().entries(tmp_path)]
    assert found == [("01", "a", "1"), ("02", "b", "2"), ("06", "b", "2"), ("07", "c", "7")]


def test_what_cannot_be_trusted_is_refused_by_name(tmp_path):
    write_recording(tmp_path, 1, columns=(" RESP", " SURPRISE"))
    write_recording(tmp_path, 2)
    write_recording(tmp_path, 3)
    write_recording(tmp_path, 4)
    folder = tmp_path / "bidmc_csv"
    (folder / "bidmc_02_Fix.txt").write_text("Age: 3\n")
    (folder / "bidmc_03_Numerics.csv").unlink()
    signals = folder / "bidmc_04_Signals.csv"
    lines = signals.read_text().splitlines()
    signals.write_text("\n".join(lines[:50] + lines[60:]))
    reasons = ("unknown column 'SURPRISE'", "whose recording", "03_Numerics.csv", "row 51: is at")
    for entry, reason in zip(Bidmc().entries(tmp_path), reasons, strict=True):
        with pytest.raises(ReadError, match=reason):
            entry.load()
    with pytest.raises(ReadError, match="official BIDMC"):
        list(Bidmc().entries(tmp_path / "none"))


def test_the_real_part_is_ten_recordings_of_seven_patients(real_data, tmp_path):
    report = ingest(Bidmc(), real_data / "bidmc", tmp_path)
    assert (report.n_stored, report.n_subjects, report.quarantined) == (10, 7, ())
    store = Store(tmp_path)
    assert store.folds.tolist() == ["1", "2", "3", "4", "5", "6", "6", "6", "6", "10"]
    for streams in store.streams:
        assert {"ecg", "ppg", "resp", "hr", "resp-rate", "spo2"} <= set(streams)
        assert "II" in streams["ecg"]["channels"]
        assert streams["ecg"]["n_samples"] == 60_001
    rate = np.nanmedian(store.read(0, "hr"))
    assert 85 < rate < 100
