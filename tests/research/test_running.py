import numpy as np
import pyarrow.parquet as pq
import pytest

from medts.core.errors import MedtsError, UnknownNameError
from medts.evaluation.result import Estimate
from research.__main__ import run as run_command
from research.comparing import parts_of, table_of
from research.ledger import COLUMNS, LEDGERS, read_ledger, write_ledger
from research.recipes import find_recipe
from research.running import Bench, best_factor, run_suite
from research.suites import Method, Question, Start, Suite
from research.tables import SUITES, find_suite

QUESTION = Question(
    corpus="synthetic", label_set="synthetic/findings",
    train_folds=("1", "2", "3", "4"), val_folds=("8",), test_folds=("9", "10"),
)  # fmt: skip
TINY = Suite(
    name="tiny",
    methods=(
        Method(name="xresnet1d_test", recipe="xresnet1d_test"),
        Method(name="random_encoder", kind="probe", recipe="xresnet1d_test", is_control=True),
    ),
    questions=(QUESTION, QUESTION.but(corpus="elsewhere", label_set="elsewhere/set")),
    label_fractions=(1.0,),
    reference="xresnet1d_test",
    rate_factors=(1.0, 1e-6),
    minutes_per_job=5.0,
)


START = Start(
    recipe="ecg_nat_pretraining_test", is_on_all=True, overrides={"training.max_minutes": 2.0}
)
COUNTS = TINY.but(
    name="counts",
    methods=(
        Method(name="ecg_nat_test", recipe="ecg_nat_test", start=START),
        Method(name="probed", kind="probe", start=START),
    ),
    questions=(QUESTION,),
    label_fractions=(12, 1.0),
    rate_factors=(),
    reference="ecg_nat_test",
    epochs_ratio=0.1,
)


def measured(suite, store, folder, **options):
    bench = Bench.read(suite, folder)
    run_suite(bench, store, folder / "work", **({"report": lambda _: None} | options))
    return bench


@pytest.fixture(scope="module")
def finished(synthetic_store, tmp_path_factory):
    return measured(TINY, synthetic_store, tmp_path_factory.mktemp("bench"))


def test_every_run_is_in_the_ledger_with_its_controls(finished):
    ledger = pq.read_table(finished.path)
    assert ledger.schema.names == COLUMNS.names
    rows = [row for row in ledger.to_pylist() if row["metric"] == "macro_auroc"]
    assert {row["method"] for row in rows} == {"xresnet1d_test", "random_encoder"}
    assert {row["name"] for row in rows if row["part"] == "control"} == {
        "majority",
        "label_shuffle",
    }
    assert {row["is_control"] for row in rows if row["method"] == "random_encoder"} == {True}
    assert all(row["n_subjects"] == 10 for row in rows)


def test_a_ledger_is_read_as_it_was_written(finished, tmp_path):
    runs = read_ledger(finished.path)
    assert {run.key: run for run in runs}.keys() == finished.runs.keys()
    write_ledger(tmp_path / "again.parquet", "tiny", runs)
    assert read_ledger(tmp_path / "again.parquet") == runs
    for run in runs:
        exact = finished.runs[run.key]
        assert run.metrics == exact.metrics
        np.testing.assert_allclose(
            run.resamples["", "macro_auroc"], exact.resamples["", "macro_auroc"], atol=1e-6
        )


def test_a_rerun_repeats_no_run(finished, synthetic_store):
    before = finished.path.stat().st_mtime_ns
    measured(TINY, synthetic_store, finished.path.parent, report=lambda line: pytest.fail(line))
    assert finished.path.stat().st_mtime_ns == before


def test_runs_of_other_settings_are_repeated_when_that_is_wished(finished, synthetic_store):
    other = TINY.but(minutes_per_job=2.0, methods=TINY.methods[1:], rate_factors=())
    bench = Bench(other, finished.path, dict(finished.runs))
    skipping = {"table_minutes": 0.0, "report": lambda _: None}
    work = finished.path.parent / "work"
    run_suite(bench, synthetic_store, work, again=True, only=("synthetic",), **skipping)
    assert len(bench.skipped) == 1
    same = Bench(TINY, finished.path, dict(finished.runs))
    run_suite(same, synthetic_store, work, again=True, only=("synthetic",), **skipping)
    assert not same.skipped


def test_the_learning_rate_that_validates_best_is_taken(finished):
    job = next(job for job in TINY.jobs() if job.rate_factor is None)
    trials = {run.rate_factor: run.validation for run in finished.runs.values() if run.rate_factor}
    assert len(trials) == 2
    assert best_factor(finished, job) == max(trials, key=trials.__getitem__)


def test_what_did_not_run_is_listed_with_its_reason(finished, synthetic_store, tmp_path):
    assert all("elsewhere" in reason for reason in finished.skipped.values())
    late = measured(TINY, synthetic_store, tmp_path, table_minutes=0.0)
    assert not late.runs
    assert any("time was over" in reason for reason in late.skipped.values())


def test_the_ledger_names_no_record_and_no_subject(finished, synthetic_store):
    text = str(pq.read_table(finished.path).to_pylist())
    names = {*synthetic_store.record_ids, *synthetic_store.subject_ids}
    assert not any(name in text for name in names)


def test_one_encoder_is_pretrained_for_all_methods_and_counts_of_labels_are_kept(
    synthetic_store, tmp_path
):
    bench = measured(COUNTS, synthetic_store, tmp_path)
    assert not bench.skipped
    assert len(list((tmp_path / "work" / "pretrained").iterdir())) == 1
    labelled = {(each.method, each.n_labelled) for each in bench.runs.values()}
    n_all = max(n for _, n in labelled)
    assert labelled == {(m.name, n) for m in COUNTS.methods for n in (12, n_all)}


def test_a_part_of_a_suite_can_be_run(synthetic_store, tmp_path):
    bench = measured(TINY, synthetic_store, tmp_path, only=("random_encoder-synthetic",))
    assert {each.method for each in bench.runs.values()} == {"random_encoder"}
    assert not bench.skipped


def test_a_table_is_printed_without_recordings(finished, capsys, monkeypatch):
    monkeypatch.setitem(SUITES, "tiny", lambda: TINY)
    run_command(["tiny", "--ledgers", str(finished.path.parent)])
    shown = capsys.readouterr().out
    for text in ("xresnet1d_test", "random_encoder (control)", "majority (control)"):
        assert text in shown
    assert "cells not measured" in shown  # those of the other corpus
    run_command(["tiny", "--ledgers", str(finished.path.parent), "--parts"])
    assert "label_shuffle" in capsys.readouterr().out


@pytest.mark.parametrize("path", sorted(LEDGERS.glob("*.parquet")), ids=lambda path: path.stem)
def test_every_ledger_belongs_to_a_suite_and_its_table_is_whole(path):
    suite, runs = find_suite(path.stem), read_ledger(path)
    keys = {job.key for job in suite.jobs()}
    assert runs
    assert {run.key for run in runs} <= keys
    assert all(run.commit and run.settings for run in runs)
    table = table_of(suite, runs)
    shown = {(*block, method) for block, cells in table.items() for method in cells}
    own = {
        (run.label_set, run.label_fraction, run.method)
        for run in runs
        if run.rate_factor is None and suite.metric in run.metrics
    }
    assert own <= shown


def test_a_store_without_any_of_the_corpora_is_refused(synthetic_store, tmp_path):
    with pytest.raises(MedtsError, match=r"none of the corpora.*ptb-xl"):
        measured(find_suite("ecg-small"), synthetic_store, tmp_path)


SCORE = ("", "macro_auroc")


def made_up(finished, method, shift, *, seed=0):
    """A run whose resamples are another's, moved by a constant and a little noise."""
    base = next(run for run in finished.runs.values() if run.rate_factor is None)
    noise = np.random.default_rng(seed).normal(0, 0.001, len(base.resamples[SCORE]))
    value = base.metrics["macro_auroc"].value + shift
    return base.but(
        method=method,
        seed=seed,
        is_control=False,
        metrics={"macro_auroc": base.metrics["macro_auroc"].but(value=value)},
        resamples={SCORE: tuple((np.array(base.resamples[SCORE]) + shift + noise).tolist())},
    )


BLOCK = ("synthetic/findings", 1.0)


def test_methods_are_compared_on_the_same_resamples(finished):
    suite = TINY.but(reference="first", questions=(QUESTION,))
    runs = [made_up(finished, "first", 0.0), made_up(finished, "better", -0.05, seed=1)]
    cells = table_of(suite, runs)[BLOCK]
    assert list(cells) == ["first", "better", "majority"]
    better = cells["better"]
    assert better.difference.value == pytest.approx(-0.05, abs=1e-6)
    assert better.difference.high < 0
    assert better.p_value < 1e-6
    width = better.difference.high - better.difference.low
    assert better.score.high - better.score.low > 5 * width
    assert cells["first"].difference is None


def test_a_spread_of_seeds_widens_the_interval(finished):
    suite = TINY.but(reference="first")
    steady = [made_up(finished, "first", 0.0, seed=seed) for seed in (0, 1)]
    shaky = [made_up(finished, "first", shift, seed=i) for i, shift in enumerate((-0.1, 0.1))]
    widths = []
    for runs in (steady, shaky):
        cell = table_of(suite, runs)[BLOCK]["first"]
        assert cell.n_runs == 2
        widths.append(cell.score.high - cell.score.low)
    assert widths[1] > widths[0] + 0.1


def test_controls_and_conditions_are_means_over_runs(finished):
    parts = [{"alone": {"share_kept": Estimate(value=value)}} for value in (0.2, 0.4)]
    runs = [made_up(finished, "first", 0.0, seed=seed) for seed in (0, 1)]
    runs = [run.but(conditions=own) for run, own in zip(runs, parts, strict=True)]
    found = parts_of(TINY, runs)[BLOCK]
    assert found["first", "alone"]["share_kept"].value == pytest.approx(0.3)
    assert found["first", "majority"]["macro_auroc"].value == pytest.approx(0.5)


@pytest.mark.parametrize("name", sorted(SUITES))
def test_every_suite_names_recipes_that_exist_and_jobs_of_their_own(name):
    suite = find_suite(name)
    for method in suite.methods:
        assert not method.recipe or find_recipe(method.recipe).name == method.recipe
        assert method.start is None or find_recipe(method.start.recipe).objective
    assert suite.reference in {method.name for method in suite.methods}
    jobs = list(suite.jobs())
    assert len({job.key for job in jobs}) == len({job.name for job in jobs}) == len(jobs)


def test_all_labels_are_drawn_once_and_fewer_several_times():
    suite = find_suite("ecg-small")
    cells_ = [job for job in suite.jobs() if job.rate_factor is None]
    of_one = [job for job in cells_ if job.method.name == "xresnet1d"]
    assert sum(job.label_fraction == 1.0 for job in of_one) == 3
    assert sum(job.label_fraction == 0.1 for job in of_one) == 6
    assert sum(job.method.shuffle_labels for job in cells_) == 2


def test_the_five_systems_stand_beside_the_baselines_at_their_own_rates():
    jobs = list(find_suite("ecg-small").jobs())
    systems = {"ecg_nat", "crossl", "sparseformer_small", "melp_small", "medualtime_small_redacted"}
    assert systems <= {job.method.name for job in jobs}
    assert not any(job.rate_factor for job in jobs if job.method.name in systems)
    assert any(job.rate_factor for job in jobs if job.method.name == "xresnet1d")


def test_a_misspelt_suite_gets_the_nearest_name():
    with pytest.raises(UnknownNameError, match="Did you mean 'ecg-small'"):
        find_suite("ecg-smal")


def test_a_score_without_resamples_keeps_its_own_interval_and_is_not_compared(finished):
    recall = {"report_recall@1": Estimate(value=0.1, low=0.0, high=0.2)}
    runs = [
        made_up(finished, name, 0.0).but(metrics=recall, resamples={}) for name in ("first", "b")
    ]
    suite = TINY.but(metric="report_recall@1", reference="first")
    cells = table_of(suite, runs)[BLOCK]
    assert cells["first"].score == recall["report_recall@1"]
    assert cells["b"].difference is None
