import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import medts
from medts.cli.main import main
from medts.core.errors import MedtsError
from medts.formats import FORMATS
from medts.inference.bundle import load_bundle
from medts.inference.folder import bundle_digest
from medts.inference.stored import Compute, embed_store, predict_store
from medts.inference.torch_backend import predictor_of


@pytest.fixture(scope="module")
def model(tiny_run):
    return medts.load(tiny_run)


def test_a_file_a_record_and_the_command_line_give_identical_numbers(
    model, tiny_run, synthetic_store, tmp_path, capsys
):
    record = synthetic_store.record(5)
    FORMATS["wfdb"].write(record, tmp_path / "ecg.hea")
    from_record = model.predict(record).probability
    from_file = model.predict(tmp_path / "ecg.hea").probability
    assert main(["predict", str(tiny_run / "bundle"), str(tmp_path / "ecg.hea"), "--json"]) == 0
    printed = {
        name: each["probability"]
        for name, each in json.loads(capsys.readouterr().out)["classes"].items()
    }
    assert from_file == from_record == printed


def test_the_order_of_leads_in_the_file_changes_nothing(model, synthetic_store, tmp_path):
    record = synthetic_store.record(3)
    stream = record.streams["ecg"]
    shuffled = replace(record, streams={"ecg": stream.pick(stream.channels[::-1])})
    FORMATS["wfdb"].write(record, tmp_path / "plain.hea")
    FORMATS["wfdb"].write(shuffled, tmp_path / "shuffled.hea")
    first, second = model.predict(tmp_path / "plain.hea"), model.predict(tmp_path / "shuffled.hea")
    assert first.probability == second.probability


def test_the_store_gives_what_the_record_gives(model, synthetic_store):
    rows = [7, 2, 40]
    together = predict_store(model.bundle, synthetic_store, rows)
    alone = model.predict_proba([synthetic_store.record(row) for row in rows])
    assert np.allclose(together, alone, atol=1e-6)


def test_missing_leads_are_named_and_do_not_stop_the_prediction(model, synthetic_store):
    record = synthetic_store.record(1)
    three = replace(record, streams={"ecg": record.streams["ecg"].pick(("I", "II", "V2"))})
    prediction = model.predict(three)
    assert len(prediction.missing_channels) == 9
    assert "aVR" in prediction.missing_channels
    assert all(np.isfinite(list(prediction.probability.values())))


def test_statements_are_the_classes_at_or_above_their_operating_point(model, synthetic_store):
    prediction = model.predict(synthetic_store.record(0))
    thresholds = model.bundle.thresholds()
    expected = {name for name, p in prediction.probability.items() if p >= thresholds[name]}
    assert set(prediction.stated) == expected


@pytest.mark.parametrize("fault", ["short", "implausible"])
def test_what_cannot_be_judged_gets_no_prediction(model, synthetic_store, fault):
    record = synthetic_store.record(0)
    stream = record.streams["ecg"]
    signal = {
        "short": stream.signal[:, :10],
        "implausible": stream.signal * np.float32(1000),
    }[fault]
    found = model.predict(replace(record, streams={"ecg": replace(stream, signal=signal)}))
    assert not found.is_judged
    assert found.stated is None
    assert all(each.probability is each.decision is None for each in found.classes.values())
    assert found.not_judged[0].startswith("the recording: ")
    assert model.predict(record).stated is not None


def test_what_is_long_enough_for_the_model_is_judged(model, synthetic_store):
    record = synthetic_store.record(0)
    stream, window_s = record.streams["ecg"], model.manifest.model.windowing.window_s
    n_samples = round(0.6 * window_s * stream.sampling_rate)
    short = replace(stream, signal=stream.signal[:, :n_samples])
    assert model.predict(replace(record, streams={"ecg": short})).is_judged


def test_one_implausible_lead_that_is_not_read_changes_nothing(model, synthetic_store):
    record = synthetic_store.record(0)
    stream = record.streams["ecg"]
    extra = np.concatenate([stream.signal, np.repeat(stream.signal[:1] * 1e4, 20, axis=0)])
    names = (*stream.channels, *(f"X{n}" for n in range(20)))
    found = model.predict(
        replace(record, streams={"ecg": replace(stream, signal=extra, channels=names,
                                                resolution=None)})
    )  # fmt: skip
    assert found.probability == model.predict(record).probability


def test_a_recording_of_another_modality_is_refused(model, synthetic_store):
    stream = synthetic_store.record(0).streams["ecg"]
    eeg = medts.Stream(stream.signal, stream.channels, 250.0, "eeg", "uV")
    with pytest.raises(MedtsError, match="has no stream ecg"):
        model.predict(medts.Record("r", {"eeg": eeg}))


def test_one_unreadable_file_does_not_stop_the_others(tiny_run, synthetic_store, tmp_path, capsys):
    FORMATS["wfdb"].write(synthetic_store.record(0), tmp_path / "good.hea")
    (tmp_path / "bad.hea").write_text("nothing of the kind\n")
    files = [str(tmp_path / "bad.hea"), str(tmp_path / "good.hea")]
    assert main(["predict", str(tiny_run), *files, "--json"]) == 2
    captured = capsys.readouterr()
    assert json.loads(captured.out)["file"].endswith("good.hea")
    assert "bad.hea" in captured.err
    assert "1 of 2 recordings could not be read" in captured.err


def test_real_records_are_predicted_alike_from_file_and_python(tiny_run, real_data, capsys):
    file = sorted((real_data / "ptb-xl" / "records500").glob("*/*_hr.hea"))[0]
    assert main(["predict", str(tiny_run), str(file), "--json"]) == 0
    printed = {
        name: each["probability"]
        for name, each in json.loads(capsys.readouterr().out)["classes"].items()
    }
    assert medts.load(tiny_run).predict(medts.read(file)).probability == printed


@pytest.mark.parametrize("precision", ["bf16", "fp32-onednn"])
def test_faster_arithmetic_is_asked_for_and_near_the_exact_one(
    precision, model, tiny_run, synthetic_store
):
    if precision == "fp32-onednn" and not hasattr(torch.backends.mkldnn, "matmul"):
        pytest.skip("this torch has no switch for oneDNN")
    record = synthetic_store.record(5)
    exact = model.predict(record).probability
    found = medts.load(tiny_run, precision=precision).predict(record).probability
    assert list(found) == list(exact)
    np.testing.assert_allclose(list(found.values()), list(exact.values()), atol=0.03)
    if precision == "bf16":
        assert found != exact


def test_a_class_that_no_training_record_held_is_named_and_never_stated(tiny_run, synthetic_store):
    bundle = load_bundle(tiny_run)
    name = bundle.label_set.classes[0]
    bundle.provenance = bundle.provenance.but(
        prevalence={**bundle.provenance.prevalence, name: 0.0}
    )
    points = {k: v for k, v in bundle.labels.operating_points.items() if k != name}
    bundle.labels = bundle.labels.but(operating_points=points)
    answer = predictor_of(bundle).predict(synthetic_store.record(0))
    assert answer.not_judged == (f"{name}: no training record holds it",)
    assert answer.classes[name].decision is None


def test_embeddings_and_many_recordings_are_those_of_each(model, synthetic_store):
    records = [synthetic_store.record(row) for row in (3, 1)]
    expected = embed_store(model.bundle, synthetic_store, [3, 1])
    np.testing.assert_allclose([model.embed(each) for each in records], expected, atol=1e-5)
    assert model.predict_many(records) == [model.predict(each) for each in records]
    assert model.predict_proba([]).shape == (0, len(model.classes))


def test_an_answer_says_what_was_given_and_which_model_was_applied(
    model, tiny_run, synthetic_store
):
    answer = model.predict(synthetic_store.record(0))
    ecg = answer.recording.streams["ecg"]
    stream = synthetic_store.record(0).streams["ecg"]
    assert (ecg.channels, ecg.sampling_rate) == (stream.channels, stream.sampling_rate)
    assert ecg.duration_s == stream.duration_s
    assert answer.model.digest == bundle_digest(tiny_run)
    assert answer.label_set == "synthetic/findings"
    assert answer.warnings == model.warnings
    assert "synthetic" in answer.warnings[0]
    assert [each.channel for each in answer.quality] == list(stream.channels)
    assert answer.is_usable
    rate = next(each for each in answer.measurements if each.name == "rate_bpm")
    assert 30 < rate.value < 200
    assert "What it reads" in model.card


def test_workers_batches_and_device_change_no_number(model, synthetic_store):
    rows = [7, 2, 40]
    plain = predict_store(model.bundle, synthetic_store, rows)
    compute = Compute(device="auto", n_workers=2, batch_size=2)
    found = predict_store(model.bundle, synthetic_store, rows, compute=compute)
    np.testing.assert_allclose(found, plain, atol=1e-6)
    faster = predict_store(model.bundle, synthetic_store, rows, compute=Compute(precision="bf16"))
    np.testing.assert_allclose(faster, plain, atol=0.03)
    assert (faster != plain).any()


def test_a_recording_of_many_windows_is_computed_a_few_at_a_time(
    model, synthetic_store, monkeypatch
):
    record = synthetic_store.record(3)
    whole = model.predict(record).probability
    monkeypatch.setattr("medts.inference.torch_backend._AT_A_TIME", 1)
    assert model.predict(record).probability == pytest.approx(whole, abs=1e-6)
