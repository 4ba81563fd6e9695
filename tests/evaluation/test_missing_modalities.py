"""Missing modalities: every set of them, three regimes, and what share of the score is kept."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from drawn import read_svg
from sklearn.metrics import roc_auc_score

from medts.core.errors import ConfigError, LeakError
from medts.core.labels import LabelSet
from medts.core.records import Record, Stream
from medts.data.ingest import ingest
from medts.data.seen import Seen, key_id_of, make_site_key, subject_tokens
from medts.data.sources.memory import Memory
from medts.data.store import Store
from medts.data.windowing import Windowing, windows_of
from medts.data.windows import collate
from medts.evaluation import missing_modalities
from medts.evaluation.files import details_of
from medts.evaluation.missing_curve import Judged, missing_conditions
from medts.evaluation.missing_modalities import (
    TUNED_ON_ALL,
    TUNED_WITHOUT,
    missing_sets,
    over_sets,
    without,
)
from medts.evaluation.protocols.missing_modalities import MissingModalitiesConfig
from medts.evaluation.result import read_result
from medts.evaluation.run import run_protocol
from medts.evaluation.task import make_task
from medts.inference.bundle import Bundle
from medts.inference.manifest import Labels, ModelConfig, Provenance
from medts.models.settings.base import StreamInput
from medts.models.settings.crossl import CrosslConfig
from medts.models.settings.heads import HeadConfig
from medts.report.figures import missing_figure
from medts.report.files import write_result
from medts.signal.perturb import drop_streams
from medts.signal.preprocess import Preprocessing, StreamPreprocessing

RATES = {"first": 20.0, "second": 10.0, "noise": 20.0}
LABELS = LabelSet(name="memory/speed", classes=("slow", "fast"), kind="single")
PROBE = MissingModalitiesConfig(readout="probe", n_resamples=100)


def record_of(number, *, is_fast):
    """Two sensors show how fast a wave is, each at its own rate; the third shows nothing."""
    rng = np.random.default_rng(number)
    streams = {}
    for name, rate in RATES.items():
        time_s = np.arange(round(8 * rate)) / rate
        wave = np.sin(2 * np.pi * ((1.8 if is_fast else 0.6) * time_s + rng.random()))
        noise = rng.normal(0, 1.0, len(time_s))
        signal = noise if name == "noise" else 2 * wave + 0.3 * noise
        if number == 11 and name != "noise":
            continue
        streams[name] = Stream(signal[None].astype(np.float32), ("x",), rate, "acc", "g")
    return Record(record_id=str(number), streams=streams, subject_id=f"s{number // 2}")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("stores") / "waves"
    fast = [bool((number // 2) % 2) for number in range(120)]
    source = Memory(
        [record_of(number, is_fast=each) for number, each in enumerate(fast)],
        [("fast" if each else "slow",) for each in fast],
        ["test" if n < 40 else "validation" if n < 60 else "train" for n in range(120)],
        LABELS,
    )
    ingest(source, "-", path)
    return Store(path)


@pytest.fixture(scope="module")
def task(store):
    folds = {"test_folds": ["test"], "train_folds": ["train"], "val_folds": ["validation"]}
    return make_task(store, "memory/speed", **folds)


@pytest.fixture(scope="module")
def model():
    """An encoder that nobody trained; its convolutions tell frequencies apart all the same."""
    torch.manual_seed(0)
    specs = {
        name: StreamPreprocessing(
            modality="acc", channels=("x",), unit="g", sampling_rate=rate, low_hz=None, scale=1.0
        )
        for name, rate in RATES.items()
    }
    inputs = {
        name: StreamInput(channels=("x",), sampling_rate=rate) for name, rate in RATES.items()
    }
    encoder = CrosslConfig(streams=inputs, latent_dim=16, dim=16, dropout=0.0)
    return Bundle(
        ModelConfig(encoder=encoder, windowing=Windowing(window_s=4.0, stride_s=4.0)),
        preprocessing=Preprocessing(streams=specs),
        labels=Labels(),
        provenance=Provenance(recipe="untrained"),
    )


@pytest.fixture(scope="module")
def result(model, task):
    return run_protocol("missing_modalities", model, task, PROBE, seed=1)


def test_every_set_but_all_of_them_may_be_missing():
    assert missing_sets(("a", "b", "c")) == [
        ("a",), ("b",), ("c",), ("a", "b"), ("a", "c"), ("b", "c")
    ]  # fmt: skip
    assert len(missing_sets(tuple("abcdef"))) == 2**6 - 2
    with pytest.raises(ConfigError, match=r"reads one stream, ecg.*robustness"):
        missing_sets(("ecg",))


def test_an_embedding_without_a_stream_is_that_of_a_recording_without_it(model, store, task):
    rows = task.test.rows[:6]
    (values, is_left), (plain, _) = over_sets(
        model, store, rows, [("second",), ()], lambda batch: model.encode(batch).pooled
    )
    bare = Memory(
        [drop_streams(store.record(int(row)), ("second",)) for row in rows],
        [("slow",)] * 6, ["test"] * 6, LABELS,
    )  # fmt: skip
    assert is_left.all()
    for row, record in enumerate(bare.records):
        windows = windows_of(record, model.preprocessing, model.config.windowing)
        pooled = model.encode(collate(windows, model.preprocessing)).pooled
        np.testing.assert_allclose(values[row], pooled.mean(dim=0).numpy(), atol=1e-4)
    assert np.abs(values - plain).max() > 1e-2


def test_two_regimes_have_every_set_and_a_mean_for_each_number(result):
    names = [each.name for each in result.conditions]
    assert len(set(names)) == len(names) == 2 * (6 + 2)
    for regime in (TUNED_ON_ALL, TUNED_WITHOUT):
        assert f"{regime}: 1 of 3 missing" in names
        assert f"{regime}: without first, noise" in names
    means = [each for each in result.conditions if each.n_missing == 2]
    assert [each.regime for each in means] == [TUNED_ON_ALL, TUNED_WITHOUT]
    for mean in means:
        own = [e for e in result.conditions if e.regime == mean.regime and e.name.count(",") == 1]
        values = [each.metrics["macro_auroc"].value for each in own]
        assert len(values) == 3
        assert mean.metrics["macro_auroc"].value == pytest.approx(np.mean(values))


def test_a_redundant_sensor_may_go_and_the_only_informative_one_may_not(result):
    found = {each.name: each.metrics["share_kept"] for each in result.conditions}
    assert result.metrics["macro_auroc"].value > 0.9
    for regime in (TUNED_ON_ALL, TUNED_WITHOUT):
        assert found[f"{regime}: without noise"].value > 0.9
        assert found[f"{regime}: without second"].value > 0.6
        nothing = found[f"{regime}: without first, second"]
        assert abs(nothing.value) < 0.5
        assert nothing.low <= nothing.value <= nothing.high
    assert found[f"{TUNED_WITHOUT}: without first"].value > 0.6


def test_a_record_with_nothing_left_is_answered_with_the_shares_of_training(model, store, task):
    place = int(
        np.flatnonzero([i.endswith("/000011") for i in store.record_ids[task.test.rows]])[0]
    )
    rows = task.test.rows[[place]]
    ((_, is_left),) = over_sets(
        model, store, rows, [("noise",)], lambda batch: model.encode(batch).pooled
    )
    assert not is_left[0]
    scored, regimes = missing_modalities._by_probe(model, task, [("noise",)], PROBE, 0)
    shares = scored.prevalence
    for answers in regimes.values():
        np.testing.assert_allclose(answers[("noise",)].probability[place], shares)
        assert not np.allclose(answers[("noise",)].probability[place - 1], shares)


def judged_example(seed=0):
    rng = np.random.default_rng(seed)
    target = (rng.random((80, 2)) < 0.4).astype(float)
    answers = [target * 0.8 + rng.random((80, 2)) * spread for spread in (0.9, 2.0, 9.0)]
    answers = [each / each.max() for each in answers]
    subjects = np.array([f"s{i // 2}" for i in range(80)])
    judged = Judged(target, subjects, "multi", np.array([0.4, 0.4]), n_resamples=200)
    return judged, answers


def test_the_share_kept_is_the_formula_on_sklearns_scores():
    judged, (full, one, other) = judged_example()
    half = np.full(2, 0.5)
    scores = {("a",): judged.scores(one, half), ("b",): judged.scores(other, half)}
    conditions = missing_conditions(
        judged, judged.scores(full, half), scores, regime="here", n_modalities=2
    )
    assert [each.name for each in conditions] == [
        "here: 1 of 2 missing", "here: without a", "here: without b",
    ]  # fmt: skip
    areas = [roc_auc_score(judged.target, each, average="macro") for each in (full, one, other)]
    shares = [(area - 0.5) / (areas[0] - 0.5) for area in areas[1:]]
    for condition, share in zip(conditions, [np.mean(shares), *shares], strict=True):
        assert condition.metrics["share_kept"].value == pytest.approx(share)
    same = missing_conditions(
        judged, judged.scores(full, half), {("a",): judged.scores(full, half)},
        regime="here", n_modalities=2,
    )[0].metrics["share_kept"]  # fmt: skip
    assert (same.low, same.value, same.high) == pytest.approx((1.0, 1.0, 1.0))


def test_chance_is_the_majoritys_score_and_no_share_is_stated_below_it():
    judged, (_, one, _) = judged_example()
    judged = replace(judged, metric="macro_f1", prevalence=np.array([0.9, 0.9]))
    half = np.full(2, 0.5)
    always = judged.scores(np.full((80, 2), 0.9), half)
    np.testing.assert_allclose(judged.chance(), always)
    nothing = judged.scores(np.zeros((80, 2)), half)
    condition = missing_conditions(
        judged, nothing, {("a",): judged.scores(one, half)}, regime="x", n_modalities=2
    )[0]
    assert np.isnan(condition.metrics["share_kept"].value)


def test_the_means_are_drawn_as_a_line_per_regime(result):
    drawing = read_svg(missing_figure(result.conditions))
    assert [each.get("data-name") for each in drawing.series()] == [TUNED_ON_ALL, TUNED_WITHOUT]
    assert len(drawing.of_class("dot")) == 2 * 3


def test_a_head_is_measured_as_it_is_and_the_report_draws_the_curve(model, task, tmp_path):
    torch.manual_seed(0)
    tuned = Bundle(
        model.config.but(head=HeadConfig(hidden=0, dropout=0.0)),
        preprocessing=model.preprocessing,
        labels=Labels(label_set=LABELS),
        provenance=Provenance(recipe="untrained", prevalence={"slow": 0.5, "fast": 0.5}),
    )
    task = replace(task, out=tmp_path)
    result = run_protocol(
        "missing_modalities", tuned, task, MissingModalitiesConfig(n_resamples=20)
    )
    assert {each.regime for each in result.conditions} == {TUNED_ON_ALL}
    assert len(result.conditions) == 6 + 2
    details = details_of(task, result, model=tuned.save(tmp_path / "bundle"))
    report, metrics = write_result(tmp_path, result, details)
    assert "missing-curve" in report.read_text(encoding="utf-8")
    assert read_result(metrics).conditions[0].n_missing == 1


def test_a_model_that_has_met_the_records_is_refused(model, task):
    key = make_site_key()
    tokens = subject_tokens(["memory/s1"], key)
    seen = Seen(corpus="memory", key_id=key_id_of(key), subjects=tokens)
    met = Bundle(
        model.config,
        preprocessing=model.preprocessing,
        labels=Labels(),
        provenance=Provenance(recipe="x", seen=(seen,)),
    )
    with pytest.raises(LeakError):
        run_protocol("missing_modalities", met, task, PROBE)


def test_hiding_leaves_other_streams_alone(model, store, task):
    record = store.record(int(task.test.rows[0]))
    batch = collate(windows_of(record, model.preprocessing, model.config.windowing),
                    model.preprocessing)  # fmt: skip
    rest = without(batch, ("noise",))
    assert rest.streams["first"] is batch.streams["first"]
    assert not rest.streams["noise"].is_present.any()
    assert not rest.streams["noise"].signal.any()
    assert batch.streams["noise"].is_present.any()


def test_a_set_that_leaves_only_a_modality_never_trained_is_left_out_and_said(model, task):
    partly = copy.deepcopy(model)
    partly.encoder.is_trained[:] = torch.tensor([False, True, True])
    result = run_protocol("missing_modalities", partly, task, PROBE, seed=1)
    names = {each.name for each in result.conditions}
    assert f"{TUNED_ON_ALL}: without second, noise" not in names
    assert f"{TUNED_ON_ALL}: without first, noise" in names
    assert any("never trained: first; 1 sets" in note for note in result.notes)
