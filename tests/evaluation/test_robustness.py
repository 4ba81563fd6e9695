import numpy as np
import pytest
from running import run
from sklearn.metrics import f1_score, roc_auc_score

from medts.core.errors import LeakError
from medts.data.ingest import ingest
from medts.data.sources.synthetic import Synthetic
from medts.data.store import Store
from medts.data.windowing import Windowing
from medts.evaluation import robustness
from medts.evaluation.protocols.robustness import RobustnessConfig
from medts.evaluation.robustness import perturbations
from medts.evaluation.run import run_protocol
from medts.evaluation.task import make_task
from medts.inference.bundle import Bundle, load_bundle
from medts.inference.manifest import Labels, ModelConfig, Provenance
from medts.inference.torch_backend import predictor_of
from medts.models.settings.xresnet1d import XResNet1dConfig
from medts.recipes import find_recipe
from medts.signal.perturb import change_streams, swap_electrodes
from medts.signal.preprocess import Preprocessing, StreamPreprocessing

NOTHING = RobustnessConfig(
    missing_channels=(), noise=(), sampling_rates=(), durations_s=(), gains=(), inverted=False,
    swaps=(),
)  # fmt: skip


@pytest.fixture(scope="module")
def model(tiny_run):
    return load_bundle(tiny_run)


@pytest.fixture(scope="module")
def task(synthetic_store):
    return make_task(synthetic_store, "synthetic/findings", test_folds=["9", "10"])


def names_of(model, task, settings, seed=0):
    found = perturbations(model, task.store, task.test.rows, settings, seed=seed)
    return [each.name for each in found]


def test_conditions_are_those_of_the_settings_each_under_its_own_name(model, task):
    names = names_of(model, task, RobustnessConfig())
    assert len(set(names)) == len(names)
    for expected in (
        "ecg: only I", "white noise at 0 dB", "mains noise at 10 dB", "recorded at 50 Hz",
        "first 2.5 s", "amplitude × 2", "all channels inverted", "RA and LA exchanged",
    ):  # fmt: skip
        assert expected in names
    assert sum(name.startswith("ecg: ") for name in names) >= 12
    assert names_of(model, task, NOTHING) == []


def test_few_channels_are_left_out_in_every_combination(task):
    spec = StreamPreprocessing(channels=("I", "II", "V1"))
    small = Bundle(
        ModelConfig(encoder=XResNet1dConfig(size="10", width=8), windowing=Windowing()),
        preprocessing=Preprocessing(streams={"ecg": spec}),
        labels=Labels(),
        provenance=Provenance(recipe="none"),
    )
    names = names_of(small, task, NOTHING.but(missing_channels=(1,)))
    assert sorted(names) == sorted(
        [f"ecg: {how} {lead}" for how in ("without", "only") for lead in ("I", "II", "V1")]
    )


def test_random_subsets_have_the_stated_size_and_follow_the_seed(model, task):
    settings = NOTHING.but(missing_channels=(2, 10), n_draws=4)
    names = [name for name in names_of(model, task, settings) if name != "ecg: only I"]
    sizes = [name.count(",") + 1 for name in names if "without" in name]
    assert sizes.count(2) == 4
    assert names_of(model, task, settings) == names_of(model, task, settings)
    assert names_of(model, task, settings, seed=1) != names_of(model, task, settings)


@pytest.fixture(scope="module")
def result(model, task):
    settings = NOTHING.but(
        missing_channels=(11,), n_draws=1, durations_s=(5.0,), swaps=(("RA", "LA"),),
        sampling_rates=(1.0,),
    )  # fmt: skip
    return run_protocol("robustness", model, task, settings)


def test_what_changes_nothing_has_no_difference(result):
    same = next(each for each in result.conditions if each.name == "first 5 s")
    assert same.metrics["macro_auroc"].value == pytest.approx(result.metrics["macro_auroc"].value)
    difference = same.metrics["macro_auroc_difference"]
    assert difference.value == pytest.approx(0, abs=1e-9)
    assert same.n_records == result.n_records


def test_a_condition_is_scored_like_the_clean_records_at_the_same_thresholds(result, model, task):
    found = next(each for each in result.conditions if each.name == "RA and LA exchanged")
    classes = list(task.label_set.classes)
    rows = []
    for row in task.test.rows:
        changed = change_streams(
            task.store.record(int(row)), lambda stream: swap_electrodes(stream, "RA", "LA")
        )
        by_name = predictor_of(model).predict(changed).probability
        rows.append([by_name[name] for name in classes])
    probability, target = np.array(rows), task.test.target
    kept = [k for k, name in enumerate(classes) if name not in result.excluded_classes]
    expected = roc_auc_score(target[:, kept], probability[:, kept], average="macro")
    assert found.metrics["macro_auroc"].value == pytest.approx(expected, abs=1e-6)
    stated = probability >= np.array([model.thresholds()[name] for name in classes])
    expected = f1_score(target[:, kept], stated[:, kept], average="macro", zero_division=0)
    assert found.metrics["macro_f1"].value == pytest.approx(expected, abs=1e-6)
    difference = found.metrics["macro_auroc"].value - result.metrics["macro_auroc"].value
    assert found.metrics["macro_auroc_difference"].value == pytest.approx(difference)
    assert result.thresholds == pytest.approx(model.thresholds())


@pytest.fixture(scope="module")
def under_noise(tmp_path_factory):
    """A model that does know the morphologies, on ever louder white noise."""
    folder, labels = tmp_path_factory.mktemp("noise"), "synthetic/morphology"
    source = Synthetic(n_subjects=120, records_per_subject=2, duration_s=5.0, seed=3)
    ingest(source, "-", folder / "store")
    store, recipe = Store(folder / "store"), find_recipe("xresnet1d_test")
    recipe = recipe.but(training=recipe.training.but(epochs=15))
    run(recipe, store, labels=labels, out=folder / "run")
    task = make_task(store, labels, test_folds=["9", "10"])
    settings = NOTHING.but(noise=("white",), snr_db=(10.0, -10.0, -20.0))
    return run_protocol("robustness", load_bundle(folder / "run"), task, settings)


def test_the_louder_the_noise_the_lower_the_score(under_noise):
    clean = under_noise.metrics["macro_auroc"].value
    falls = [each.metrics["macro_auroc_difference"] for each in under_noise.conditions]
    assert clean > 0.9
    assert [each.name for each in under_noise.conditions] == [
        f"white noise at {snr_db} dB" for snr_db in (10, -10, -20)
    ]
    faint, loud, louder = falls
    assert abs(faint.value) < 0.03 < -loud.value
    assert louder.value < loud.value - 0.1
    assert clean + louder.value < 0.75
    assert all(each.low <= each.value <= each.high for each in falls)
    assert louder.high < 0


def test_what_cannot_be_measured_is_said_and_not_scored(result):
    assert not any("1 Hz" in each.name for each in result.conditions)
    assert any("recorded at 1 Hz: not measured, filter edge 0.5 Hz" in n for n in result.notes)


def test_noise_repeats_with_the_seed(model, task):
    settings = NOTHING.but(noise=("white",), snr_db=(0.0,))
    (noise,) = perturbations(model, task.store, task.test.rows, settings)
    scored = [
        robustness.predict_changed(model, task.store, task.test.rows[:2], noise, seed)[1]
        for seed in (3, 3, 4)
    ]
    np.testing.assert_array_equal(scored[0], scored[1])
    assert (scored[0] != scored[2]).any()


def test_a_model_that_has_met_the_records_is_refused(model, synthetic_store):
    task = make_task(synthetic_store, "synthetic/findings", test_folds=["8"])
    with pytest.raises(LeakError):
        run_protocol("robustness", model, task, NOTHING)


def test_fewer_records_can_be_sampled_for_the_conditions(model, task):
    settings = NOTHING.but(gains=(1.0,), n_records=8)
    found = run_protocol("robustness", model, task, settings)
    assert found.conditions[0].n_records == 8
    assert found.n_records == len(task.test)
    assert any("on 8 records" in note for note in found.notes)
