import numpy as np
import pytest

from medts.core.errors import MedtsError, ReadError
from medts.core.records import Record, Stream
from medts.data.sources.pieces import Bout, cut, list_pieces, runs, tile

RAMP = np.arange(100, dtype=np.float32)[None]


def ramp(start_s=0.0, signal=RAMP):
    return Stream(signal, ("x",), 10.0, "acc", "g", start_s=start_s)


def read_bouts():
    holed = RAMP.copy()
    holed[:, :20] = np.nan
    streams = {"a": ramp(), "b": ramp(signal=holed), "c": ramp(4.5)}
    return (
        Bout(Record("r", streams, facts={"hand": "left"}), 0.0, 5.0, {"task": ("rest",)}),
        Bout(Record("r", {"b": streams["b"]}), 0.0, 2.0, {"task": None}),
    )


def fail():
    raise MedtsError("broken file")


def test_pieces_are_even_and_a_rest_of_half_a_piece_counts():
    assert tile(0.0, 20.0, 10.0) == [(0.0, 10.0), (10.0, 20.0)]
    assert tile(5.0, 20.0, 10.0) == [(5.0, 15.0), (15.0, 20.0)]
    assert tile(0.0, 14.9, 10.0) == [(0.0, 10.0)]
    assert tile(0.0, 4.9, 10.0) == []
    assert tile(0.0, 4 * 5.12, 5.12)[-1] == pytest.approx((15.36, 20.48))


def test_equal_codes_form_runs():
    assert list(runs([0, 0, 3, 0])) == [(0, 0, 2), (3, 2, 3), (0, 3, 4)]
    assert list(runs([])) == []


def test_a_piece_holds_what_its_streams_recorded_in_it_and_nothing_of_the_others():
    entries = list(list_pieces(read_bouts, name="r", subject_id="s", fold="3", piece_s=2.0))
    records = [entry.load() for entry in entries[:2]]
    assert [entry.record_id for entry in entries] == [f"r/000{number}" for number in range(4)]
    assert [entry.labels for entry in entries] == [{"task": ("rest",)}] * 3 + [{"task": None}]
    assert {entry.fold for entry in entries} == {"3"}
    assert list(records[0].streams) == ["a"]
    assert list(records[1].streams) == ["a", "b"]
    assert records[1].streams["b"].signal[0].tolist() == list(range(20, 40))
    assert records[1].facts == {"hand": "left", "start_s": 2.0}
    assert (records[1].record_id, records[1].subject_id) == ("r/0001", "s")


def test_a_piece_in_which_nothing_was_recorded_says_so():
    *_, last = list_pieces(read_bouts, name="r", subject_id="s", fold="1", piece_s=2.0)
    with pytest.raises(ReadError, match="r/0003: nothing was recorded between 0 and 2 s"):
        last.load()


def test_a_stream_that_starts_within_the_piece_keeps_its_delay():
    late = cut(ramp(4.5), 4.0, 6.0)
    assert late is not None
    assert (late.start_s, late.signal[0].tolist()) == (0.5, list(range(15)))
    assert cut(ramp(4.5), 0.0, 4.0) is None
    assert cut(ramp(), 20.0, 22.0) is None


def test_an_unreadable_recording_is_one_entry():
    (entry,) = list_pieces(fail, name="r", subject_id="s", fold="1", piece_s=2.0)
    assert (entry.record_id, entry.labels) == ("r", {})
    with pytest.raises(ReadError, match="broken file"):
        entry.load()


def test_a_recording_too_short_for_half_a_piece_is_one_entry_and_not_lost():
    (entry,) = list_pieces(read_bouts, name="r", subject_id="s", fold="1", piece_s=20.0)
    assert (entry.record_id, entry.labels) == ("r", {})
    with pytest.raises(ReadError, match="r: nothing that could be labelled lasts 10 s"):
        entry.load()
