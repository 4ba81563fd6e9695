"""CroSSL's encoder: the counts of the authors' code, absent sensors, and the two aggregators."""

from dataclasses import replace

import pytest
import torch
from recorded import recorded

from medts.core.errors import ConfigError, MedtsError, UnknownNameError
from medts.models.baselines.deep_conv_lstm import DeepConvLSTM
from medts.models.crossl import Crossl
from medts.models.settings.base import StreamInput
from medts.models.settings.crossl import CrosslConfig
from medts.models.settings.deep_conv_lstm import DeepConvLSTMConfig
from medts.models.settings.xresnet1d import XResNet1dConfig
from medts.nn.aggregation import hide, sample_visible
from medts.tensors.batch import Batch, Latents, StreamBatch

SENSORS = {"acc": (3, 20.0), "gyro": (3, 20.0), "hr": (1, 4.0)}
"""Channels and rate of each."""

AUTHORS = {"aggregator": "mlp", "missing": "zero", "strides": (1, 1, 1), "weight_init": "paper"}


def inputs(sensors=SENSORS):
    return {
        name: StreamInput(channels=tuple("xyz"[:n]), sampling_rate=rate)
        for name, (n, rate) in sensors.items()
    }


def make_encoder(**changes):
    torch.manual_seed(0)
    settings = {"streams": inputs(), "latent_dim": 16, "dim": 8, "dropout": 0.0, **changes}
    return Crossl(CrosslConfig(**settings))


def make_batch(n=4, seconds=10, absent=(), seed=0, sensors=SENSORS):
    """Windows of noise; ``absent`` lists (window, sensor) pairs that were not recorded."""
    generator = torch.Generator().manual_seed(seed)
    streams = {}
    for name, (n_channels, rate) in sensors.items():
        shape = (n, n_channels, round(seconds * rate))
        is_present = torch.tensor([(b, name) not in absent for b in range(n)])
        signal = torch.randn(shape, generator=generator)
        streams[name] = StreamBatch(
            signal=signal * is_present[:, None, None],
            is_recorded=recorded(signal, windows=is_present),
            channels=tuple("xyz"[:n_channels]),
            sampling_rate=rate,
            modality="other",
        )
    ids = tuple(str(b) for b in range(n))
    return Batch(streams, ids, ids, (None,) * n)


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("n_three", "n_one", "of_encoders", "of_aggregator"),
    [(6, 0, 346_176, 40_128), (6, 1, 402_720, 46_272), (0, 4, 226_176, 27_840),
     (0, 3, 169_632, 21_696)],
    ids=["PAMAP2", "PAMAP2 with heart rate", "SleepEDF", "WESAD"],
)  # fmt: skip
def test_parameters_are_as_many_as_in_the_authors_code(n_three, n_one, of_encoders, of_aggregator):
    sensors = {f"three-{i}": (3, 100.0) for i in range(n_three)}
    sensors |= {f"one-{i}": (1, 100.0) for i in range(n_one)}
    encoder = Crossl(CrosslConfig(streams=inputs(sensors), **AUTHORS))
    assert count(encoder.encoders) == of_encoders
    assert count(encoder.aggregator) == of_aggregator
    assert count(encoder) == of_encoders + of_aggregator
    each = {name: count(module) for name, module in encoder.encoders.items()}
    assert set(each.values()) <= {57_696, 56_544}


def test_the_authors_draw_all_encoders_alike_and_we_do_not():
    ours, theirs = make_encoder(), make_encoder(**AUTHORS)
    for encoder, is_same in ((ours, False), (theirs, True)):
        first, second = (encoder.encoders[name].convs[0].weight for name in ("acc", "gyro"))
        assert torch.equal(first, second) == is_same
    weight = make_encoder(**AUTHORS, latent_dim=96).encoders["acc"].convs[2].weight
    assert weight.std().item() == pytest.approx(0.05, rel=0.02)
    assert weight.mean().item() == pytest.approx(0.0, abs=1e-3)


def test_a_modality_encoder_averages_normalised_convolutions_like_a_plain_stack():
    encoder = make_encoder(**AUTHORS).encoders["acc"].eval()
    signal = torch.randn(2, 3, 50)
    x = signal
    for conv, norm, activation, kernel in zip(
        encoder.convs, encoder.norms, encoder.activations, (24, 16, 8), strict=True
    ):
        before = (kernel - 1) // 2  # what TensorFlow's "same" puts in front
        x = torch.nn.functional.pad(x, (before, kernel - 1 - before))
        x = torch.stack([x[:, :, t : t + kernel] for t in range(50)], dim=1)
        x = torch.einsum("btck,dck->btd", x, conv.weight) + conv.bias
        x = activation(norm(x).mT)
    found = encoder(signal, torch.ones(2, 50, dtype=torch.bool))
    torch.testing.assert_close(found, x.mean(dim=2), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("strides", [(1, 1, 1), (2, 2, 2), (3, 1, 2)])
def test_padding_changes_no_latent(strides):
    encoder = make_encoder(strides=strides).eval()
    short, long = make_batch(seconds=5), make_batch(seconds=9)
    for name, stream in long.streams.items():
        n_samples = short.streams[name].signal.shape[2]
        signal, is_recorded = stream.signal.clone(), stream.is_recorded.clone()
        signal[:, :, :n_samples], is_recorded[..., n_samples:] = short.streams[name].signal, False
        long.streams[name] = replace(stream, signal=signal, is_recorded=is_recorded)
    first, second = encoder.encode(short), encoder.encode(long)
    torch.testing.assert_close(first.embedding, second.embedding, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("aggregator", ["attention", "mlp"])
@pytest.mark.parametrize("missing", ["token", "zero"])
def test_an_absent_sensor_carries_no_information(aggregator, missing):
    encoder = make_encoder(aggregator=aggregator, missing=missing).eval()
    absent = make_batch(absent={(1, "gyro"), (2, "acc"), (2, "hr")})
    dirty = make_batch(seed=5)
    mixed = {
        name: replace(
            stream,
            signal=torch.where(
                stream.is_present[:, None, None], stream.signal, 9 * dirty.streams[name].signal
            ),
        )
        for name, stream in absent.streams.items()
    }
    first, second = encoder(absent), encoder(replace(absent, streams=mixed))
    assert torch.equal(first.pooled, second.pooled)
    assert first.is_valid.tolist() == [[True] * 3, [True, False, True], [False, True, False],
                                       [True] * 3]  # fmt: skip
    everything = encoder(make_batch()).pooled
    is_same = (first.pooled - everything).abs().amax(dim=1) < 1e-6
    assert is_same.tolist() == [True, False, False, True]


def test_a_stream_that_no_window_has_may_be_left_out_of_the_batch():
    encoder = make_encoder().eval()
    batch = make_batch(absent={(b, "hr") for b in range(4)})
    without = {name: stream for name, stream in batch.streams.items() if name != "hr"}
    found = encoder(replace(batch, streams=without))
    torch.testing.assert_close(found.pooled, encoder(batch).pooled)
    assert not found.is_valid[:, 2].any()


def test_zeroing_a_row_is_the_same_as_absence_where_zero_stands_for_missing():
    encoder = make_encoder(**AUTHORS).eval()
    latents = encoder.encode(make_batch())
    zeroed = latents.embedding.clone()
    zeroed[:, 1] = 0.0
    is_hidden = torch.tensor([[False, True, False]]).expand(4, -1)
    torch.testing.assert_close(
        encoder.fuse(replace(latents, embedding=zeroed)), encoder.fuse(hide(latents, is_hidden))
    )
    # With a learnt token and presence bits, a silent sensor is not an absent one.
    ours = make_encoder(aggregator="mlp").eval()
    silent = ours.fuse(replace(latents, embedding=zeroed))
    assert not torch.allclose(silent, ours.fuse(hide(latents, is_hidden)), atol=1e-3)


def test_attention_fuses_a_set_in_any_order_and_of_any_size():
    encoder = make_encoder().eval()
    latents = encoder.encode(make_batch())
    fused = encoder.fuse(latents)
    order = [2, 0, 1]
    turned = Latents(
        latents.embedding[:, order], latents.is_present[:, order],
        tuple(latents.modalities[i] for i in order),
    )  # fmt: skip
    torch.testing.assert_close(encoder.fuse(turned), fused)
    pair = Latents(latents.embedding[:, :2], latents.is_present[:, :2], ("acc", "gyro"))
    is_hidden = torch.tensor([[False, False, True]]).expand(4, -1)
    torch.testing.assert_close(encoder.fuse(pair), encoder.fuse(hide(latents, is_hidden)))
    swapped = replace(latents, modalities=("gyro", "acc", "hr"))
    assert not torch.allclose(encoder.fuse(swapped), fused, atol=1e-4)


def test_the_mlp_refuses_another_set_and_attention_an_unknown_name():
    latents = Latents(torch.randn(2, 2, 16), torch.ones(2, 2, dtype=torch.bool), ("acc", "gyro"))
    with pytest.raises(ConfigError, match=r"fuses acc, gyro, hr, not acc, gyro\. Mark what"):
        make_encoder(aggregator="mlp").fuse(latents)
    strange = replace(latents, modalities=("acc", "eda"))
    with pytest.raises(UnknownNameError, match=r"never seen in training.*'eda'"):
        make_encoder().fuse(strange)


def test_nothing_present_is_refused_by_fuse_and_marked_by_forward():
    encoder = make_encoder().eval()
    batch = make_batch(absent={(2, name) for name in SENSORS})
    with pytest.raises(MedtsError, match="window 2 of the batch has no present modality"):
        encoder.fuse(encoder.encode(batch))
    encoded = encoder(batch)
    assert (encoded.pooled[2] == 0).all()
    assert not encoded.is_valid[2].any()
    assert encoded.is_valid[:2].all()


def test_a_modality_that_was_never_trained_is_left_out_and_refused_alone():
    encoder = make_encoder().train()
    encoder(make_batch(absent={(b, "hr") for b in range(4)}))
    encoder.eval()
    assert encoder.is_trained.tolist() == [True, True, False]
    with_it, without = make_batch(), make_batch(absent={(b, "hr") for b in range(4)})
    torch.testing.assert_close(encoder(with_it).pooled, encoder(without).pooled)
    alone = make_batch(absent={(1, "acc"), (1, "gyro")})
    with pytest.raises(MedtsError, match=r"is hr, which was never seen.*trained on acc, gyro"):
        encoder(alone)
    again = make_encoder()
    again.load_state_dict(encoder.state_dict())
    assert again.is_trained.tolist() == [True, True, False]


def test_another_rate_is_refused():
    batch = make_batch()
    streams = {**batch.streams, "acc": replace(batch.streams["acc"], sampling_rate=50.0)}
    with pytest.raises(ConfigError, match="'acc' comes at 50 Hz, not 20 Hz"):
        make_encoder()(replace(batch, streams=streams))


def test_a_permanently_absent_sensor_gets_no_gradient_and_the_others_do():
    encoder = make_encoder().train()
    batch = make_batch(absent={(b, "gyro") for b in range(4)})
    encoder(batch).pooled[:, 0].sum().backward()
    moved = {
        name: any(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())
        for name, module in encoder.encoders.items()
    }
    assert moved == {"acc": True, "gyro": False, "hr": True}


@pytest.mark.parametrize("aggregator", ["attention", "mlp"])
def test_modalities_are_dropped_in_training_only(aggregator):
    encoder = make_encoder(aggregator=aggregator, modality_dropout=0.5)
    batch = make_batch(n=64)
    encoder.train()
    torch.manual_seed(1)
    seen = encoder(batch).is_valid
    assert 0.35 < (~seen).float().mean() < 0.55
    assert seen.any(dim=1).all()
    encoder.eval()
    assert encoder(batch).is_valid.all()
    assert torch.equal(encoder(batch).pooled, encoder(batch).pooled)


def test_features_of_the_released_script_pass_the_aggregator_by():
    fused, beside = make_encoder().eval(), make_encoder(features="encoder").eval()
    assert (fused.dim, beside.dim) == (8, 3 * 16)
    batch = make_batch()
    torch.testing.assert_close(beside(batch).pooled, fused.encode(batch).embedding.flatten(1))
    assert fused.state_dict().keys() == beside.state_dict().keys()


def test_survivors_are_as_many_as_asked_and_absent_ones_never_among_them():
    torch.manual_seed(0)
    is_present = torch.rand(2000, 3) < 0.8
    visible = sample_visible(is_present, 0.7, n_kept=2)
    assert not (visible & ~is_present).any()
    expected = is_present.sum(dim=1).clamp(max=2)
    assert (visible.sum(dim=1) >= expected).all()


def test_what_an_encoder_reads_is_one_mapping_for_one_stream_and_for_several():
    one = XResNet1dConfig(stream="ecg", channels=("I", "II")).inputs()
    assert one == {"ecg": StreamInput(channels=("I", "II"))}
    assert CrosslConfig(streams=inputs()).inputs() == inputs()


@pytest.mark.parametrize(
    "wrong", [{"n_heads": 5}, {"kernels": (24, 0, 8)}, {"latent_dim": 6}, {"streams": {}}]
)
def test_sizes_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match=r"heads|positive|multiple|at least 1"):
        CrosslConfig(**wrong)


def test_deep_conv_lstm_reads_all_streams_as_one_signal():
    sensors = {"acc": (3, 20.0), "gyro": (3, 20.0)}
    torch.manual_seed(0)
    encoder = DeepConvLSTM(DeepConvLSTMConfig(streams=inputs(sensors), width=4, dim=8)).eval()
    batch = make_batch(sensors=sensors, absent={(1, "gyro")})
    signal, is_valid = encoder.join(batch)
    parts = [batch.streams[name].signal for name in sensors]
    assert torch.equal(signal, torch.cat(parts, dim=1))
    assert is_valid.all()
    without = replace(batch, streams={"gyro": batch.streams["gyro"]})
    assert not encoder.join(without)[1][1].any()
    assert (encoder(without).pooled[1] == 0).all()


def test_deep_conv_lstm_needs_one_rate_and_the_one_it_was_built_for():
    with pytest.raises(ValueError, match="no common time"):
        DeepConvLSTMConfig(streams=inputs())
    streams = inputs({"acc": (3, 20.0)})
    strict = DeepConvLSTM(DeepConvLSTMConfig(streams=streams, width=4, dim=8))
    with pytest.raises(ConfigError, match="'acc' comes at 50 Hz, not 20 Hz"):
        strict(make_batch(sensors={"acc": (3, 50.0)}))
    loose = {name: StreamInput(channels=("x",)) for name in ("a", "b")}
    batch = make_batch(sensors={"a": (1, 20.0), "b": (1, 4.0)})
    with pytest.raises(ConfigError, match="streams come at 4, 20 Hz"):
        DeepConvLSTM(DeepConvLSTMConfig(streams=loose))(batch)


def test_deep_conv_lstm_has_the_parameters_of_its_paper():
    # Table of the paper's Opportunity model: 113 channels, 64 filters of 5, two LSTMs of 128.
    streams = {"body": StreamInput(channels=tuple(f"c{i}" for i in range(113)))}
    encoder = DeepConvLSTM(DeepConvLSTMConfig(streams=streams))
    convolutions = (5 * 1 * 64 + 64) + 3 * (5 * 64 * 64 + 64)
    recurrent = 4 * 128 * (113 * 64 + 128 + 2) + 4 * 128 * (128 + 128 + 2)
    assert count(encoder) == convolutions + recurrent
