"""What the sequence baselines promise alike: locality, absent channels, gaps, absent windows."""

import pytest
import torch

from medts.models.baselines.lightts import sample_at_intervals, sample_continuously
from medts.models.settings.crossformer import CrossformerConfig
from medts.models.settings.itransformer import ITransformerConfig
from medts.models.settings.lightts import LightTSConfig
from medts.models.settings.medformer import MedformerConfig
from medts.models.settings.mtst import MtstConfig
from medts.models.settings.timesnet import TimesNetConfig

TINY = {
    "crossformer": CrossformerConfig(patch=10, dim=8, depth=2, n_heads=2, hidden=8, n_routers=2),
    "itransformer": ITransformerConfig(window=120, dim=8, depth=1, n_heads=2, hidden=8),
    "lightts": LightTSConfig(window=120, chunk=10, dim=4, hidden=4),
    "medformer": MedformerConfig(patch_lengths=(10, 20), dim=8, depth=1, n_heads=2, hidden=8),
    "mtst": MtstConfig(patch_lengths=(10, 20), dim=8, depth=1, n_heads=2, hidden=8, reach=3),
    "timesnet": TimesNetConfig(window=120, dim=8, depth=1, hidden=8, n_periods=2, n_kernels=2),
}


@pytest.fixture(params=sorted(TINY))
def encoder(request):
    torch.manual_seed(0)
    return TINY[request.param].build().eval()


def embedded(encoder, signal):
    """Tokens before anything is mixed: pairs of samples per token and ``(B, …, N, D)``."""
    is_recorded = torch.ones(signal.shape, dtype=torch.bool)
    is_valid = is_recorded.any(dim=1)
    kind, config = encoder.config.kind, encoder.config
    if kind == "medformer":
        return list(zip(config.patch_lengths, encoder.embed(signal, is_valid)[0], strict=True))
    if kind == "mtst":
        return list(zip(config.patch_lengths, encoder.embed(signal, is_recorded)[0], strict=True))
    if kind == "crossformer":
        return [(config.patch, encoder.embed(signal, is_recorded)[0])]
    if kind == "lightts":
        columns = encoder.continuous.project(sample_continuously(signal, config.chunk))
        return [(config.chunk, columns.transpose(2, 3))]
    assert kind == "timesnet"
    return [(1, encoder.embed(signal, is_valid))]


@torch.no_grad()
@pytest.mark.parametrize("kind", sorted(TINY.keys() - {"itransformer"}))  # has no tokens in time
def test_a_change_at_one_time_moves_only_the_tokens_that_cover_it(kind, noise):
    torch.manual_seed(0)
    encoder = TINY[kind].build().eval()
    reach = 1 if kind == "timesnet" else 0  # the convolution reads its neighbours
    signal = noise(n_samples=120)
    for t in (0, 57, 119):
        other = signal.clone()
        other[:, :, t] += 1.0
        for (patch, before), (_, after) in zip(
            embedded(encoder, signal), embedded(encoder, other), strict=True
        ):
            moved = (before - after).abs().movedim(-2, 0).flatten(1).amax(dim=1) > 1e-7
            expected = {n for n in range(len(moved)) if abs(n - t // patch) <= reach}
            assert set(moved.nonzero().flatten().tolist()) == expected


@torch.no_grad()
def test_every_second_table_of_lightts_is_local_too(noise):
    encoder, signal = TINY["lightts"].build(), noise(n_samples=120)
    other = signal.clone()
    other[:, :, 57] += 1.0
    before, after = (
        encoder.interval.project(sample_at_intervals(each, 10)) for each in (signal, other)
    )
    moved = (before - after).abs().amax(dim=(0, 1, 2)) > 1e-7
    assert moved.nonzero().flatten().tolist() == [57 % 12]


@torch.no_grad()
def test_an_absent_channel_carries_no_information(encoder, noise, make_batch):
    signal = noise(n_samples=120)
    batch = make_batch(signal, missing=((0, 4),))
    stream = batch.streams["ecg"]
    stream.signal[0, 4] = 7.0  # what no honest batch holds, so that only the masks can help
    garbled = encoder(batch)
    clean = encoder(make_batch(signal, missing=((0, 4),)))
    torch.testing.assert_close(garbled.pooled, clean.pooled)
    torch.testing.assert_close(garbled.tokens, clean.tokens)
    full = encoder(make_batch(signal))
    assert not torch.allclose(full.pooled[0], clean.pooled[0], atol=1e-5)
    torch.testing.assert_close(full.pooled[1], clean.pooled[1])


@torch.no_grad()
def test_samples_in_a_gap_carry_no_information(encoder, noise, make_batch):
    signal = noise(n_samples=120)
    pooled = []
    for value in (0.0, 9.0):
        batch = make_batch(signal.clone())
        stream = batch.streams["ecg"]
        stream.is_recorded[..., 40:70] = False
        stream.signal[:, :, 40:70] = value
        pooled.append(encoder(batch).pooled)
    torch.testing.assert_close(pooled[0], pooled[1])


@pytest.mark.parametrize("is_training", [True, False])
def test_an_absent_window_is_zero_and_disturbs_nobody(encoder, noise, make_batch, is_training):
    for module in encoder.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if isinstance(module, torch.nn.MultiheadAttention):
            module.dropout = 0.0
    encoder.train(is_training)
    signal = noise(n_windows=3, n_samples=120)
    encoded = encoder(make_batch(signal, absent=(1,)))
    assert (encoded.pooled[1] == 0).all()
    assert (encoded.tokens[1] == 0).all()
    assert not encoded.is_valid[1].any()
    for b in (0, 2):
        alone = encoder(make_batch(signal[b : b + 1])).pooled
        torch.testing.assert_close(encoded.pooled[b : b + 1], alone, atol=1e-5, rtol=1e-4)
    encoded.pooled.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in encoder.parameters())
