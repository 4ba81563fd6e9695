import copy
from math import comb

import numpy as np
import pytest

from medts.core.errors import LeakError, MedtsError
from medts.core.reports import ReportSettings
from medts.data.reports import as_read
from medts.evaluation.embeddings import embed
from medts.evaluation.protocols.retrieval import RetrievalConfig
from medts.evaluation.retrieval import match_reports, match_subjects, retrieve
from medts.evaluation.run import run_protocol
from medts.evaluation.task import make_task
from medts.inference.bundle import load_bundle


@pytest.fixture(scope="module")
def bundle(tiny_run):
    return load_bundle(tiny_run)


@pytest.fixture(scope="module")
def task(synthetic_store):
    return make_task(synthetic_store, "synthetic/findings", test_folds=["9", "10"])


def test_ranks_are_those_of_sorting():
    rng = np.random.default_rng(0)
    similarity = rng.normal(size=(30, 50))
    is_hit = rng.random((30, 50)) < 0.05
    is_hit[:, 0] = True
    found = retrieve(similarity, is_hit)
    for q in range(30):
        order = np.argsort(-similarity[q])
        assert found.rank[q] == 1 + np.flatnonzero(is_hit[q][order])[0]


def test_chance_is_that_of_drawing_items_blindly():
    is_hit = np.zeros((2, 12), dtype=bool)
    is_hit[0, :3] = is_hit[1, :1] = True
    found = retrieve(np.random.default_rng(0).normal(size=(2, 12)), is_hit)
    expected = np.mean([1 - comb(12 - h, 4) / comb(12, 4) for h in (3, 1)])
    assert found.chance(4) == pytest.approx(expected)
    assert found.chance(12) == found.chance(50) == 1.0
    rng = np.random.default_rng(1)
    hits = [retrieve(rng.normal(size=(2, 12)), is_hit).recall(4) for _ in range(4000)]
    assert np.mean(hits) == pytest.approx(expected, abs=0.02)


def test_a_constant_embedding_finds_nothing():
    found, queries = match_subjects(np.ones((10, 4)), ["a", "a", *"bcdefghi"])
    assert found.recall(5) == 0.0
    assert queries.tolist() == [0, 1]
    assert found.n_items == 9


def test_a_record_never_finds_itself():
    embedding = np.eye(6)
    found, _ = match_subjects(embedding, ["a", "a", "b", "b", "c", "c"])
    assert found.recall(1) == 0.0
    together = np.repeat(np.eye(3), 2, axis=0)
    found, _ = match_subjects(together, ["a", "a", "b", "b", "c", "c"])
    assert found.recall(1) == 1.0


def test_equal_reports_are_hits_for_each_other():
    reports = ["Sinus rhythm.", "sinus  RHYTHM.", "AF"]
    texts = np.eye(3)
    records = np.eye(3)[[1, 0, 2]]
    to_report, to_record = match_reports(records, texts, reports)
    assert to_report.recall(1) == to_record.recall(1) == 1.0
    assert to_report.n_hits.tolist() == [2, 2, 1]
    strict, _ = match_reports(records, texts, ["a", "b", "c"])
    assert strict.recall(1) == pytest.approx(1 / 3)


def test_what_cannot_be_looked_for_is_refused():
    with pytest.raises(MedtsError, match="no subject has two records"):
        match_subjects(np.eye(3), ["a", "b", "c"])
    with pytest.raises(MedtsError, match="nothing to find"):
        retrieve(np.ones((1, 2)), np.zeros((1, 2), dtype=bool))
    with pytest.raises(MedtsError, match="NaN"):
        retrieve(np.full((1, 2), np.nan), np.ones((1, 2), dtype=bool))
    with pytest.raises(MedtsError, match="2 reports"):
        match_reports(np.eye(3), np.eye(3), ["a", "b"])


def test_any_encoder_identifies_subjects_beside_its_chance(bundle, task):
    result = run_protocol("retrieval", bundle, task, RetrievalConfig(ks=(1, 5)))
    embedding = embed(bundle, task.store, task.test.rows)
    subjects = task.store.subject_ids[task.test.rows].tolist()
    found, _ = match_subjects(embedding, subjects)
    assert result.metrics["subject_recall@5"].value == found.recall(5)
    assert set(result.metrics) == {"subject_recall@1", "subject_recall@5"}
    assert set(result.controls["chance"]) == set(result.metrics)
    for name, measure in result.metrics.items():
        assert measure.low <= measure.value <= measure.high, name
    n = len(subjects)
    assert result.controls["chance"]["subject_recall@1"].value == pytest.approx(1 / (n - 1))


def test_a_model_with_a_text_side_finds_reports_both_ways(bundle, task, make_aligned):
    reports = task.store.column("report")
    texts = sorted({reports[row] for row in task.test.rows})
    place = {text: np.eye(len(texts))[i] for i, text in enumerate(texts)}
    ids = task.store.record_ids[task.test.rows]
    of_record = {i: place[reports[row]] for i, row in zip(ids, task.test.rows, strict=True)}
    result = run_protocol("retrieval", make_aligned(bundle, of_record, place.__getitem__), task)
    assert result.metrics["report_recall@1"].value == 1.0
    assert result.metrics["record_recall@1"].value == 1.0
    assert result.controls["chance"]["report_recall@1"].value < 0.5
    assert any("different reports" in note for note in result.notes)


def test_reports_are_looked_for_as_the_model_reads_them(bundle, task, make_aligned):
    cleaned = copy.copy(bundle)
    cleaned.preprocessing = bundle.preprocessing.but(reports=ReportSettings())
    asked = []

    def read(text):
        asked.append(text)
        return np.eye(2)[len(text) % 2]

    of_record = {name: np.eye(2)[0] for name in task.store.record_ids[task.test.rows]}
    run_protocol("retrieval", make_aligned(cleaned, of_record, read), task)
    written = [task.store.column("report")[row] for row in task.test.rows]
    assert set(asked) == set(as_read(written, ReportSettings())) - {None}
    assert not set(asked) & set(written)


def test_a_model_that_has_met_the_people_is_refused(bundle, synthetic_store):
    task = make_task(synthetic_store, "synthetic/findings", test_folds=["7"])
    with pytest.raises(LeakError):
        run_protocol("retrieval", bundle, task)
