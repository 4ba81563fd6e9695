"""Recipes side by side: resumable cells, paired intervals, controls, a page and exit statuses."""

import csv
from functools import partial

import numpy as np
import pyarrow.parquet as pq
import pytest
from html_page import HOSTILE, Page

import medts
from medts.cli.main import main
from medts.comparing import cells, compare
from medts.comparing.chosen import recipe_with_overrides
from medts.core.errors import ConfigError, LeakError, UnknownNameError
from medts.core.progress import rate_in_words
from medts.data.splits import Split
from medts.evaluation import scoring
from medts.evaluation.comparison import CSV_COLUMNS, Comparison, Difference
from medts.evaluation.controls import label_shuffle
from medts.evaluation.result import Estimate
from medts.metrics.comparison import holm, paired_bootstrap
from medts.metrics.scores import make_scorer
from medts.recipes import find_recipe
from medts.report.comparison import comparison_page

LABELS, FRACTION = "synthetic/rhythm", 0.5
TWIN = "../twin <b>"


def tiny(name):
    recipe = find_recipe(name)
    return recipe.but(training=recipe.training.but(epochs=1))


RECIPES = [tiny("xresnet1d_test"), tiny("dlinear"), tiny("xresnet1d_test").but(name=TWIN)]


class Trained:
    """Stands in for training and counts what is trained; may be killed, or fail for a recipe."""

    def __init__(self, stop_at=None, failing=()):
        self.names, self.stop_at, self.failing = [], stop_at, failing
        self.train = cells.train

    def __call__(self, recipe, *arguments, **settings):
        if len(self.names) == self.stop_at:
            raise KeyboardInterrupt
        self.names.append(recipe.name)
        if recipe.name in self.failing:
            raise RuntimeError(f"no luck with {recipe.name}")
        return self.train(recipe, *arguments, **settings)


@pytest.fixture(scope="module", autouse=True)
def _few_permutations():
    """The control of permuted predictions, which is not looked at here, takes most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "label_shuffle", partial(label_shuffle, n_permutations=5))
        yield


def compared(store, out, trained, *, recipes=RECIPES, seeds=2, **settings):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "train", trained)
        return compare(
            store,
            recipes=recipes,
            labels=LABELS,
            folds="9-10",
            label_fractions=(FRACTION,),
            seeds=seeds,
            out=out,
            show_progress=False,
            **settings,
        )


@pytest.fixture(scope="module")
def out(synthetic_store, tmp_path_factory):
    """A folder in which a comparison was killed after its first cell."""
    out = tmp_path_factory.mktemp("compared")
    with pytest.raises(KeyboardInterrupt):
        compared(synthetic_store, out, Trained(stop_at=1))
    return out


@pytest.fixture(scope="module")
def second(synthetic_store, out):
    """What the second call trained, and what it found."""
    trained = Trained()
    return trained.names, compared(synthetic_store, out, trained)


@pytest.fixture(scope="module")
def found(second) -> Comparison:
    return second[1]


def test_a_killed_comparison_goes_on_and_trains_only_the_rest(second, synthetic_store, out):
    names, found = second
    assert len(list((out / "cells").iterdir())) == 6
    assert names == ["dlinear", TWIN, "xresnet1d_test", "dlinear", TWIN]
    again = Trained()
    assert compared(synthetic_store, out, again) == found
    assert again.names == []
    assert Comparison.model_validate_json((out / "compare.json").read_text()) == found


def test_a_damaged_cell_is_made_again(second, synthetic_store, out):
    cell = next((out / "cells").glob("dlinear-*-seed1-*.json"))
    whole = cell.read_text()
    cell.write_text(whole[:40])
    trained = Trained()
    assert compared(synthetic_store, out, trained) == second[1]
    assert trained.names == ["dlinear"]


def test_another_length_is_another_cell_and_another_device_is_not(second, synthetic_store, out):
    trained = Trained(stop_at=0)
    compared(synthetic_store, out, trained, recipes=RECIPES[:1], seeds=1, device="cpu")
    with pytest.raises(KeyboardInterrupt):
        compared(synthetic_store, out, trained, recipes=RECIPES[:1], seeds=1, max_minutes=5.0)
    longer = RECIPES[0].but(training=RECIPES[0].training.but(epochs=2))
    with pytest.raises(KeyboardInterrupt):
        compared(synthetic_store, out, trained, recipes=[longer], seeds=1)


def test_a_recipe_that_fails_is_named_and_the_others_stand(second, synthetic_store, out):
    trained = Trained(failing=("broken",))
    broken = tiny("dlinear").but(name="broken", corpus_balance=0.4)
    partly = compared(
        synthetic_store, out, trained, recipes=[RECIPES[0], broken, RECIPES[1]], seeds=2
    )
    assert partly.failed == ("broken",)
    assert [each.seed for each in partly.failures] == [0, 1]
    assert "no luck with broken" in partly.failures[0].problem
    assert [row.recipe for row in partly.rows] == ["xresnet1d_test", "dlinear"]
    assert partly.row("dlinear", FRACTION) == second[1].row("dlinear", FRACTION)
    page = Page(comparison_page(partly))
    assert "broken at 50 % of labels, seed 0, failed" in page.said
    compared(synthetic_store, out, Trained())  # leaves the folder as the other tests expect it


def test_every_recipe_learns_from_the_same_records(second, out):
    def sampled(seed):
        files = sorted((out / "runs").glob(f"*-seed{seed}-*/untrained/draws.parquet"))
        tables = [pq.read_table(file).to_pylist() for file in files]
        return [
            frozenset(line["record_id"] for line in table if line["part"] == "train")
            for table in tables
        ]

    first, other = sampled(0), sampled(1)
    assert len(first) == len(other) == 3
    assert len(set(first)) == len(set(other)) == 1
    assert first[0] != other[0]
    assert len(first[0]) == second[1].rows[0].n_train_records == 35


def test_paired_intervals_equal_the_direct_computation(second, synthetic_store, out):
    one = compared(synthetic_store, out, Trained(stop_at=0), recipes=RECIPES[:2], seeds=1)
    label_set = synthetic_store.label_set(LABELS)

    def read(recipe):
        file = next((out / "runs").glob(f"{recipe}-*-seed0-*")) / "test" / "predictions.parquet"
        table = pq.read_table(file).sort_by("record_id")
        target = np.stack([table[f"target:{name}"].to_numpy() for name in label_set.classes], 1)
        score = np.stack([table[f"probability:{name}"].to_numpy() for name in label_set.classes], 1)
        scorer = make_scorer(target, score.astype(float), None, label_set.kind)
        return scorer, table["subject_id"].to_pylist()

    (reference, subjects), (other, _) = read("xresnet1d_test"), read("dlinear")
    direct = paired_bootstrap(other, reference, subjects)
    for metric, wanted in direct.items():
        difference = one.difference("dlinear", FRACTION, metric)
        assert difference is not None
        assert difference.measure.value == pytest.approx(wanted.difference, nan_ok=True)
        assert difference.measure.low == pytest.approx(wanted.low, nan_ok=True)
        assert difference.measure.high == pytest.approx(wanted.high, nan_ok=True)
    compared(synthetic_store, out, Trained(stop_at=0))


def test_a_difference_is_the_mean_over_seeds_of_what_the_rows_show(found):
    row, base = found.row("dlinear", FRACTION), found.row("xresnet1d_test", FRACTION)
    difference = found.difference("dlinear", FRACTION)
    assert difference is not None
    each = [
        own["macro_auroc"].value - other["macro_auroc"].value
        for own, other in zip(row.by_seed, base.by_seed, strict=True)
    ]
    assert difference.measure.value == pytest.approx(np.mean(each))
    assert row.metrics["macro_auroc"].value == pytest.approx(
        np.mean([one["macro_auroc"].value for one in row.by_seed])
    )


def test_equal_recipes_have_identical_rows(found):
    row, twin = found.row("xresnet1d_test", FRACTION), found.row(TWIN, FRACTION)
    assert row.but(recipe=TWIN) == twin
    difference = found.difference(TWIN, FRACTION)
    assert difference is not None
    assert difference.measure == Estimate(value=0.0, low=0.0, high=0.0)
    assert (difference.p_value, difference.verdict) == (1.0, "not shown")


def test_p_values_are_corrected_over_the_recipes(found):
    own = [each for each in found.differences if each.metric == "brier"]
    assert [each.recipe for each in own] == ["dlinear", TWIN]
    wanted = holm(np.array([each.p_value for each in own]))
    assert [each.p_holm for each in own] == pytest.approx(wanted.tolist())


def test_controls_stand_beside_every_row(found):
    for row in found.rows:
        assert list(row.controls) == ["majority", "random_encoder"]
        assert row.controls["majority"]["macro_auroc"].value == 0.5
        assert row.controls["random_encoder"]["macro_auroc"].low is not None
    untrained = {row.recipe: row.controls["random_encoder"] for row in found.rows}
    assert untrained["xresnet1d_test"] != untrained["dlinear"]


def test_shuffled_labels_are_a_further_control(synthetic_store, out, second):
    trained = Trained()
    shuffled = compared(
        synthetic_store, out, trained, recipes=RECIPES[1:2], seeds=1, shuffle_labels=True
    )
    assert trained.names == ["dlinear"]
    (row,) = shuffled.rows
    assert "shuffled_training" in row.controls
    assert row.controls["shuffled_training"] != row.metrics
    assert "Trained on shuffled labels" in Page(comparison_page(shuffled)).said
    compared(synthetic_store, out, Trained(stop_at=0))


@pytest.mark.parametrize(
    ("metric", "low", "high", "p_holm", "verdict"),
    [
        ("macro_auroc", 0.01, 0.2, 0.01, "better"),
        ("macro_auroc", -0.2, -0.01, 0.01, "worse"),
        ("brier", 0.01, 0.2, 0.01, "worse"),
        ("brier", -0.2, -0.01, 0.01, "better"),
        ("macro_auroc", -0.01, 0.2, 0.04, "not shown"),
        ("macro_auroc", 0.01, 0.2, 0.06, "not shown"),
        ("macro_auroc", None, None, None, "not shown"),
    ],
)
def test_better_needs_an_interval_that_excludes_zero(metric, low, high, p_holm, verdict):
    difference = Difference(
        recipe="b",
        reference="a",
        label_fraction=1.0,
        metric=metric,
        measure=Estimate(value=0.0, low=low, high=high),
        p_value=p_holm,
        p_holm=p_holm,
        seeds=(0,),
    )
    assert difference.verdict == verdict


def hostile(found: Comparison) -> Comparison:
    """The comparison at two label fractions with a name that would be markup."""
    rows = [row.but(recipe=HOSTILE) if row.recipe == TWIN else row for row in found.rows]
    more = [row.but(label_fraction=1.0, n_train_records=70) for row in rows]
    differences = [
        each.but(recipe=HOSTILE) if each.recipe == TWIN else each for each in found.differences
    ]
    return found.but(
        recipes=("xresnet1d_test", "dlinear", HOSTILE),
        label_fractions=(FRACTION, 1.0),
        rows=(*rows, *more),
        differences=(*differences, *(each.but(label_fraction=1.0) for each in differences)),
        notes=(HOSTILE,),
    )


def test_the_page_is_harmless_and_complete(found):
    page = Page(comparison_page(hostile(found), command=f"medts compare {HOSTILE}"))
    assert page.is_harmless()
    for words in ("xresnet1d_test", "dlinear", HOSTILE, "Untrained encoder", "Majority", "Holm",
                  "Label fractions", "no difference shown", "Synthetic recordings",
                  "50 % of labels", "100 % of labels", found.data_digest):  # fmt: skip
        assert " ".join(words.split()) in page.said
    assert sum(tag == "svg" for tag, _ in page.tags) == 3
    shown = f"{found.row('dlinear', FRACTION).metrics['macro_auroc'].value:.3f}"
    assert any(cell.startswith(shown) for row in page.rows for cell in row)


def test_a_page_of_one_recipe_or_none_says_so(found):
    alone = found.but(recipes=("dlinear",), rows=(found.row("dlinear", FRACTION),), differences=())
    assert "nothing to compare dlinear with" in Page(comparison_page(alone)).said
    nothing = found.but(rows=(), differences=())
    page = Page(comparison_page(nothing))
    assert page.is_harmless()
    assert "No recipe could be trained" in page.said


def test_the_table_for_programs_holds_every_number(found, out):
    with (out / "compare.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert tuple(lines[0]) == CSV_COLUMNS
    n_metrics = len(found.rows[0].metrics)
    assert len(lines) == 3 * 3 * n_metrics
    (line,) = [
        each for each in lines
        if (each["recipe"], each["kind"], each["metric"]) == ("dlinear", "recipe", "macro_auroc")
    ]  # fmt: skip
    difference = found.difference("dlinear", FRACTION)
    assert difference is not None
    assert float(line["difference_low"]) == pytest.approx(difference.measure.low, rel=1e-5)
    assert line["verdict"] == difference.verdict
    assert line["n_seeds"] == "2"


def command(store, out, *recipes):
    return ["compare", str(store.paths[0]), "--recipes", *recipes, "--labels", LABELS,
            "--folds", "9-10", "--label-fractions", str(FRACTION), "--seeds", "1",
            "--out", str(out)]  # fmt: skip


def test_exit_status_and_table_of_the_command(second, synthetic_store, out, tmp_path, capsys):
    # `medts.compare` and the verb share cells where the settings are the same.
    names = ("xresnet1d_test:training.epochs=1", "dlinear:training.epochs=1")
    assert main(command(synthetic_store, tmp_path, *names)) == 0
    printed = capsys.readouterr()
    assert "macro auroc" in printed.out
    assert str(tmp_path / "compare.html") in printed.out
    assert "2/2" in printed.err
    assert main(command(synthetic_store, tmp_path, names[0], "crossl_wisdm")) == 1
    printed = capsys.readouterr()
    assert "medts: failed: crossl_wisdm" in printed.err
    assert "Traceback" not in printed.err
    assert main(command(synthetic_store, tmp_path, "crossl_wisdm")) == 2
    assert main(["compare", *command(synthetic_store, tmp_path, "dlinear")[2:]]) == 2
    assert "no store is given" in capsys.readouterr().err
    assert main(command(synthetic_store, tmp_path, "xresnet")) == 2
    assert "Did you mean" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"recipes": []}, ConfigError, "named nothing"),
        ({"recipes": [RECIPES[0], RECIPES[0]]}, ConfigError, "a name of its own"),
        ({"recipes": ["simclr"]}, ConfigError, "learns without labels"),
        ({"seeds": 0}, ConfigError, "0 seeds"),
        ({"label_fractions": (5000,)}, ConfigError, "5000 of"),
        ({"folds": "8"}, LeakError, "both validation and test"),
        ({"folds": "77"}, ConfigError, "none of the folds 77"),
        ({"labels": "synthetic/rythm"}, UnknownNameError, "synthetic/rhythm"),
    ],
)
def test_a_mistake_is_refused_before_anything_is_trained(
    changes, error, said, synthetic_store, tmp_path, monkeypatch
):
    monkeypatch.setattr(cells, "train", Trained(stop_at=0))
    asked = {"recipes": RECIPES[:1], "labels": LABELS, "folds": "9", "out": tmp_path}
    with pytest.raises(error, match=said):
        medts.compare(synthetic_store, **(asked | changes), show_progress=False)
    assert list(tmp_path.iterdir()) == []


def test_folds_that_are_not_there_are_left_out(synthetic_store, tmp_path, monkeypatch):
    monkeypatch.setattr(cells, "train", Trained(stop_at=0))
    with pytest.raises(KeyboardInterrupt):
        compare(
            synthetic_store, recipes=RECIPES[:1], labels=LABELS, folds="9-40,test", out=tmp_path,
            split=Split(train=("1", "2", "train"), validation=("8",)), show_progress=False,
        )  # fmt: skip


def test_overrides_by_name():
    recipe = recipe_with_overrides("dlinear:training.epochs=3,encoder.window=125")
    assert (recipe.training.epochs, recipe.encoder.model_dump()["window"]) == (3, 125)
    assert recipe.name == "dlinear:training.epochs=3,encoder.window=125"
    assert recipe_with_overrides("dlinear") == find_recipe("dlinear")
    with pytest.raises(UnknownNameError, match="epochs"):
        recipe_with_overrides("dlinear:training.epoch=3")
    with pytest.raises(ConfigError, match=r"training\.epochs"):
        recipe_with_overrides("dlinear:training.epochs=many")
    with pytest.raises(ConfigError, match="sets no field"):
        recipe_with_overrides("dlinear:training.epochs")


def test_a_slow_bar_shows_a_rate_that_is_not_nothing():
    assert rate_in_words(5.0, " cells") == "5.0 cells/s"
    assert rate_in_words(0.02, " cells") == "1.2 cells/min"
    assert rate_in_words(0.0002, " cells") == "0.7 cells/h"
