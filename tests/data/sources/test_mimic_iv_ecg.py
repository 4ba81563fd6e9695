"""MIMIC-IV-ECG: a small part in the official layout, broken in the ways one meets."""

import csv
import pickle

import numpy as np
import pytest
import wfdb

from medts.core.errors import ReadError
from medts.core.montage import STANDARD_12_LEADS
from medts.data.ingest import ingest
from medts.data.reports import ReportSettings, prepare
from medts.data.sources.mimic_iv_ecg import STATEMENTS, MimicIvEcg, join_statements
from medts.data.store import Store

LEADS = ["I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6"]
MEASURED = ["rr_interval", "p_onset", "p_end", "qrs_onset", "qrs_end", "t_end"]
MEASURED += ["p_axis", "qrs_axis", "t_axis"]
COLUMNS = ["subject_id", "study_id", "cart_id", "ecg_time", *STATEMENTS]
COLUMNS += ["bandwidth", "filtering", *MEASURED]


def write_corpus(path, records, *, measured=None):
    """Writes tables and recordings of ``(subject, study, statements)``; returns mV by study."""
    signals = {}
    listed = [["subject_id", "study_id", "file_name", "ecg_time", "path"]]
    table = []
    for number, (subject, study, statements) in enumerate(records):
        folder = f"files/p{subject[:4]}/p{subject}/s{study}"
        (path / folder).mkdir(parents=True, exist_ok=True)
        signal = np.random.default_rng(number).integers(-400, 400, (500, 12)) / 200.0
        wfdb.wrsamp(
            study,
            fs=500,
            units=["mV"] * 12,
            sig_name=LEADS,
            p_signal=signal,
            fmt=["16"] * 12,
            adc_gain=[200.0] * 12,
            baseline=[0] * 12,
            write_dir=str(path / folder),
        )
        signals[study] = signal.T
        listed.append([subject, study, study, "2180-07-23 08:44:00", f"{folder}/{study}"])
        row = dict.fromkeys(COLUMNS, "")
        row |= {"subject_id": subject, "study_id": study, "bandwidth": "0.005-150 Hz"}
        row |= {"rr_interval": "659", "p_onset": "29999", "qrs_axis": "-16"}
        row |= dict(zip(STATEMENTS, statements, strict=False))
        table.append(row | (measured or {}))
    with (path / "record_list.csv").open("w", newline="") as file:
        csv.writer(file).writerows(listed)
    with (path / "machine_measurements.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(table)
    return signals


def refusal(entry):
    with pytest.raises(ReadError) as caught:
        pickle.loads(pickle.dumps(entry)).load()
    return str(caught.value)


@pytest.mark.parametrize(
    ("statements", "report"),
    [
        (["Sinus rhythm", "Possible infarct", "", "Borderline EKG"],
         "sinus rhythm. possible infarct. borderline ecg."),
        (["*** Sinus rhythm ***", "=-normal=", "a\nb"], "sinus rhythm. normal. a b."),
        (["Normal ECG.", "nan", " . "], "normal ecg."),
        (["PR = 0.22 s"], "pr 0.22 s."),
        (["", ""], ""),
        ([], ""),
    ],
)  # fmt: skip
def test_statements_are_joined_as_in_the_paper(statements, report):
    assert join_statements(statements) == report


def test_a_record_has_the_machines_report_and_leads_in_the_standard_order(tmp_path):
    signals = write_corpus(
        tmp_path, [("10000032", "40689238", ["Sinus rhythm", "", "Abnormal EKG"])]
    )
    (entry,) = MimicIvEcg().entries(tmp_path)
    assert (entry.record_id, entry.subject_id) == ("10000032_40689238", "10000032")
    assert entry.labels == {}
    record = pickle.loads(pickle.dumps(entry)).load()
    assert record.report == "sinus rhythm. abnormal ecg."
    stream = record.streams["ecg"]
    assert stream.channels == STANDARD_12_LEADS
    order = [LEADS.index(lead) for lead in STANDARD_12_LEADS]
    assert order[4:6] == [5, 4]
    np.testing.assert_allclose(stream.signal, signals["40689238"][order], atol=1e-6)
    assert record.facts["rr_interval_ms"] == 659
    assert record.facts["qrs_axis_deg"] == -16
    assert "p_onset_ms" not in record.facts
    assert record.facts["bandwidth"] == "0.005-150 Hz"


def test_a_person_is_in_one_fold_and_most_persons_train(tmp_path):
    records = [(f"1{n // 2:07d}", f"4{n:07d}", ["Sinus rhythm"]) for n in range(6)]
    write_corpus(tmp_path, records)
    folds: dict[str, set[str]] = {}
    for entry in MimicIvEcg().entries(tmp_path):
        folds.setdefault(entry.subject_id, set()).add(entry.fold)
    assert len(folds) == 3
    assert all(len(found) == 1 for found in folds.values())
    source = MimicIvEcg()
    with (tmp_path / "record_list.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["subject_id", "study_id", "path"])
        writer.writerows([[str(n), str(n), "absent"] for n in range(5000)])
    drawn = [entry.fold for entry in source.entries(tmp_path)]
    assert 0.95 < drawn.count("train") / 5000 < 0.97
    assert {"train", "validation", "test"} == set(drawn)


def test_records_without_a_report_are_kept_and_short_ones_can_be_left_out(tmp_path):
    write_corpus(
        tmp_path,
        [
            ("10000032", "40000001", []),
            ("10000032", "40000002", ["Normal ECG"]),
            ("10000033", "40000003", ["Sinus rhythm", "Normal ECG"]),
        ],
    )
    ingest(MimicIvEcg(), tmp_path, tmp_path / "store")
    reports = Store(tmp_path / "store").column("report")
    assert reports == [None, "normal ecg.", "sinus rhythm. normal ecg."]
    found = prepare(reports, ReportSettings(min_words=4))
    assert found.excluded == {"empty": 1, "too short": 1}
    assert [report is None for report in found.reports] == [True, True, False]


def test_what_contradicts_itself_is_an_entry_that_says_so(tmp_path):
    write_corpus(
        tmp_path,
        [("10000032", "40000001", []), ("10000033", "40000002", []), ("10000034", "40000003", [])],
    )
    table = tmp_path / "record_list.csv"
    lines = table.read_text().splitlines()
    missing = lines[3].replace("s40000003/40000003", "s40000003/absent")
    table.write_text("\n".join([*lines[:3], missing, lines[1]]) + "\n")
    measured = tmp_path / "machine_measurements.csv"
    measured.write_text(measured.read_text().replace("10000033,40000002", "10000099,40000002"))
    _, other, absent, again = MimicIvEcg().entries(tmp_path)
    assert "machine_measurements.csv: subject_id: study 40000002 belongs to 10000033" in refusal(
        other
    )
    assert "absent.hea" in refusal(absent)
    assert "listed twice" in refusal(again)
    assert again.record_id == "10000032_40000001 (again)"


def test_a_flat_recording_is_refused(tmp_path):
    write_corpus(tmp_path, [("10000032", "40000001", ["Sinus rhythm"])])
    dat = next(tmp_path.rglob("*.dat"))
    dat.write_bytes(bytes(dat.stat().st_size))
    (entry,) = MimicIvEcg().entries(tmp_path)
    assert "every sample is zero or missing" in refusal(entry)


def test_missing_tables_and_columns_are_named(tmp_path):
    with pytest.raises(ReadError, match=r"record_list\.csv"):
        MimicIvEcg().entries(tmp_path)
    write_corpus(tmp_path, [("10000032", "40000001", [])])
    (tmp_path / "machine_measurements.csv").write_text("subject_id,study_id\n1,2\n")
    with pytest.raises(ReadError, match=r"machine_measurements\.csv: header: no column 'report_0'"):
        MimicIvEcg().entries(tmp_path)
    (tmp_path / "machine_measurements.csv").unlink()
    with pytest.raises(ReadError, match="MIMIC-IV-ECG"):
        MimicIvEcg().entries(tmp_path)


def test_a_row_that_was_cut_short_is_refused_with_its_number(tmp_path):
    write_corpus(tmp_path, [("10000001", "40000001", ["sinus rhythm"])])
    table = tmp_path / "record_list.csv"
    table.write_text(table.read_text() + "10000002,40000002\n")
    with pytest.raises(ReadError) as refused:
        list(MimicIvEcg().entries(tmp_path))
    assert refused.value.field == "row 3"
