import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from medts.core.errors import LeakError
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
        missing_channels=(11,), n_draws=1, noise=("white",), snr_db=(-30.0,), durations_s=(5.0,),
        swaps=(("RA", "LA"),), sampling_rates=(1.0,),
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


def test_heavy_noise_changes_the_score_and_its_interval_holds_the_difference(result):
    noisy = next(each for each in result.conditions if "noise" in each.name)
    difference = noisy.metrics["macro_auroc_difference"]
    assert difference.value != 0
    assert difference.low <= difference.value <= difference.high


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
