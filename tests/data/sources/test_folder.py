"""Folder of one's own: joined with its table, refused where it contradicts itself, and windows."""

import csv
import os

import numpy as np
import pytest

from medts.core.errors import ConfigError, MedtsError, ReadError, StoreError
from medts.data.ingest import ingest
from medts.data.sources.folder import Folder
from medts.data.sources.mit_bih import AAMI_OF, PACED, RHYTHMS, MitBih, MitBihBeats, read_recording
from medts.data.store import Store
from medts.testing import check_source

from ..folders.writing import write_folder, write_recording, write_table

TABLE = "file,who,dx\na,p1,MI\nb,p1,AF\nc,p2,MI\nd.csv,p3,AF"
COLUMNS = {"file_column": "file", "subject_column": "who"}


def folder_of(tmp_path, text=TABLE, *, names="a b c d", **settings):
    """A folder with a table beside it, as a source named mine."""
    write_folder(tmp_path / "in", names)
    labels = write_table(tmp_path / "labels.csv", text)
    given = {"name": "mine", "labels": labels, **COLUMNS, **settings}
    return Folder(tmp_path / "in", **{k: v for k, v in given.items() if v is not None})


def entries_of(source):
    """Every entry by its id."""
    return {entry.record_id: entry for entry in source.entries()}


def test_it_keeps_what_every_source_promises(tmp_path):
    check_source(folder_of(tmp_path, label_columns=("dx",)), tmp_path / "in")


def test_files_have_their_subject_label_and_facts_in_the_store(tmp_path):
    text = (
        "file;who;dx;fold;alter;sex;report\n"
        "a;p1;MI;1;61,5;m;Infarkt\nb;p1;AF;1;;Female;\nc;p2;MI;val;40;W;\nd;p3;AF;test;4;1;"
    )
    source = folder_of(
        tmp_path,
        text,
        label_columns=("dx",),
        fold_column="fold",
        age_column="alter",
        sex_column="sex",
        sex_codes=("W=female", "1=male"),
        report_column="report",
    )
    report = ingest(source, tmp_path / "in", tmp_path / "store")
    store = Store(tmp_path / "store")
    assert (report.n_stored, report.n_subjects) == (4, 3)
    assert store.labels("mine/labels") == [("MI",), ("AF",), ("MI",), ("AF",)]
    assert list(store.folds) == ["1", "1", "validation", "test"]
    assert [store.record(row).facts for row in range(4)] == [
        {"age": 61.5, "sex": "male"},
        {"sex": "female"},
        {"age": 40, "sex": "female"},
        {"age": 4, "sex": "male"},
    ]
    assert store.record(0).report == "Infarkt"
    expected = write_recording(tmp_path / "again", seed=2)
    np.testing.assert_allclose(store.read(2, "ecg"), expected, atol=2e-5)


def test_folds_are_by_subject_and_do_not_depend_on_name_or_neighbours(tmp_path):
    first = entries_of(folder_of(tmp_path))
    other = entries_of(folder_of(tmp_path, "file,who\na,p1", name="renamed"))
    assert first["a"].fold == first["b"].fold == other["a"].fold
    many = [f"{number},p{number}" for number in range(60)]
    names = " ".join(str(number) for number in range(60))
    text = "\n".join(["file,who", *many])
    folds = {
        each.fold for each in entries_of(folder_of(tmp_path / "many", text, names=names)).values()
    }
    assert folds == {"train", "validation", "test"}


def test_rows_and_files_without_a_counterpart_are_listed(tmp_path):
    source = folder_of(tmp_path, "file,who\na,p1\n1,p2\nx,p3", names="a b 001")
    report = ingest(source, tmp_path / "in", tmp_path / "store")
    reasons = {each.record_id: each.reason for each in report.quarantined}
    assert report.n_stored == 1
    assert sorted(reasons) == ["001.csv", "b.csv", "row 3", "row 4"]
    assert "no row of labels.csv names this file" in reasons["b.csv"]
    assert "labels.csv: row 3, column file (--file-column): '1' is no file" in reasons["row 3"]
    assert "Did you mean 001.csv?" in reasons["row 3"]
    assert source.notes == ("2 rows name no file, 2 files have no row",)


def test_an_age_that_nobody_has_is_left_out_and_listed(tmp_path):
    source = folder_of(tmp_path, "file,who,age\na,p1,300\nb,p2,\nc,p3,0", age_column="age")
    facts = {
        name: entry.load().facts for name, entry in entries_of(source).items() if name in "abc"
    }
    assert facts == {"a": {}, "b": {}, "c": {"age": 0}}
    assert source.notes[0] == "age is not credible: row 2, column age"


def test_without_labels_every_file_is_an_entry_for_pretraining(tmp_path):
    write_folder(tmp_path / "Ward 7", "a x/b")
    (tmp_path / "Ward 7" / "bad.edf").write_bytes(b"no recording at all")
    source = Folder(tmp_path / "Ward 7", subject_is_file=True)
    report = ingest(source, tmp_path / "Ward 7", tmp_path / "store")
    assert (source.name, report.n_stored) == ("ward-7", 2)
    assert [each.record_id for each in report.quarantined] == ["bad"]
    assert "not a recording in a known format" in report.quarantined[0].reason
    assert "every file counts as one" in Store(tmp_path / "store").corpora["ward-7"].card.caveat


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"subject_column": None}, "--subject-column: whose recordings these are is not said"),
        ({"subject_is_file": True}, "only one can be true"),
        ({"file_column": None}, "--file-column"),
        ({"labels": None}, "--file-column: column 'file' is named, but no table"),
        (
            {"subject_column": "patient"},
            "--subject-column: no column 'patient'. Columns: file, who",
        ),
        ({"start_column": "dx"}, "--start-column: needs --window-s"),
        ({"window_s": 3.0}, "--window-s: needs --start-column"),
        ({"end_column": "dx"}, "--end-column: needs --start-column"),
        ({"background": "none"}, "--background: needs --end-column"),
        ({"label_separator": ";"}, "--label-separator: needs one column in --label-columns"),
        ({"sex_codes": ("0=male",)}, "--sex-codes: needs --sex-column"),
        ({"fold_colum": "f"}, "fold_colum: Extra inputs"),
        ({"window_s": -1, "start_column": "who"}, "window_s: Input should be greater than 0"),
        ({"name": "ptb-xl"}, "--name: 'ptb-xl' is the name of a known corpus"),
        ({"name": "My Ward"}, "--name: 'My Ward' is not lower-case"),
    ],
)
def test_settings_that_do_not_fit_are_refused_with_their_flag(tmp_path, settings, said):
    with pytest.raises(MedtsError, match=said):
        folder_of(tmp_path, **settings)


@pytest.mark.parametrize(
    ("text", "settings", "said"),
    [
        (
            "file,who\na,p1\na.csv,p1",
            {},
            r"rows 2, 3, column file \(--file-column\): 2 rows name a.csv",
        ),
        ("file,who\na,", {}, r"row 2, column who \(--subject-column\): a.csv has no subject"),
        (
            "file,who,fold\na,p1,1\nb,p1,2",
            {"fold_column": "fold"},
            r"rows 2, 3, column fold \(--fold-column\): subject 'p1' is in folds 1 and 2",
        ),
        ("file,who,fold\na,p1,x", {"fold_column": "fold"}, "row 2.*'x' is no fold"),
        ("file,who,fold\na,p1,", {"fold_column": "fold"}, "row 2.*the fold is missing"),
        ("file,who,sex\na,p1,1", {"sex_column": "sex"}, "row 2.*--sex-codes 0=male 1=female"),
        (
            "file,who,age\na,p1,old",
            {"age_column": "age"},
            "row 2, column age.*'old' is not a number",
        ),
        ("file,who\nz,p1", {}, r"no row names a file, such as 'z' in row 2. Files are called like"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused_with_row_column_and_flag(
    tmp_path, text, settings, said
):
    with pytest.raises(ReadError, match=said):
        entries_of(folder_of(tmp_path, text, **settings))


def test_one_recording_in_two_formats_is_refused_until_one_is_chosen(tmp_path):
    write_folder(tmp_path / "in", "a")
    write_recording(tmp_path / "in" / "a", kind="edf")
    with pytest.raises(ReadError, match=r"a.csv, a.edf have one name in two formats.*--pattern"):
        entries_of(Folder(tmp_path / "in", subject_is_file=True))
    labels = write_table(tmp_path / "labels.csv", "file,who\na,p1")
    with pytest.raises(ReadError, match=r"row 2.*'a' fits 2 files: a.csv, a.edf"):
        entries_of(Folder(tmp_path / "in", labels=labels, **COLUMNS))
    source = Folder(tmp_path / "in", labels=labels, pattern="*.edf", **COLUMNS)
    assert list(entries_of(source)) == ["a"]


def test_linked_files_are_one_subject(tmp_path):
    text = "file,same\na,\nb,Id:d - Id:c\nc,\nd,"
    source = folder_of(tmp_path, text, subject_column=None, same_subject_column="same")
    assert {name: each.subject_id for name, each in entries_of(source).items()} == {
        "a": "a",
        "b": "b",
        "c": "b",
        "d": "b",
    }
    with pytest.raises(ReadError, match=r"row 2, column same \(--same-subject-column\)"):
        entries_of(
            folder_of(
                tmp_path, "file,same\na,unknown", subject_column=None, same_subject_column="same"
            )
        )


def test_a_silent_file_is_refused_with_the_flag_and_read_with_it(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("I\n" + "\n".join(map(str, range(300))))
    (tmp_path / "in" / "b.csv").write_text("time_s,I [uV]\n0,1000\n0.01,2000\n")

    def read(**hints):
        source = Folder(tmp_path / "in", hints=hints, subject_is_file=True)
        return {name: entry.load().streams["ecg"] for name, entry in entries_of(source).items()}

    with pytest.raises(ReadError, match="Pass --sampling-rate in Hz"):
        read()
    with pytest.raises(ReadError, match="pass --unit"):
        read(sampling_rate=250.0)
    streams = read(sampling_rate=250.0, unit="mV")
    assert (streams["a"].sampling_rate, streams["b"].sampling_rate) == (250.0, 100.0)
    np.testing.assert_allclose(streams["b"].signal, [[1.0, 2.0]])


def test_other_labels_than_those_in_the_store_are_refused(tmp_path):
    ingest(folder_of(tmp_path, label_columns=("dx",)), tmp_path / "in", tmp_path / "store")
    changed = folder_of(tmp_path, TABLE.replace("a,p1,MI", "a,p1,AF"), label_columns=("dx",))
    with pytest.raises(StoreError, match="a: was stored with another subject, fold or label"):
        ingest(changed, tmp_path / "in", tmp_path / "store")


def test_a_file_beside_the_recordings_may_hold_all_settings(tmp_path):
    write_folder(tmp_path / "in")
    write_table(tmp_path / "in" / "labels.csv", TABLE)
    settings = tmp_path / "in" / "medts.yaml"
    settings.write_text(
        "labels: labels.csv\nfile-column: file\nsubject_column: who\nlabel_columns: dx\n"
        "rename: {I: V1}\nname: mine\n"
    )
    source = Folder(tmp_path / "in")
    assert source.label_sets[0].classes == ("AF", "MI")
    assert next(source.entries()).load().streams["ecg"].channels == ("V1", "II")
    assert Folder(tmp_path / "in", name="other").name == "other"
    for text, said in [
        ("lables: x", "lables: Extra inputs.*Known: name, pattern, labels"),
        ("- a", "holds no keys"),
        ("a: [", "not YAML"),
    ]:
        settings.write_text(text)
        with pytest.raises(ConfigError, match=said):
            Folder(tmp_path / "in")


STAGES = "file,who,start,end,stage\na,p1,0,4,W\na,p1,4,8,N2\na,p1,9,10,W\nb,p2,,,"
INTERVALS = {
    "label_columns": ("stage",),
    "start_column": "start",
    "end_column": "end",
    "window_s": 2.0,
}


def windows_of(tmp_path, text, **settings):
    """Labels of the windows of two recordings of ten seconds."""
    write_folder(tmp_path / "in", "a b", duration_s=10.0)
    labels = write_table(tmp_path / "labels.csv", text)
    source = Folder(tmp_path / "in", name="mine", labels=labels, **COLUMNS, **settings)
    return {name: entry.labels for name, entry in entries_of(source).items()}


def test_an_interval_labels_the_windows_that_it_fills(tmp_path):
    found = windows_of(tmp_path, STAGES, **INTERVALS)
    assert [labels["labels"] for name, labels in found.items() if name.startswith("a/")] == [
        ("W",),
        ("W",),
        ("N2",),
        ("N2",),
        None,
    ]
    assert [labels["labels"] for name, labels in found.items() if name.startswith("b/")] == [
        None
    ] * 5


def test_what_no_interval_touches_has_the_class_of_the_background(tmp_path):
    found = windows_of(tmp_path, STAGES, **INTERVALS, background="none")
    assert found["a/0004"]["labels"] is None
    assert found["b/0000"]["labels"] == ("none",)


def test_several_classes_may_hold_in_a_window_or_none(tmp_path):
    text = "file,who,start,end,seizure,artefact\na,p1,2,6,1,0\na,p1,4,6,0,1\na,p1,8,9,1,0"
    found = windows_of(tmp_path, text, **{**INTERVALS, "label_columns": ("seizure", "artefact")})
    assert [found[f"a/000{number}"]["labels"] for number in range(5)] == [
        (),
        ("seizure",),
        ("seizure", "artefact"),
        (),
        None,
    ]


def test_events_get_a_window_each_which_is_nan_outside_the_record(tmp_path):
    signal = write_recording(tmp_path / "in" / "a", duration_s=10.0)
    labels = write_table(tmp_path / "labels.csv", "file,who,t,beat\na,p1,0.1,N\na,p1,9.9,V")
    source = Folder(
        tmp_path / "in",
        labels=labels,
        label_columns=("beat",),
        start_column="t",
        window_s=0.5,
        before_s=0.2,
        **COLUMNS,
    )
    first, last = (entry.load().streams["ecg"].signal for entry in source.entries())
    np.testing.assert_allclose(first[:, 10:], signal[:, :40], atol=1e-6)
    assert np.isnan(first[:, :10]).all()
    np.testing.assert_allclose(last[:, :30], signal[:, 970:], atol=1e-6)
    assert [entry.labels["labels"] for entry in source.entries()] == [("N",), ("V",)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "file,who,start,end,stage\na,p1,0,4,W\na,p1,3,6,N2",
            "rows 2, 3, .*intervals of labels overlap",
        ),
        (
            "file,who,start,end,stage\na,p1,4,4,W",
            "row 2, column end .*ends at 4 s and begins at 4 s",
        ),
        ("file,who,start,end,stage\na,p1,4,,W", "row 2, column end"),
        ("file,who,start,end,stage\na,p1,-1,4,W", "row 2, column start .*before the start"),
        (
            "file,who,start,end,stage\na,p1,0,1,W\na,p2,1,2,W",
            "rows 2, 3, column who .*rows of a.csv differ",
        ),
    ],
)
def test_intervals_that_cannot_be_are_refused_with_their_rows(tmp_path, text, said):
    with pytest.raises(ReadError, match=said):
        windows_of(tmp_path, text, **INTERVALS)


def test_a_recording_whose_intervals_begin_after_its_end_is_quarantined(tmp_path):
    text = "file,who,start,end,stage\na,p1,2000,4000,W\nb,p2,0,2,W"
    write_folder(tmp_path / "in", "a b", duration_s=10.0)
    labels = write_table(tmp_path / "labels.csv", text)
    source = Folder(tmp_path / "in", name="mine", labels=labels, **COLUMNS, **INTERVALS)
    report = ingest(source, tmp_path / "in", tmp_path / "store")
    assert report.n_stored == 5
    (fault,) = report.quarantined
    assert "row 2, column start (--start-column): 2000 s is past the end, at 10 s" in fault.reason


@pytest.mark.skipif("MEDTS_DATA" not in os.environ, reason="MEDTS_DATA is not set")
def test_rhythms_and_beats_of_mit_bih_through_the_folder_are_those_of_the_source(
    tmp_path, real_data
):
    folder = tmp_path / "mitdb"
    folder.mkdir()
    for file in real_data.glob("mitdb/*"):
        if file.stem in ("100", "102", "203", "208"):
            (folder / file.name).symlink_to(file)
    tables = {"rhythm": [], "aami": []}
    for header in sorted(folder.glob("*.hea")):
        recording, name = read_recording(header), header.stem
        for each in recording.rhythms:
            stop_s = each.time_s + each.duration_s
            tables["rhythm"].append((name, each.time_s, stop_s, each.label))
        for each in recording.marks:
            label = "" if name in PACED else AAMI_OF.get(each.label)
            if each.kind == "beat":
                tables["aami"].append((name, each.time_s, "", label))
    for kind, rows in tables.items():
        with (tmp_path / f"{kind}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("file", "start", "end", kind), *rows])

    shared = {"file_column": "file", "start_column": "start", "subject_is_file": True}
    rhythms = Folder(
        folder,
        hints={"rename": {"MLII": "II"}},
        labels=tmp_path / "rhythm.csv",
        label_columns=("rhythm",),
        classes=RHYTHMS,
        end_column="end",
        window_s=10.0,
        **shared,
    )
    beats = Folder(
        folder,
        labels=tmp_path / "aami.csv",
        label_columns=("aami",),
        window_s=300 / 360,
        before_s=100 / 360,
        **shared,
    )
    for mine, source, key, step in (
        (rhythms, MitBih(), "rhythm", 50),
        (beats, MitBihBeats(), "aami", 2000),
    ):
        expected = {each.record_id: each for each in source.entries(folder)}
        found = {each.record_id: each for each in mine.entries(folder)}
        assert found.keys() == expected.keys()
        labels = {name: (each.labels["labels"],) for name, each in found.items()}
        assert labels == {name: (each.labels[key],) for name, each in expected.items()}
        for name in list(expected)[::step]:
            one, other = found[name].load(), expected[name].load()
            np.testing.assert_array_equal(one.streams["ecg"].signal, other.streams["ecg"].signal)
            assert one.facts["start_s"] == pytest.approx(other.facts["start_s"], abs=1e-5)
