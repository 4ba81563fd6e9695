import pytest
import torch

from medts.core.labels import LabelSet
from medts.tensors.batch import Batch, Prediction, StreamBatch, mean_by_record, move_to


def stream_batch(**changes):
    fields = {
        "signal": torch.zeros(2, 3, 5),
        "is_recorded": torch.ones(2, 3, 5, dtype=torch.bool),
        "channels": ("I", "II", "III"),
        "sampling_rate": 100.0,
        "modality": "ecg",
    }
    return StreamBatch(**{**fields, **changes})


def test_a_transposed_signal_is_refused_at_construction():
    with pytest.raises(Exception, match=r"is_recorded|type|shape"):
        stream_batch(signal=torch.zeros(2, 5, 3))


def test_coarser_masks_follow_what_was_recorded_and_what_is_not_kept_is_zero():
    stream = stream_batch(signal=torch.ones(2, 3, 5))
    stream.is_recorded[0, 1] = stream.is_recorded[0, :, 4] = stream.is_recorded[0, 2, 1:3] = False
    assert stream.is_valid.tolist() == [[True] * 4 + [False], [True] * 5]
    assert stream.is_channel_present.tolist() == [[True, False, True], [True] * 3]
    assert stream.is_present.all()
    fewer = stream.keep(torch.tensor([True, False])[:, None, None])
    assert fewer.is_present.tolist() == [True, False]
    assert torch.equal(fewer.signal[0] == 1, stream.is_recorded[0])
    assert not fewer.signal[1].any()


def test_moving_a_batch_moves_every_tensor_however_nested():
    batch = Batch({"ecg": stream_batch()}, ("a", "b"), ("s", "s"), (None, None), torch.ones(2, 1))
    moved = move_to(batch, "meta")
    assert moved.streams["ecg"].signal.device.type == "meta"
    assert moved.target.device.type == "meta"
    assert moved.record_ids == ("a", "b")


def test_windows_of_a_record_are_averaged_in_the_order_first_seen():
    values = torch.tensor([[1.0], [10.0], [3.0]])
    ids, mean = mean_by_record(["b", "a", "b"], values)
    assert ids == ("b", "a")
    assert mean.tolist() == [[2.0], [10.0]]


def test_probabilities_follow_the_kind_of_the_label_set():
    logits = torch.tensor([[0.0, 0.0]])
    single = LabelSet(name="a/b", classes=("x", "y"), kind="single")
    multi = LabelSet(name="a/b", classes=("x", "y"), kind="multi")
    assert Prediction(logits, single).probability.sum().item() == pytest.approx(1.0)
    assert Prediction(logits + 50, multi).probability.sum().item() == pytest.approx(2.0)
