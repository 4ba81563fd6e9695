"""A folder of one's own by commands alone: info, ingest, train, evaluate."""

import csv
import json
import shlex
from itertools import pairwise

import numpy as np
import pytest

from medts.cli.main import main
from medts.data.sources.synthetic import synthetic_record
from medts.data.store import Store
from medts.formats import FORMATS

KINDS = (("wfdb", ".hea"), ("edf", ".edf"), ("csv", ".csv"))


def write_mixed(folder, n_files):
    """Writes WFDB, EDF and CSV files, three a person, in three folders, with labels.csv."""
    rows = []
    for number in range(n_files):
        kind, suffix = KINDS[number % 3]
        rhythm = ("SR", "AFIB", "STACH")[number // 3 % 3]
        record = synthetic_record(
            rhythm=rhythm,
            subject_id=f"p{number // 3}",
            duration_s=5.0,
            sampling_rate=100.0,
            seed=number,
        )
        path = folder / kind / f"{number:04d}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        FORMATS[kind].write(record, path)
        rate = {"SR": 70, "AFIB": 95, "STACH": 125}[rhythm] + number % 7
        rows.append(
            (f"{kind}/{number:04d}", f"p{number // 3}", rhythm, f"{rate},5", 40 + number % 50)
        )
    with (folder / "labels.csv").open("w", newline="", encoding="latin-1") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerows([("file", "patient", "rhythm", "rate", "age"), *rows])
    return folder


def command_of(printed: str) -> list[str]:
    """The command that `medts info` proposes, without medts."""
    return shlex.split(printed.partition("to ingest it:")[2].strip())[1:]


@pytest.mark.slow
def test_three_hundred_mixed_files_become_a_trained_and_measured_model(tmp_path, capsys):
    mixed = write_mixed(tmp_path / "ward", 300)
    assert main(["info", str(mixed)]) == 0
    printed = capsys.readouterr().out
    for name in ("WFDB", "EDF", "CSV"):
        assert name in printed
    assert "labels.csv names 300 of the files" in printed.replace("\n", "")
    command = [str(tmp_path / "store") if word == "STORE" else word for word in command_of(printed)]
    assert command[:2] == ["ingest", "folder"]

    assert main([*command, "--target-columns", "rate", "--workers", "2"]) == 0
    assert "300 records listed, 300 stored (100 subjects), 0 quarantined" in capsys.readouterr().out
    store = Store(tmp_path / "store")
    assert store.label_set("ward/labels").classes == ("AFIB", "SR", "STACH")
    assert {len(each) for each in store.labels("ward/labels")} == {1}

    run = tmp_path / "run"
    data = ["--data", str(tmp_path / "store")]
    trained = ["train", "xresnet1d_test", *data, "--labels", "ward/labels", "--out", str(run)]
    assert main([*trained, "--training.epochs", "4", "--device", "cpu"]) == 0
    measured = ["evaluate", "--model", str(run), *data, "--folds", "test", "--device", "cpu"]
    assert main([*measured, "--out", str(tmp_path / "test")]) == 0
    result = json.loads((tmp_path / "test" / "metrics.json").read_text())
    assert result["metrics"]["macro_auroc"]["value"] > 0.6
    assert result["notes"] == []


def test_reports_say_where_every_file_counts_as_a_person(tmp_path, capsys):
    mixed = write_mixed(tmp_path / "ward", 60)
    store = tmp_path / "store"
    command = ["ingest", "folder", str(mixed), str(store), "--labels", "labels.csv"]
    command += ["--file-column", "file", "--target-columns", "rate", "--subject-is-file"]
    assert main([*command, "--workers", "2"]) == 0
    run, data = tmp_path / "run", ["--data", str(store)]
    trained = ["train", "xresnet1d_test", *data, "--labels", "ward/targets", "--out", str(run)]
    assert main([*trained, "--training.epochs", "1", "--device", "cpu"]) == 0
    measured = ["evaluate", "--model", str(run), *data, "--folds", "test", "--device", "cpu"]
    assert main([*measured, "--out", str(tmp_path / "test")]) == 0
    (note,) = json.loads((tmp_path / "test" / "metrics.json").read_text())["notes"]
    assert note.startswith("ward: subjects are unknown, and every file counts as one")
    assert "every file counts as one" in capsys.readouterr().out.replace("\n", " ")
    assert "every file counts as one" in (tmp_path / "test" / "report.html").read_text()


def write_csv(path, *, header="time_s,I [mV]", n=300):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(0).normal(size=n).round(3)
    lines = [f"{k * 0.01:.2f},{value}" for k, value in enumerate(values)]
    path.write_text("\n".join([header, *lines]) + "\n")


def test_info_says_what_would_be_quarantined_and_which_flag_is_missing(tmp_path, capsys):
    folder = tmp_path / "in"
    for name in "abc":
        write_csv(folder / f"{name}.csv", header="time_s,I")
    (folder / "broken.edf").write_bytes(b"nothing of the kind")
    assert main(["info", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert "quarantined: a.csv and 2 more: no unit" in printed
    assert "quarantined: broken.edf: not a recording in a known format" in printed
    assert command_of(printed)[-3:] == ["--subject-is-file", "--unit", "UNIT"]
    assert main(["info", str(folder), "--unit", "mV"]) == 0
    printed = capsys.readouterr().out
    assert "a.csv" not in printed
    assert command_of(printed)[-2:] == ["--unit", "mV"]


def test_info_proposes_intervals_where_a_file_has_several_rows(tmp_path, capsys):
    folder = tmp_path / "in"
    for name in "ab":
        write_csv(folder / f"{name}.csv")
    text = "Recording,Patient ID,Onset (s),End (s),Sleep,Stage,Sex\n"
    rows = [f"{name},p{name},{k},{k + 1},x,W;N,{k}" for name in "ab" for k in range(2)]
    (folder / "stages.csv").write_text(text + "\n".join(rows))
    assert main(["info", str(folder)]) == 0
    command = command_of(capsys.readouterr().out)
    proposed = dict(pairwise(command))
    expected = {
        "--file-column": "Recording",
        "--subject-column": "Patient ID",
        "--start-column": "Onset (s)",
        "--end-column": "End (s)",
        "--window-s": "SECONDS",
        "--label-columns": "Stage",
        "--label-separator": ";",
        "--sex-codes": "CODE=male",
    }
    assert {flag: proposed.get(flag) for flag in expected} == expected


def test_hints_make_no_recording_of_a_table_of_numbers(tmp_path, capsys):
    folder = tmp_path / "in"
    for name in ("1", "2"):
        write_csv(folder / f"{name}.csv", header="time_s,I")
    (folder / "labels.csv").write_text("file,patient,MI\n1,7,0\n2,8,1\n")
    assert main(["info", str(folder), "--unit", "mV", "--sampling-rate", "100"]) == 0
    printed = capsys.readouterr().out
    assert "labels.csv names 2 of the files" in printed.replace("\n", "")
    assert "quarantined" not in printed
    assert "patient, MI" not in printed.partition("columns of")[0]
    proposed = dict(pairwise(command_of(printed)))
    assert (proposed["--subject-column"], proposed["--label-columns"]) == ("patient", "MI")


def test_flags_count_before_the_file_beside_the_recordings(tmp_path, capsys):
    folder = tmp_path / "in"
    write_csv(folder / "a.csv", header="time_s,I")
    (folder / "medts.yaml").write_text("subject_is_file: true\nunit: uV\nname: one\n")
    assert main(["ingest", "folder", str(folder), str(tmp_path / "store"), "--workers", "1"]) == 0
    other = ["--name", "two", "--unit", "mV", "--workers", "1"]
    assert main(["ingest", "folder", str(folder), str(tmp_path / "store"), *other]) == 0
    store = Store(tmp_path / "store")
    one, two = (np.abs(store.read(row, "ecg")).max() for row in range(2))
    assert two == pytest.approx(1000 * one, rel=1e-3)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ptb-xl", ".", "store", "--labels", "x.csv"], "belong to `medts ingest folder`"),
        (["folder", "nowhere", "store", "--subject-is-file"], "nowhere: no such folder"),
        (["folder", ".", "store"], "--subject-column: whose recordings these are is not said"),
        (["folder", ".", "store", "--subject-is-file"], "holds no recording"),
    ],
)
def test_a_mistake_is_one_line(arguments, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["ingest", *arguments]) == 2
    assert said in capsys.readouterr().err
