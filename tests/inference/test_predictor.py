import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import medts
from medts.cli.main import main
from medts.core.errors import MedtsError
from medts.formats import FORMATS
from medts.inference.stored import predict_store


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
