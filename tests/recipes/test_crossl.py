"""CroSSL from recordings to a fine-tuned bundle that is measured with sensors missing."""

import numpy as np
import pytest
from running import run
from sklearn.metrics import roc_auc_score

from medts.core.records import Record, Stream
from medts.data.windowing import Windowing, windows_of
from medts.data.windows import collate
from medts.evaluation import robustness
from medts.evaluation.missing_modalities import run as measure_missing
from medts.evaluation.protocols.missing_modalities import MissingModalitiesConfig
from medts.evaluation.protocols.robustness import RobustnessConfig
from medts.evaluation.task import make_task
from medts.inference.bundle import load_bundle
from medts.inference.torch_backend import predictor_of
from medts.models.settings.crossl import CrosslConfig
from medts.objectives.settings.cross_modal import CrossModalConfig
from medts.objectives.settings.latent_masking import LatentMaskingConfig
from medts.recipes import find_recipe
from medts.signal.perturb import drop_channels
from medts.signal.preprocess import Preprocessing, StreamPreprocessing
from research.models import job_recipe, start_recipe
from research.tables import find_suite

CORPORA = ("eegmat", "ptb-xl", "wisdm")


@pytest.fixture(scope="module")
def pretrained(synthetic_store, tmp_path_factory):
    return run(
        find_recipe("crossl_ptb_xl_pretraining_test"), synthetic_store, train_folds=["1", "2", "3"],
        val_folds=["8"], out=tmp_path_factory.mktemp("crossl") / "run",
    )  # fmt: skip


@pytest.fixture(scope="module")
def tuned(pretrained, synthetic_store, tmp_path_factory):
    return run(
        find_recipe("crossl_ptb_xl_test"), synthetic_store, labels="synthetic/findings",
        train_folds=["1", "2", "3", "4"], val_folds=["8"], init=pretrained,
        out=tmp_path_factory.mktemp("crossl") / "tuned",
    )  # fmt: skip


def test_pretraining_logs_its_terms_and_the_monitor_of_collapse(pretrained):
    header = (pretrained.parent / "log" / "metrics.csv").read_text().splitlines()[0]
    wanted = {"train_invariance", "train_variance", "train_covariance", "train_effective_rank",
              "train_embedding_std", "train_collapsed_ratio", "validation_loss"}  # fmt: skip
    assert wanted <= set(header.split(","))
    bundle = load_bundle(pretrained)
    assert bundle.encoder.is_trained.all()
    assert bundle.encoder.modalities == ("limb", "augmented", "v1-v3", "v4-v6")


def test_a_tuned_bundle_answers_recordings_that_lack_lead_groups(tuned, synthetic_store):
    bundle = load_bundle(tuned)
    record = synthetic_store.record(0)
    ecg = record.streams["ecg"]
    others = [name for name in ecg.channels if name not in ("I", "II", "III")]
    limb_only = Record("limb", {"ecg": drop_channels(ecg, others)})
    found = predictor_of(bundle).predict(limb_only)
    assert set(found.probability) == set(bundle.label_set.classes)
    windows = windows_of(limb_only, bundle.preprocessing, bundle.config.windowing)
    encoded = bundle.encode(collate(windows, bundle.preprocessing))
    assert encoded.is_valid.tolist() == [[True, False, False, False]] * len(windows)


def test_a_tuned_bundle_is_measured_with_every_set_of_groups_missing(tuned, synthetic_store):
    bundle = load_bundle(tuned)
    task = make_task(synthetic_store, "synthetic/findings", test_folds=["9", "10"])
    result = measure_missing(bundle, task, MissingModalitiesConfig(n_resamples=20), seed=0)
    assert len(result.conditions) == (2**4 - 2) + 3
    settings = RobustnessConfig(
        noise=(), sampling_rates=(), durations_s=(), gains=(), inverted=False, swaps=()
    )
    rows = task.test.rows
    names = [
        each.name for each in robustness.perturbations(bundle, synthetic_store, rows, settings)
    ]
    for each in result.conditions:
        if each.n_missing is None:
            assert f"streams: {each.name.split(': ')[1]}" in names
    # Both ways of taking a group away, before and after preprocessing, answer alike.
    gone = next(
        each for each in robustness.perturbations(bundle, synthetic_store, rows, settings)
        if each.name == "streams: without limb"
    )  # fmt: skip
    scored = robustness.predict_changed(bundle, synthetic_store, rows, gone, seed=0)[1]
    target = task.test.target
    kept = [k for k in range(target.shape[1]) if 0 < target[:, k].sum() < len(target)]
    areas = roc_auc_score(target[:, kept], scored[:, kept], average="macro")
    own = next(each for each in result.conditions if each.name.endswith(": without limb"))
    assert own.metrics["macro_auroc"].value == pytest.approx(areas, abs=1e-6)


@pytest.mark.parametrize("corpus", CORPORA)
def test_all_baselines_of_a_corpus_share_streams_windows_and_budget(corpus):
    suite = find_suite(f"crossl-{corpus}")
    jobs = {job.method.name: job for job in suite.jobs()}
    own = jobs[suite.reference]
    base, tuned = start_recipe(own, own.method.start), job_recipe(own)
    assert isinstance(base.objective, LatentMaskingConfig)
    assert base.encoder.build().state_dict().keys() == set(tuned.encoder.build().state_dict())
    kinds = set()
    for job in (each for each in jobs.values() if each.method.start):
        other = start_recipe(job, job.method.start)
        kinds.add(other.objective.kind)
        assert other.preprocessing == base.preprocessing
        assert other.windowing == base.windowing
        assert other.training == base.training
        is_beside = isinstance(other.objective, CrossModalConfig)
        features = "encoder" if is_beside else "aggregate"
        assert other.encoder == base.encoder.but(features=features)
    assert kinds == {"latent_masking", "simclr", "vicreg", "cross_modal"}
    for name in ("modality_dropout", "deep_conv_lstm"):
        other = job_recipe(jobs[name])
        assert other.preprocessing == tuned.preprocessing
        assert other.training == tuned.training
    dropped = job_recipe(jobs["modality_dropout"]).encoder
    assert dropped == tuned.encoder.but(modality_dropout=0.5)


def test_the_paper_settings_are_those_of_the_released_code():
    recipe = find_recipe("crossl_paper_pretraining")
    encoder, objective = recipe.encoder, recipe.objective
    assert (encoder.latent_dim, encoder.dim, encoder.kernels) == (96, 32, (24, 16, 8))
    assert (encoder.aggregator, encoder.missing, encoder.strides) == ("mlp", "zero", (1, 1, 1))
    weights = (objective.invariance, objective.variance, objective.covariance)
    assert weights == (10.0, 10.0, 100.0)
    assert (objective.hide_ratio, objective.min_visible, objective.projector_ratio) == (0.1, 0, 0)
    training = recipe.training
    assert (training.batch_size, training.epochs, training.learning_rate) == (8, 50, 1e-4)
    tuned = find_recipe("crossl_paper")
    assert tuned.training == training
    assert (training.schedule, training.patience, training.monitor) == ("constant", 5, "loss")
    assert (encoder.dropout, tuned.encoder.dropout) == (0.0, 0.1)
    head = tuned.head
    assert (head.hidden, head.dropout, head.normalise) == (128, 0.1, False)


def test_a_rate_that_preprocessing_does_not_make_is_refused():
    recipe = find_recipe("crossl_wisdm_pretraining")
    streams = dict(recipe.encoder.streams)
    streams["watch-acc"] = streams["watch-acc"].but(sampling_rate=50.0)
    with pytest.raises(ValueError, match="reads 'watch-acc' at 50 Hz, preprocessing makes 20 Hz"):
        recipe.but(encoder=CrosslConfig(streams=streams))
    streams["gone"] = streams.pop("watch-acc")
    with pytest.raises(ValueError, match="preprocessing makes no stream 'gone'"):
        recipe.but(encoder=CrosslConfig(streams=streams))


def test_a_corpus_without_blood_pressure_leaves_it_out_of_what_is_known():
    ecg = StreamPreprocessing(channels=("II",), sampling_rate=125.0)
    pulse = ecg.but(modality="ppg", channels=("PLETH",), unit="a.u.", sampling_rate=62.5)
    monitor = Preprocessing(
        streams={
            "ecg": ecg,
            "ppg": pulse,
            "resp": pulse.but(modality="resp", channels=("RESP",), sampling_rate=25.0),
            "abp": pulse.but(modality="abp", channels=("ABP",), unit="mmHg"),
        }
    )
    windowing = Windowing(window_s=10.0, stride_s=10.0)
    recipe = find_recipe("crossl_wisdm_pretraining").reading(monitor, windowing)
    encoder = recipe.encoder.build().train()
    rng = np.random.default_rng(0)
    streams = {
        name: Stream(
            rng.normal(size=(1, 20 * 125)).astype(np.float32), spec.channels, 125.0,
            spec.modality, spec.unit,
        )
        for name, spec in recipe.preprocessing.streams.items()
        if name != "abp"
    }  # fmt: skip
    windows = windows_of(Record("x", streams), recipe.preprocessing, recipe.windowing)
    batch = collate(windows, recipe.preprocessing)
    assert {name: each.sampling_rate for name, each in batch.streams.items()} == {
        "ecg": 125.0, "ppg": 62.5, "resp": 25.0, "abp": 62.5,
    }  # fmt: skip
    encoder(batch)
    assert encoder.is_trained.tolist() == [True, True, True, False]
