"""LUDB: a small part in the official layout, and the real part where MEDTS_DATA is set."""

import csv
import os
import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import wfdb

from medts.core.errors import ReadError
from medts.core.montage import STANDARD_12_LEADS
from medts.core.records import Annotation
from medts.data.sources.ludb import Ludb, waves

COLUMNS = [
    "ID",
    "Sex",
    "Age",
    "Rhythms",
    "Electric axis of the heart",
    "Conduction abnormalities",
    "Extrasystolies",
    "Hypertrophies",
    "Cardiac pacing",
    "Ischemia",
    "Non-specific repolarization abnormalities",
    "Other states",
]
MARKS = ((100, "("), (120, "p"), (140, ")"), (160, "("), (170, "N"), (200, ")"), (260, "t"))

real_data = pytest.mark.skipif("MEDTS_DATA" not in os.environ, reason="MEDTS_DATA is not set")


def row(number, **changes):
    values = dict.fromkeys(COLUMNS, "") | {
        "ID": str(number),
        "Sex": "F\n",
        "Age": "51\n",
        "Rhythms": "Sinus rhythm",
        "Electric axis of the heart": "Electric axis of the heart: left axis deviation",
    }
    return values | {name.replace("_", " "): value for name, value in changes.items()}


def write_recording(folder, number, age=51):
    """Writes two seconds in random whole microvolts with the same marks in every lead."""
    data = folder / "data"
    data.mkdir(exist_ok=True)
    microvolts = np.random.default_rng(number).integers(-2000, 2000, (1000, 12))
    names = [lead.lower() for lead in STANDARD_12_LEADS]
    wfdb.wrsamp(
        str(number),
        fs=500,
        units=["mV"] * 12,
        sig_name=names,
        d_signal=microvolts,
        fmt=["16"] * 12,
        adc_gain=[1000.0] * 12,
        baseline=[0] * 12,
        comments=[f"<age>: {age}", "<sex>: F", "<diagnoses>:", "Rhythm: Sinus rhythm."],
        write_dir=str(data),
    )
    for name in names:
        wfdb.wrann(
            str(number),
            "lead",  # wfdb writes no extension with a digit
            sample=np.array([at for at, _ in MARKS]),
            symbol=[symbol for _, symbol in MARKS],
            write_dir=str(data),
        )
        (data / f"{number}.lead").rename(data / f"{number}.{name}")
    return microvolts.T / 1000.0


def write_table(folder, rows, columns=COLUMNS):
    with (folder / "ludb.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def only_entry(tmp_path, **changes):
    write_table(tmp_path, [row(7, **changes)])
    write_recording(tmp_path, 7)
    (entry,) = Ludb().entries(tmp_path)
    return entry


def refusal(entry):
    with pytest.raises(ReadError) as caught:
        pickle.loads(pickle.dumps(entry)).load()
    return str(caught.value)


def test_a_record_carries_its_signal_findings_and_facts(tmp_path):
    write_table(tmp_path, [row(34, Age=">89\n", Ischemia="Stemi: apical\nStemi: septal")])
    expected = write_recording(tmp_path, 34, age=90)
    (entry,) = Ludb().entries(tmp_path)
    record = pickle.loads(pickle.dumps(entry)).load()
    assert (
        (entry.record_id, entry.subject_id) == (record.record_id, record.subject_id) == ("34",) * 2
    )
    stream = record.streams["ecg"]
    assert (stream.channels, stream.unit, stream.sampling_rate) == (STANDARD_12_LEADS, "mV", 500)
    np.testing.assert_allclose(stream.signal, expected, atol=1e-6)
    assert record.facts == {
        "age": 90,
        "age_is_capped": True,
        "sex": "female",
        "heart_axis": "left axis deviation",
    }
    assert [(s.code, s.system) for s in record.statements] == [
        ("Sinus rhythm", "ludb"),
        ("Stemi: apical", "ludb"),
        ("Stemi: septal", "ludb"),
    ]


def test_waves_have_lead_bounds_and_peak_in_seconds(tmp_path):
    annotations = only_entry(tmp_path).load().annotations
    assert {a.channel for a in annotations} == set(STANDARD_12_LEADS)
    in_v3 = [(a.kind, a.label, a.time_s, a.duration_s) for a in annotations if a.channel == "V3"]
    assert in_v3 == [
        ("wave", "P", 0.2, pytest.approx(0.08)),
        ("peak", "P", 0.24, 0.0),
        ("wave", "QRS", 0.32, pytest.approx(0.08)),
        ("peak", "QRS", 0.34, 0.0),
        ("peak", "T", 0.52, 0.0),
    ]


@pytest.mark.parametrize("marks", ["N)", "N()", "()N", "((tt))", "(N(t", ""])
def test_a_wave_needs_exactly_one_peak_between_its_bounds(marks):
    found = waves([Annotation(float(at), symbol, "") for at, symbol in enumerate(marks)], "II")
    assert [a.kind for a in found] == ["peak"] * sum(mark in "pNt" for mark in marks)


def test_findings_are_sorted_into_the_two_label_sets(tmp_path):
    labels = only_entry(
        tmp_path,
        Rhythms="Atrial fibrillation\nAberrant conduction",
        Conduction_abnormalities="Iii degree av-block\n"
        "Non-specific intravintricular conduction delay",
        Extrasystolies="Ventricular extrasystole, localisation: rvot, anterior wall",
        Cardiac_pacing="Pacemaker presence, undefined\nUnipolar ventricular pacing",
        Ischemia="Undefined ischemia/scar/supp.nstemi: apical\nScar formation: septal",
    ).labels
    assert labels == {
        "rhythm": ("Atrial fibrillation",),
        "diagnoses": (
            "III degree AV-block",
            "Non-specific intraventricular conduction delay",
            "Aberrant conduction",
            "Ventricular extrasystole",
            "Cardiac pacing",
            "Scar formation",
            "Undefined ischemia/scar/supp.NSTEMI",
        ),
    }


def test_rhythms_may_hold_together_and_no_finding_is_an_answer_too(tmp_path):
    labels = only_entry(tmp_path, Rhythms="Sinus rhythm\nWandering atrial pacemaker").labels
    assert labels == {"rhythm": ("Sinus rhythm", "Wandering atrial pacemaker"), "diagnoses": ()}


def test_a_finding_that_is_not_known_is_refused_with_its_place(tmp_path):
    message = refusal(only_entry(tmp_path, Hypertrophies="Left ventricular hypertrofy"))
    assert "ludb.csv: ID 7, Hypertrophies" in message
    assert "Did you mean 'Left ventricular hypertrophy'" in message


def test_rows_recordings_and_leads_that_are_missing_are_listed(tmp_path):
    write_table(tmp_path, [row(number) for number in (10, 9, 8)])
    for number in (8, 10, 77):
        write_recording(tmp_path, number)
    (tmp_path / "data" / "8.avf").unlink()
    no_lead, no_recording, good, no_row = Ludb().entries(tmp_path)
    assert good.load().record_id == "10"
    assert "8.avf" in refusal(no_lead)
    assert "9.hea" in refusal(no_recording)
    assert "no row of ludb.csv" in refusal(no_row)


def test_missing_tables_and_columns_and_doubled_ids_are_named(tmp_path):
    with pytest.raises(ReadError, match=r"ludb\.csv"):
        Ludb().entries(tmp_path)
    write_table(tmp_path, [row(1)], columns=COLUMNS[:-1])
    with pytest.raises(ReadError, match="no column 'Other states'"):
        Ludb().entries(tmp_path)
    write_table(tmp_path, [row(1), row(1)])
    with pytest.raises(ReadError, match="an ID occurs twice"):
        Ludb().entries(tmp_path)
    write_table(tmp_path, [row(1)])
    with pytest.raises(ReadError, match="holds no recording"):
        Ludb().entries(tmp_path)


def test_every_class_has_a_wording_of_its_own():
    for label_set in Ludb().label_sets:
        assert label_set.kind == "multi"
        assert label_set.phrases.keys() == set(label_set.classes)
        assert len({label_set.phrase(name) for name in label_set.classes}) == len(label_set)


@pytest.fixture(scope="module")
def real_entries():
    return list(Ludb().entries(Path(os.environ["MEDTS_DATA"]) / "ludb"))


@real_data
def test_real_findings_have_the_documented_counts(real_entries):
    assert [entry.record_id for entry in real_entries] == [str(n) for n in range(1, 201)]
    rhythm = Counter(name for entry in real_entries for name in entry.labels["rhythm"])
    assert rhythm == {
        "Sinus rhythm": 143,
        "Sinus tachycardia": 4,
        "Sinus bradycardia": 25,
        "Sinus arrhythmia": 8,
        "Irregular sinus rhythm": 2,
        "Atrial fibrillation": 15,
        "Atrial flutter, typical": 3,
        "Wandering atrial pacemaker": 3,
    }
    found = Counter(name for entry in real_entries for name in entry.labels["diagnoses"])
    documented = {
        "Sinoatrial blockade": 1,
        "I degree AV block": 10,
        "III degree AV-block": 5,
        "Incomplete right bundle branch block": 29,
        "Left anterior hemiblock": 16,
        "Non-specific intraventricular conduction delay": 4,
        "Left atrial hypertrophy": 102,
        "Right atrial overload": 17,
        "Left ventricular hypertrophy": 108,
        "Cardiac pacing": 10,
        "Early repolarization syndrome": 9,
    }
    assert found.items() >= documented.items()
    assert Counter(entry.fold for entry in real_entries) == {
        "train": 115,
        "validation": 50,
        "test": 35,
    }


@real_data
def test_a_real_record_equals_what_wfdb_reads_and_has_all_its_peaks(real_entries):
    record = real_entries[0].load()
    path = Path(os.environ["MEDTS_DATA"]) / "ludb" / "data" / "1"
    reference = wfdb.rdrecord(str(path)).p_signal.T
    np.testing.assert_allclose(record.streams["ecg"].signal, reference, atol=1e-6)
    marks = wfdb.rdann(str(path), "v6")
    peaks = [
        round(a.time_s * 500) for a in record.annotations if a.channel == "V6" and a.kind == "peak"
    ]
    assert peaks == [at for at, s in zip(marks.sample, marks.symbol, strict=True) if s in "pNt"]
    assert record.facts["age"] == 51
