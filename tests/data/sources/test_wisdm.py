"""WISDM: a small part in the official layout, and the real part where MEDTS_DATA is set."""

import pickle
from collections import Counter

import numpy as np
import pytest

from medts.core.errors import ReadError
from medts.data.ingest import ingest
from medts.data.sources.wisdm import ACTIVITIES, Wisdm, read_subject
from medts.data.store import Store


def write_sensor(root, subject, sensor, activities, *, device="watch", start_s=1000.0, rate=20.0):
    """Writes a sensor file; ``activities`` maps a code to seconds, or to timestamps in seconds."""
    folder = root / "raw" / device / sensor
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for number, (code, times) in enumerate(activities.items()):
        if not isinstance(times, np.ndarray):
            times = start_s + 500 * number + np.arange(int(times * rate)) / rate
        for t in times:
            x = 9.80665 * np.sin(t)
            lines.append(f"{subject},{code},{round(t * 1e9)},{x:.6f},{x + 1:.6f},{x + 2:.6f};")
    (folder / f"data_{subject}_{sensor}_{device}.txt").write_text("\n".join(lines) + "\n")


def refusal(root):
    (entry,) = Wisdm().entries(root)
    with pytest.raises(ReadError) as caught:
        entry.load()
    return str(caught.value)


def test_a_bout_becomes_labelled_records_of_ten_seconds_in_g_and_rad_per_s(tmp_path):
    for sensor in ("accel", "gyro"):
        write_sensor(tmp_path, 1603, sensor, {"A": 25, "S": 12})
    entries = list(Wisdm().entries(tmp_path))
    assert [(e.record_id, e.labels["activity"]) for e in entries] == [
        ("1603/0000", ("walking",)),
        ("1603/0001", ("walking",)),
        ("1603/0002", ("walking",)),
        ("1603/0003", ("folding",)),
    ]
    assert {(e.subject_id, e.fold) for e in entries} == {("1603", "4")}
    streams = pickle.loads(pickle.dumps(entries[1])).load().streams
    times = 1000 + 10 + np.arange(200) / 20
    np.testing.assert_allclose(streams["watch-acc"].signal[0], np.sin(times), atol=1e-4)
    np.testing.assert_allclose(streams["watch-gyro"].signal[0], 9.80665 * np.sin(times), atol=1e-3)
    assert (streams["watch-acc"].unit, streams["watch-gyro"].unit) == ("g", "rad/s")
    assert entries[2].load().streams["watch-acc"].n_samples == 100


def test_sensors_are_aligned_by_time_and_not_by_row(tmp_path):
    write_sensor(tmp_path, 1600, "accel", {"A": 1000 + np.arange(400) / 20.03})
    write_sensor(tmp_path, 1600, "gyro", {"A": 1000.4 + np.arange(390) / 20.0})
    first, second = (entry.load().streams for entry in Wisdm().entries(tmp_path))
    assert first["watch-gyro"].start_s == pytest.approx(0.4)
    for streams, offset in ((first, 0.0), (second, 10.0)):
        for stream, scale in ((streams["watch-acc"], 1.0), (streams["watch-gyro"], 9.80665)):
            times = 1000 + offset + stream.start_s + np.arange(stream.n_samples) / 20
            np.testing.assert_allclose(stream.signal[0], scale * np.sin(times), atol=4e-3 * scale)


def test_a_gap_is_nan_a_break_splits_the_bout_and_a_burst_is_averaged(tmp_path):
    times = 1000 + np.arange(800) / 20
    gap = (times > 1003) & (times < 1004)
    pause = (times > 1012) & (times < 1020)
    burst = 1005 + np.arange(100) / 100
    kept = np.sort(np.concatenate([times[~gap & ~pause], burst]))
    for sensor in ("accel", "gyro"):
        write_sensor(tmp_path, 1600, sensor, {"B": kept})
    records = [entry.load() for entry in Wisdm().entries(tmp_path)]
    acc = records[0].streams["watch-acc"].signal[0]
    assert np.flatnonzero(np.isnan(acc)).tolist() == list(range(61, 80))
    grid = 1000 + np.arange(200) / 20
    np.testing.assert_allclose(acc[~np.isnan(acc)], np.sin(grid)[~np.isnan(acc)], atol=2e-2)
    assert [record.facts["start_s"] for record in records] == [0.0, 0.0, 10.0]


def test_a_device_or_sensor_that_is_missing_is_an_absent_stream(tmp_path):
    write_sensor(tmp_path, 1600, "accel", {"A": 20, "B": 10})
    write_sensor(tmp_path, 1600, "gyro", {"A": 20})
    write_sensor(tmp_path, 1600, "accel", {"A": 10}, device="phone", start_s=77.0)
    found = [sorted(entry.load().streams) for entry in Wisdm().entries(tmp_path)]
    assert found == [["phone-acc", "watch-acc", "watch-gyro"], ["watch-acc", "watch-gyro"],
                     ["watch-acc"]]  # fmt: skip


def test_damaged_files_are_one_entry_that_says_why(tmp_path):
    write_sensor(tmp_path, 1600, "accel", {"A": 10})
    file = tmp_path / "raw/watch/accel/data_1600_accel_watch.txt"
    good = file.read_text()
    for content, reason in (
        (good + "1600,A,12\n", "not a table of 6 columns"),
        (good.replace("1600,A", "1601,A"), "rows of subject 1601"),
        (good.replace("1600,A", "1600,N"), "unknown activity 'N'"),
        ("", "Empty CSV|no rows|not a table"),
    ):
        file.write_text(content)
        assert any(part in refusal(tmp_path) for part in reason.split("|"))
    with pytest.raises(ReadError, match="official WISDM"):
        list(Wisdm().entries(tmp_path / "raw" / "phone"))


def test_activities_have_wordings_of_their_own():
    label_set, *halves = Wisdm().label_sets
    assert len(set(label_set.texts())) == len(label_set) == len(ACTIVITIES) == 18
    assert sorted(name for half in halves for name in half.classes) == sorted(label_set.classes)
    assert [len(half) for half in halves] == [9, 9]


def test_an_activity_belongs_to_one_half(tmp_path):
    write_sensor(tmp_path, 1600, "accel", {"A": 10, "B": 10})
    walking, jogging = Wisdm().entries(tmp_path)
    assert walking.labels == {"activity": ("walking",), "activity-odd": ("walking",)}
    assert jogging.labels == {"activity": ("jogging",), "activity-even": ("jogging",)}


def test_two_real_subjects_are_stored_whole(real_data, tmp_path):
    for file in (real_data / "wisdm").glob("raw/*/*/data_160[09]_*.txt"):
        link = tmp_path / file.relative_to(real_data / "wisdm")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file)
    report = ingest(Wisdm(), tmp_path, tmp_path / "store")
    assert (report.n_stored, report.n_subjects, report.quarantined) == (648, 2, ())
    store = Store(tmp_path / "store")
    counts = Counter(label[0] for label in store.labels("wisdm/activity") if label)
    assert counts == dict.fromkeys((name for name, _ in ACTIVITIES.values()), 36)
    assert store.folds.tolist() == ["1"] * 324 + ["10"] * 324
    gaps = [any(each["has_gaps"] for each in row.values()) for row in store.streams]
    assert 0 < sum(gaps) < 60
    sitting = [np.linalg.norm(store.read(row, "watch-acc"), axis=0) for row in range(54, 72)]
    assert np.nanmedian(np.concatenate(sitting)) == pytest.approx(1.0, abs=0.1)
    read_subject.cache_clear()
