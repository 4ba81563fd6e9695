"""PAMAP2: tables in the official layout, made small, with what the radio lost."""

import numpy as np
import pytest

from medts.core.errors import ReadError
from medts.data.ingest import ingest
from medts.data.sources.pamap2 import ACTIVITIES, COLUMNS, Pamap2
from medts.data.store import Store


def make_table(activities=((0, 2.0), (4, 11.0), (24, 6.0)), start_s=8.38):
    n = int(sum(seconds for _, seconds in activities) * 100)
    table = np.random.default_rng(0).standard_normal((n, len(COLUMNS))).round(4)
    table[:, 0] = start_s + np.arange(n) / 100
    table[:, 1] = np.concatenate([np.full(int(s * 100), code) for code, s in activities])
    table[:, 2] = np.nan
    table[::11, 2] = 100 + np.arange(len(table[::11]))
    return table


def write_table(root, subject, table):
    folder = root / "Protocol"
    folder.mkdir(exist_ok=True)
    rows = [" ".join([f"{r[0]:.2f}", str(int(r[1])), *(f"{v:g}" for v in r[2:])]) for r in table]
    file = folder / f"subject{subject}.dat"
    file.write_text("\n".join(rows).replace("nan", "NaN") + "\n")
    return file


def test_the_layout_has_54_columns_and_12_activities():
    assert len(COLUMNS) == len(set(COLUMNS)) == 54
    assert COLUMNS[4:7] == ("hand-acc-x", "hand-acc-y", "hand-acc-z")
    assert COLUMNS[27:30] == ("chest-gyro-x", "chest-gyro-y", "chest-gyro-z")
    (label_set,) = Pamap2().label_sets
    assert len(set(label_set.texts())) == len(ACTIVITIES) == 12


def test_activities_become_labelled_records_of_512_samples_and_transitions_are_left_out(tmp_path):
    table = make_table()
    write_table(tmp_path, 103, table)
    entries = list(Pamap2().entries(tmp_path))
    assert [e.labels["activity"][0] for e in entries] == ["walking", "walking", "rope-jumping"]
    assert {(e.subject_id, e.fold) for e in entries} == {("103", "3")}
    streams = entries[1].load().streams
    rows = table[200 + 512 : 200 + 1024]
    np.testing.assert_allclose(streams["hand-acc"].signal, rows[:, 4:7].T / 9.80665, atol=1e-5)
    np.testing.assert_allclose(streams["ankle-gyro"].signal, rows[:, 44:47].T, atol=1e-5)
    assert (streams["hr"].sampling_rate, streams["hr"].n_samples) == (1.0, 5)
    assert np.isfinite(streams["hr"].signal).all()
    assert len(streams) == 7


def test_what_the_radio_lost_is_bridged_if_short_and_absent_if_long(tmp_path):
    table = make_table(((4, 10.24),))
    chest = slice(COLUMNS.index("chest-temp"), COLUMNS.index("ankle-temp"))
    table[100:110, chest] = np.nan
    table[512:, chest] = np.nan
    write_table(tmp_path, 101, table)
    first, second = (entry.load().streams for entry in Pamap2().entries(tmp_path))
    assert np.isfinite(first["chest-acc"].signal).all()
    assert {"hand-acc", "ankle-acc"} <= set(second)
    assert not {"chest-acc", "chest-gyro"} & set(second)


def test_a_store_holds_a_fold_per_subject(tmp_path):
    for subject in (101, 109):
        write_table(tmp_path, subject, make_table(((24, 6.0),)))
    ingest(Pamap2(), tmp_path, tmp_path / "store")
    store = Store(tmp_path / "store")
    assert store.folds.tolist() == ["1", "9"]
    assert store.labels("pamap2/activity") == [("rope-jumping",)] * 2


def test_damaged_tables_say_what_is_wrong(tmp_path):
    good = make_table(((4, 6.0),))
    backwards = good.copy()
    backwards[300:, 0] -= 2.0
    for table, reason in (
        (good[:, :53], "not a table of 54 columns"),
        (backwards, "run backwards"),
        (make_table(((0, 6.0),)), "no activity of the protocol"),
    ):
        write_table(tmp_path, 101, table)
        (entry,) = Pamap2().entries(tmp_path)
        with pytest.raises(ReadError, match=rf"subject101\.dat.*{reason}"):
            entry.load()
    with pytest.raises(ReadError, match="official PAMAP2"):
        list(Pamap2().entries(tmp_path / "Protocol"))
