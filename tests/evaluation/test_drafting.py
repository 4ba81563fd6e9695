import numpy as np
import pytest

from medts.core.errors import ConfigError, LeakError, MedtsError
from medts.evaluation import drafting
from medts.evaluation.drafting import compare_texts
from medts.evaluation.protocols.drafting import DraftingConfig
from medts.evaluation.run import run_protocol
from medts.evaluation.task import make_task
from medts.evaluation.text import reports_with_words
from medts.inference.bundle import Bundle, load_bundle
from medts.inference.manifest import Labels, ModelConfig, Provenance
from medts.models.melp import Melp
from medts.recipes import find_recipe

pytest.importorskip("sacrebleu")
pytest.importorskip("rouge_score")

FEW = DraftingConfig(n_resamples=20, n_exchanges=3)


@pytest.fixture(scope="module")
def writer():
    recipe = find_recipe("melp_test")
    config = ModelConfig(encoder=recipe.encoder, windowing=recipe.windowing)
    return Bundle(
        config,
        preprocessing=recipe.preprocessing,
        labels=Labels(),
        provenance=Provenance(recipe="melp_test, untrained"),
    )


@pytest.fixture(scope="module")
def bundle(tiny_run):
    return load_bundle(tiny_run)


@pytest.fixture
def task(synthetic_store):
    return make_task(
        synthetic_store, "synthetic/findings", train_folds=["1"], val_folds=["8"], test_folds=["9"]
    )


def _writes(monkeypatch, text_of):
    def draft(self, batch, *, max_tokens):
        return [text_of(name) for name in batch.record_ids]

    monkeypatch.setattr(Melp, "draft", draft)


def test_who_writes_what_was_written_scores_one_and_exchanged_drafts_do_not(
    writer, task, monkeypatch
):
    store = task.store
    report = {store.record_ids[row]: store.column("report")[row] for row in task.test.rows}
    read = reports_with_words(writer, store, task.test.rows)[1]
    place = dict(zip(report, read, strict=True))
    _writes(monkeypatch, place.__getitem__)
    result = run_protocol("drafting", writer, task, FEW)
    for name in ("bleu_1", "bleu_4", "rouge_l", "finding_f1"):
        assert result.metrics[name].value == pytest.approx(1.0), name
        assert result.controls["exchanged"][name].value < 0.95, name
        assert result.controls["commonest_report"][name].value < 0.95, name
    assert result.n_records == len(read)


def test_the_same_draft_for_everyone_is_no_better_than_when_it_is_exchanged(
    writer, task, monkeypatch
):
    _writes(monkeypatch, lambda _: "sinus rhythm.")
    result = run_protocol("drafting", writer, task, FEW)
    for name, measure in result.metrics.items():
        control = result.controls["exchanged"][name]
        assert measure.value == pytest.approx(control.value, nan_ok=True), name
        assert measure.low <= measure.value <= measure.high, name
    assert any(note.startswith("1 different drafts") for note in result.notes)


def test_an_untrained_decoder_writes_something_for_every_record(writer, task):
    result = run_protocol("drafting", writer, task, FEW.but(max_tokens=3))
    assert result.n_records == len(task.test)
    assert result.metrics["rouge_l"].value < 0.5


def test_findings_are_compared_and_records_may_repeat():
    drafted, written = ["atrial fibrillation."] * 2, ["atrial fibrillation.", "sinus rhythm."]
    (whole,) = compare_texts(drafted, written)
    assert whole["finding_precision"] == 0.5
    (twice,) = compare_texts(drafted, written, np.array([[2.0, 0.0]]))
    assert twice["finding_f1"] == 1.0


def test_who_cannot_write_or_has_met_the_people_is_refused(writer, bundle, task, synthetic_store):
    with pytest.raises(ConfigError, match="no decoder to write with"):
        run_protocol("drafting", bundle, task, FEW)
    known = make_task(synthetic_store, "synthetic/findings", test_folds=["7"])
    met = Bundle(
        writer.config,
        preprocessing=writer.preprocessing,
        labels=Labels(),
        provenance=bundle.provenance,
    )
    with pytest.raises(LeakError):
        run_protocol("drafting", met, known, FEW)


def test_training_records_without_reports_leave_out_their_control(
    writer, synthetic_store, monkeypatch
):
    task = make_task(
        synthetic_store, "synthetic/findings", train_folds=["1"], test_folds=["9", "10"]
    )

    def in_tests_only(model, store, rows):
        if rows is task.test.rows:
            return reports_with_words(model, store, rows)
        return np.array([], int), []

    monkeypatch.setattr(drafting, "reports_with_words", in_tests_only)
    _writes(monkeypatch, lambda _: "sinus rhythm.")
    assert run_protocol("drafting", writer, task, FEW).controls.keys() == {"exchanged"}


def test_a_test_part_without_reports_is_refused(writer, task, monkeypatch):
    monkeypatch.setattr(drafting, "reports_with_words", lambda *_: (np.array([], dtype=int), []))
    with pytest.raises(MedtsError, match="no test record has a report") as refused:
        run_protocol("drafting", writer, task, FEW)
    assert refused.value.field == "report"
