"""Sleep-EDF: nights in the official layout, made small, and broken in every way we know."""

import edfio
import numpy as np
import pytest

from medts.core.errors import ReadError
from medts.data.ingest import ingest
from medts.data.sources.sleep_edf import SleepEdf
from medts.data.store import Store

CASSETTE = {
    "EEG Fpz-Cz": (100, "uV"),
    "EEG Pz-Oz": (100, "uV"),
    "EOG horizontal": (100, "uV"),
    "Resp oro-nasal": (1, ""),
    "EMG submental": (1, "uV"),
    "Temp rectal": (1, "DegC"),
    "Event marker": (1, ""),
}
TELEMETRY = dict.fromkeys(("EEG Fpz-Cz", "EOG horizontal", "EMG submental"), (100, "uV"))


def write_night(root, name, stages, *, channels=CASSETTE, scorer="C"):
    """Writes a night whose stages are (seconds, mark) pairs; returns its first EEG channel."""
    folder = root / ("sleep-cassette" if name.startswith("SC") else "sleep-telemetry")
    folder.mkdir(exist_ok=True)
    seconds = sum(length for length, _ in stages)
    rng = np.random.default_rng(0)
    drawn = {
        each: rng.integers(-2000, 2000, seconds * rate) for each, (rate, _) in channels.items()
    }
    signals = [
        edfio.EdfSignal.from_digital(
            drawn[each].astype(np.int16),
            rate,
            label=each,
            physical_dimension=unit,
            physical_range=(-200, 200),
            digital_range=(-2000, 2000),
        )
        for each, (rate, unit) in channels.items()
    ]
    edfio.Edf(signals, data_record_duration=10).write(folder / f"{name}0-PSG.edf")
    onsets = np.cumsum([0, *(length for length, _ in stages)])
    marks = [
        edfio.EdfAnnotation(float(onset), float(length), text)
        for onset, (length, text) in zip(onsets, stages, strict=False)
    ]
    edfio.Edf([], annotations=marks).write(folder / f"{name}{scorer}-Hypnogram.edf")
    return drawn["EEG Fpz-Cz"] / 10


def test_pages_carry_stages_and_streams_of_different_rates(tmp_path):
    stages = [(60, "Sleep stage W"), (30, "Sleep stage 4"), (30, "Movement time")]
    eeg = write_night(tmp_path, "SC4031E", [*stages, (30, "Sleep stage ?"), (30, "Sleep stage R")])
    entries = list(SleepEdf().entries(tmp_path))
    assert [e.labels["stage"] for e in entries] == [("W",), ("W",), ("N3",), None, None, ("R",)]
    assert {(e.subject_id, e.fold) for e in entries} == {("SC03", "4")}
    assert entries[2].record_id == "SC4031E0/0002"
    streams = entries[2].load().streams
    shapes = {name: (s.channels, s.sampling_rate, s.n_samples) for name, s in streams.items()}
    assert shapes == {
        "eeg": (("Fpz-Cz", "Pz-Oz"), 100.0, 3000),
        "eog": (("horizontal",), 100.0, 3000),
        "resp": (("oro-nasal",), 1.0, 30),
        "emg": (("submental",), 1.0, 30),
        "temp": (("rectal",), 1.0, 30),
    }
    np.testing.assert_allclose(streams["eeg"].signal[0], eeg[6000:9000], atol=1e-4)


def test_the_day_before_and_after_sleep_is_left_out(tmp_path):
    stages = [(4000, "Sleep stage W"), (30, "Sleep stage 2"), (2400, "Sleep stage W")]
    few = {"EEG Fpz-Cz": (10, "uV")}
    write_night(tmp_path, "SC4001E", stages, channels=few)
    labels = [entry.labels["stage"] for entry in SleepEdf().entries(tmp_path)]
    assert labels == [("W",)] * 60 + [("N2",)] + [("W",)] * 60


def test_nights_of_one_subject_share_a_fold_and_telemetry_has_other_people(tmp_path):
    night = [(30, "Sleep stage 1")]
    for name in ("SC4001E", "SC4002E"):
        write_night(tmp_path, name, night)
    write_night(tmp_path, "ST7011J", night, channels=TELEMETRY, scorer="P")
    ingest(SleepEdf(), tmp_path, tmp_path / "store")
    store = Store(tmp_path / "store")
    people = zip(store.subject_ids, store.folds, strict=True)
    assert list(people) == [("sleep-edf/SC00", "1")] * 2 + [("sleep-edf/ST01", "101")]
    assert store.labels("sleep-edf/stage") == [("N1",)] * 3
    assert store.streams[2]["emg"]["sampling_rate"] == 100.0


def test_a_damaged_night_is_one_entry_that_says_why(tmp_path):
    for name in ("SC4001E", "SC4011E", "SC4021E", "SC4031E"):
        write_night(tmp_path, name, [(30, "Sleep stage 2")])
    write_night(tmp_path, "SC4041E", [(30, "Sleep stage 5")])
    write_night(tmp_path, "SC4051E", [(30, "Sleep stage 2")], channels={
        "EEG Fpz-Cz": (100, "uV"), "Event marker": (1, "")
    })  # fmt: skip
    folder = tmp_path / "sleep-cassette"
    (folder / "SC4001EC-Hypnogram.edf").unlink()
    (folder / "SC4011EC-Hypnogram.edf").write_bytes(b"nothing")
    whole = (folder / "SC4021E0-PSG.edf").read_bytes()
    (folder / "SC4021E0-PSG.edf").write_bytes(whole[:-500])
    renamed = (folder / "SC4031E0-PSG.edf").read_bytes().replace(b"EEG ", b"XXX ")
    (folder / "SC4031E0-PSG.edf").write_bytes(renamed)
    *broken, good = SleepEdf().entries(tmp_path)
    reasons = ("0 hypnograms", "hypnogram cannot", "data records", "no EEG", "unknown stage")
    for entry, reason in zip(broken, reasons, strict=True):
        assert "/" not in entry.record_id
        with pytest.raises(ReadError, match=reason):
            entry.load()
    assert list(good.load().streams) == ["eeg"]
    with pytest.raises(ReadError, match="official Sleep-EDF"):
        list(SleepEdf().entries(tmp_path / "none"))
