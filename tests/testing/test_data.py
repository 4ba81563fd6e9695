"""Contracts of sources and formats: ours keep them, and broken ones are found."""

from dataclasses import replace

import numpy as np
import pytest

from medts.core.labels import LabelSet
from medts.core.records import Record, Stream
from medts.data.sources.memory import Memory
from medts.data.sources.synthetic import Synthetic
from medts.formats import FORMATS
from medts.testing import check_format, check_source

LABELS = LabelSet(name="memory/x", classes=("A", "B"), kind="multi")


def make_memory(folds=("1", "2"), labels=(("A",), ()), subjects=("s", "t")):
    stream = Stream(np.ones((1, 10), np.float32), ("I",), 100.0, "ecg", "mV")
    records = [Record("r", {"ecg": stream}, subject_id=subject) for subject in subjects]
    return Memory(records, labels, folds, LABELS)


def test_our_sources_in_memory_keep_their_promises():
    check_source(Synthetic(n_subjects=4))
    check_source(make_memory())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"subjects": ("s", "s")}, "subject 's' is in folds 1 and 2"),
        ({"folds": ("1", "dev")}, "fold 'dev'"),
        ({"labels": (("A",), ("C",))}, r"\['C'\] are no classes of x"),
    ],
)
def test_a_source_that_breaks_a_promise_is_found(changes, message):
    with pytest.raises(AssertionError, match=message):
        check_source(make_memory(**changes))


@pytest.mark.parametrize("name", FORMATS)
def test_our_formats_keep_their_promises(name):
    check_format(name)


def test_a_format_that_loses_something_is_found(monkeypatch):
    def write_negated(record, path):
        streams = {n: replace(s, signal=-s.signal) for n, s in record.streams.items()}
        FORMATS_NPY.write(replace(record, streams=streams), path)

    FORMATS_NPY = FORMATS["npy"]
    broken = {**FORMATS, "npy": replace(FORMATS_NPY, write=write_negated)}
    monkeypatch.setattr("medts.testing.data.FORMATS", broken)
    with pytest.raises(AssertionError, match="samples come back"):
        check_format("npy")
