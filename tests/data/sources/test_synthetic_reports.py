"""Reports of the synthetic corpus: they say what was found, in many ways, and nothing else."""

import re
from pathlib import Path

import numpy as np
import pytest

from medts.data.sources.synthetic import Synthetic
from medts.data.sources.synthetic_reports import PHRASES


@pytest.fixture(scope="module")
def records():
    source = Synthetic(n_subjects=100, records_per_subject=2, sampling_rate=100.0, seed=1)
    return [entry.load() for entry in source.entries(Path("-"))]


MENTIONS = {
    "SBRAD": r"brady",
    "STACH": r"tachy",
    "AFIB": r"atrial fibrillation|\bAF\b",
    "PVC": r"premature ventricular|ectopic beats|extrasystoles|PVC",
    "BIGU": r"bigemin",
    "CLBBB": r"left bundle branch block|LBBB",
    "CRBBB": r"right bundle branch block|RBBB",
    "LVH": r"left ventricular hypertrophy|LVH",
    "STE": r"ST elevation|ST-segment elevation",
    "STD": r"ST depression|ST-segment depression",
    "INVT": r"T wave inversion|inverted T|negative T|TWI",
    "NORM": r"\bnormal ecg|\bnormal electrocardiogram|within normal limits|WNL|\bnormal\.",
}


def test_reports_affirm_what_was_found_and_nothing_else(records):
    for record in records:
        sentences = re.split(r"(?<=\.) ", record.report)
        affirmed = " ".join(s for s in sentences if not s.startswith("No "))
        found = {s.code.rstrip("_") for s in record.statements} - {"SR"}
        mentioned = {
            code for code, words in MENTIONS.items() if re.search(words, affirmed, re.IGNORECASE)
        }
        if "BIGU" in found:  # bigeminy speaks of ectopic beats too
            mentioned -= {"PVC"}
        assert mentioned == found, record.report


def test_reports_vary_and_some_deny_and_many_give_the_rate(records):
    reports = [record.report for record in records]
    assert len(set(reports)) >= len(reports) / 2
    assert 0.2 < np.mean([bool(re.search(r"\bno ", r, re.IGNORECASE)) for r in reports]) < 0.7
    rates = [str(record.facts["heart_rate_bpm"]) in record.report for record in records]
    assert 0.6 < np.mean(rates) < 0.98
    lengths = [len(r.split()) for r in reports]
    assert min(lengths) < 6 < 20 < max(lengths)


def test_every_wording_of_a_class_is_recognised_as_that_class():
    for code, words in MENTIONS.items():
        for phrase in PHRASES[code]:
            assert re.search(words, phrase, re.IGNORECASE), phrase
