import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from medts.core.errors import MedtsError, UnknownNameError
from medts.evaluation.result import Measure
from medts.recipes import recipes
from research.bench import best_factor, run_suite
from research.jobs import Outcome
from research.ledger import LEDGER, Bench, cells, comparisons, write_page
from research.suites import Job, Method, Question
from research.tables import SUITES, find_suite

QUESTION = Question(
    corpus="synthetic", label_set="synthetic/findings",
    train_folds=("1", "2", "3", "4"), val_folds=("8",), test_folds=("9", "10"),
)  # fmt: skip
TINY = find_suite("smoke").but(
    name="tiny",
    methods=(
        Method(name="xresnet1d_test", kind="finetune", recipe="xresnet1d_test"),
        Method(name="random_encoder", kind="probe", recipe="xresnet1d_test", is_control=True),
    ),
    questions=(QUESTION, QUESTION.but(corpus="elsewhere", label_set="elsewhere/set")),
    label_fractions=(1.0,),
    draws=1,
    rate_factors=(1.0, 1e-6),
    minutes_per_job=5.0,
)


COUNTS = TINY.but(
    name="counts",
    methods=(
        Method(
            name="ecg_nat_test", kind="finetune", recipe="ecg_nat_test",
            pretraining="ecg_nat_pretraining_test", is_pretrained_on_all=True,
            pretraining_minutes=2.0,
        ),
        Method(
            name="probed", kind="probe",
            pretraining="ecg_nat_pretraining_test", is_pretrained_on_all=True,
            pretraining_minutes=2.0,
        ),
    ),
    questions=(QUESTION,),
    label_fractions=(12, 1.0),
    rate_factors=(),
    reference="ecg_nat_test",
    epochs_ratio=0.1,
)  # fmt: skip


@pytest.fixture(scope="module")
def finished(synthetic_store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    return run_suite(TINY, synthetic_store, folder, tell=lambda _: None)


def test_every_job_leaves_its_outcome_and_rows_in_the_ledger(finished):
    ledger = pq.read_table(finished.folder / "ledger.parquet")
    assert ledger.schema.names == LEDGER.names
    rows = [row for row in ledger.to_pylist() if row["metric"] == "macro_auroc"]
    methods = {row["method"] for row in rows}
    assert {"xresnet1d_test", "random_encoder", "xresnet1d_test: majority"} <= methods
    assert {row["control"] for row in rows if row["method"] == "random_encoder"} == {True}
    assert all(row["n_subjects"] == 10 for row in rows if row["comparison"] is None)


def test_a_rerun_repeats_no_finished_job(finished, synthetic_store):
    files = sorted((finished.folder / "jobs").glob("*.json"))
    before = [file.stat().st_mtime_ns for file in files]
    run_suite(TINY, synthetic_store, finished.folder, tell=lambda line: pytest.fail(line))
    assert [file.stat().st_mtime_ns for file in files] == before


def test_the_learning_rate_that_validates_best_is_taken(finished):
    job = next(job for job in TINY.jobs() if job.rate_factor is None)
    trials = {
        outcome.job.rate_factor: outcome.validation
        for outcome in finished.outcomes.values()
        if outcome.job.rate_factor is not None
    }
    assert best_factor(finished, job) == max(trials, key=trials.__getitem__)


def test_what_did_not_run_is_listed_with_its_reason(finished, synthetic_store, tmp_path):
    assert all("elsewhere" in reason for reason in finished.skipped.values())
    late = run_suite(TINY, synthetic_store, tmp_path, table_minutes=0.0, tell=lambda _: None)
    assert not late.outcomes
    assert any("time was over" in reason for reason in late.skipped.values())


def test_outcomes_of_other_settings_are_not_mixed_in_and_are_mentioned(
    finished, synthetic_store, tmp_path
):
    folder = shutil.copytree(finished.folder, tmp_path / "copy")
    told = []
    other = TINY.but(minutes_per_job=2.0)
    bench = run_suite(other, synthetic_store, folder, table_minutes=0.0, tell=told.append)
    assert not bench.outcomes
    assert f"{len(finished.outcomes)} outcomes" in told[0]
    assert "another time budget" in told[0]


def test_the_page_shows_every_method_and_what_was_skipped(finished):
    page = write_page(finished).read_text()
    assert "xresnet1d_test" in page
    assert "majority" in page
    assert "elsewhere" in page
    assert "http://" not in page.split("<script")[0]


def test_no_outcome_names_a_record_or_a_subject(finished, synthetic_store):
    text = "".join(file.read_text() for file in (finished.folder / "jobs").glob("*.json"))
    names = {*synthetic_store.record_ids, *synthetic_store.subject_ids}
    assert not any(name in text for name in names)


def test_one_encoder_is_pretrained_for_all_methods_and_counts_of_labels_are_kept(
    synthetic_store, tmp_path
):
    models = tmp_path / "models"  # where other tables would find it
    bench = run_suite(COUNTS, synthetic_store, tmp_path, models=models, tell=lambda _: None)
    assert not bench.skipped
    assert [path.name for path in (models / "pretrained").iterdir()] == ["ecg_nat_test-all"]
    assert not (tmp_path / "pretrained").exists()
    labelled = {(each.job.method.name, each.n_labelled) for each in bench.outcomes.values()}
    n_all = max(n for _, n in labelled)
    assert labelled == {(m.name, n) for m in COUNTS.methods for n in (12, n_all)}
    page = write_page(bench).read_text()
    assert page.index("12 labels") < page.index("All labels")


def test_a_part_of_a_suite_can_be_run_and_the_rest_is_skipped_by_name(synthetic_store, tmp_path):
    bench = run_suite(
        TINY, synthetic_store, tmp_path, only=("random_encoder",), tell=lambda _: None
    )
    assert {each.job.method.name for each in bench.outcomes.values()} == {"random_encoder"}
    assert "not asked for this time" in bench.skipped.values()


def test_a_store_without_any_of_the_corpora_is_refused(synthetic_store, tmp_path):
    with pytest.raises(MedtsError, match=r"none of the corpora.*ptb-xl"):
        run_suite(find_suite("ecg-small"), synthetic_store, tmp_path)


def made_up(finished, method, shift, *, seed=0):
    """An outcome whose resamples are another's, moved by a constant and a little noise."""
    base = next(o for o in finished.outcomes.values() if o.job.rate_factor is None)
    noise = np.random.default_rng(seed).normal(0, 0.001, len(base.resamples))
    value = base.metrics["macro_auroc"].value + shift
    return Outcome(
        **{
            **dict(base),
            "job": base.job.but(method=base.job.method.but(name=method), seed=seed),
            "metrics": {"macro_auroc": base.metrics["macro_auroc"].but(value=value)},
            "resamples": tuple((np.array(base.resamples) + shift + noise).tolist()),
        }
    )


def test_methods_are_compared_on_the_same_resamples(finished, tmp_path):
    suite = TINY.but(reference="first", questions=(QUESTION,))
    outcomes = [made_up(finished, "first", 0.0), made_up(finished, "better", -0.05, seed=1)]
    bench = Bench(suite, tmp_path, {str(i): each for i, each in enumerate(outcomes)})
    (row,) = comparisons(bench)
    assert row["value"] == pytest.approx(-0.05, abs=1e-6)
    assert row["high"] < 0
    assert row["p_value"] < 1e-6
    alone = cells(bench)[("synthetic/findings", 1.0, "better")]
    assert alone.high - alone.low > 5 * (row["high"] - row["low"])


def test_a_spread_of_seeds_widens_the_interval(finished, tmp_path):
    suite = TINY.but(reference="first")
    steady = [made_up(finished, "first", 0.0, seed=seed) for seed in (0, 1)]
    shaky = [made_up(finished, "first", shift, seed=i) for i, shift in enumerate((-0.1, 0.1))]
    widths = []
    for outcomes in (steady, shaky):
        bench = Bench(suite, tmp_path, {str(i): each for i, each in enumerate(outcomes)})
        (cell,) = cells(bench).values()
        assert cell.n_runs == 2
        widths.append(cell.high - cell.low)
    assert widths[1] > widths[0] + 0.1


@pytest.mark.parametrize("name", sorted(SUITES))
def test_every_suite_names_recipes_that_exist_and_jobs_of_their_own(name):
    suite = SUITES[name]()
    for method in suite.methods:
        assert not method.recipe or method.recipe in recipes()
        assert not method.pretraining or method.pretraining in recipes()
    assert suite.reference in {method.name for method in suite.methods}
    names = [job.name for job in suite.jobs()]
    assert len(names) == len(set(names))


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


def test_a_jobs_name_survives_json():
    job = Job(suite="s", method=TINY.methods[0], question=QUESTION)
    assert Job.model_validate_json(json.dumps(job.model_dump(mode="json"))).name == job.name
    assert job.but(seed=1).name != job.name


def test_a_misspelt_suite_gets_the_nearest_name():
    with pytest.raises(UnknownNameError, match="Did you mean 'smoke'"):
        find_suite("smok")


def test_a_score_without_resamples_keeps_its_own_interval_and_is_not_compared(finished, tmp_path):
    base = made_up(finished, "first", 0.0)
    recall = {"report_recall@1": Measure(value=0.1, low=0.0, high=0.2)}
    outcome = base.but(metrics=recall, resamples=())
    suite = finished.suite.but(metric="report_recall@1", reference="first")
    bench = Bench(suite, tmp_path, {"0": outcome})
    (cell,) = cells(bench).values()
    assert (cell.mean, cell.low, cell.high) == (0.1, 0.0, 0.2)
    assert not comparisons(bench)
