"""S4: its kernel is the recurrence it stands for, and padding and absence stay without effect."""

import math

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import nn

from medts.models.baselines.s4 import (
    S4,
    DiagonalKernel,
    S4Layer,
    by_product,
    by_transform,
    convolve,
)
from medts.models.settings.s4 import S4Config


def build(**changes):
    torch.manual_seed(0)
    return S4(S4Config(**{"dim": 16, "depth": 2, "stride": 4, **changes})).eval()


def recurrence(kernel, x):
    """Runs ``x' = A x + u, y = Re C x`` one sample after the other, ``u`` held between samples."""
    step = kernel.log_step.exp()[:, None]
    a = torch.complex(-kernel.log_decay.exp(), kernel.frequency)
    a_bar = torch.exp(a * step)
    b_bar = (a_bar - 1) / a
    c = torch.view_as_complex(kernel.output)
    state = torch.zeros(len(x), *a.shape, dtype=a.dtype)
    y = []
    for u in x.unbind(-1):
        state = a_bar * state + b_bar * u[..., None]
        y.append(2 * (c * state).sum(-1).real)
    return torch.stack(y, dim=-1)


@pytest.mark.parametrize("initialisation", ["lin", "inv"])
@pytest.mark.parametrize("length", [7, 60, 200])
def test_convolving_with_the_kernel_is_the_recurrence(initialisation, length):
    torch.manual_seed(0)
    kernel = DiagonalKernel(5, state=6, initialisation=initialisation, steps=(0.001, 0.1)).double()
    x = torch.randn(2, 5, length, dtype=torch.float64)
    two_sided = F.pad(kernel(length), (length - 1, 0))
    torch.testing.assert_close(convolve(x, two_sided), recurrence(kernel, x))


def test_the_second_direction_is_the_recurrence_run_backwards_and_starts_one_sample_away():
    torch.manual_seed(0)
    layer = S4Layer(
        3, state=4, dropout=0.0, is_bidirectional=True, initialisation="lin", steps=(0.01, 0.1)
    ).double()
    x = torch.randn(1, 3, 40, dtype=torch.float64)
    ahead, behind = layer.kernels
    later = F.pad(x, (0, 1))[..., 1:]
    expected = recurrence(ahead, x) + recurrence(behind, later.flip(-1)).flip(-1)
    torch.testing.assert_close(convolve(x, layer.kernel(40)), expected)


@pytest.mark.parametrize("length", [1, 2, 31, 140])
def test_both_convolutions_are_the_sum_over_all_lags(length):
    generator = torch.Generator().manual_seed(length)
    x = torch.randn(2, 3, length, dtype=torch.float64, generator=generator)
    kernel = torch.randn(3, 2 * length - 1, dtype=torch.float64, generator=generator)
    expected = torch.zeros_like(x)
    for i in range(length):
        for j in range(length):
            expected[..., j] += x[..., i] * kernel[:, j - i + length - 1]
    torch.testing.assert_close(by_product(x, kernel), expected)
    torch.testing.assert_close(by_transform(x, kernel), expected)


def test_oscillators_start_at_the_published_frequencies():
    lin = DiagonalKernel(1, state=8, initialisation="lin", steps=(0.001, 0.1))
    assert lin.frequency[0].tolist() == pytest.approx([0, math.pi, 2 * math.pi, 3 * math.pi])
    inv = DiagonalKernel(1, state=8, initialisation="inv", steps=(0.001, 0.1))
    expected = [8 / math.pi * (8 / (2 * n + 1) - 1) for n in range(4)]
    assert inv.frequency[0].tolist() == pytest.approx(expected)
    assert lin.log_decay.exp().unique().tolist() == pytest.approx([0.5])


def test_the_benchmark_size_is_the_default():
    config = S4Config()
    assert (config.dim, config.depth, config.state, config.dropout) == (512, 4, 8, 0.2)
    assert config.stride == 1
    n_parameters = sum(p.numel() for p in S4(config).parameters())
    # Embedding, then per layer two kernels, the direct path, the gated map and the norm.
    kernels = 2 * (512 + 512 * 4 * 4)
    layer = kernels + 512 + 512 * 1024 + 1024 + 2 * 512
    assert n_parameters == 12 * 512 + 512 + 4 * layer


@pytest.mark.parametrize("at", [0, 101, 399])
def test_one_direction_sees_the_past_only_and_two_see_all(at, make_batch, noise):
    signal = noise(n_windows=1, n_samples=400).double()
    other = signal.clone()
    other[0, 3, at] += 1.0

    def moved(encoder):
        before, after = (encoder.double()(make_batch(each)).tokens for each in (signal, other))
        return ((before - after).abs().amax(dim=2)[0] > 1e-12).nonzero().flatten().tolist()

    causal = moved(build(is_bidirectional=False, stride=1))
    assert causal[0] == at
    both = moved(build(stride=1))
    assert both[0] < at or at == 0
    assert both[-1] > at or at == 399


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("length", [9, 250, 531])
def test_padding_changes_nothing(stride, length, make_batch, noise):
    encoder, signal = build(stride=stride), noise(n_samples=length)
    plain = encoder(make_batch(signal))
    padded = F.pad(signal, (0, 700 - length), value=9.0)
    for n_samples, rows in (([length, length], slice(None)), ([length, 700], slice(1))):
        encoded = encoder(make_batch(padded, n_samples))
        n = plain.tokens.shape[1]
        assert (encoded.is_valid[rows].sum(dim=1) == n).all()
        for ours, theirs in (
            (encoded.pooled[rows], plain.pooled[rows]),
            (encoded.tokens[rows, :n], plain.tokens[rows]),
        ):
            torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
        assert (encoded.tokens[rows, n:] == 0).all()


def test_windows_are_independent_and_an_absent_one_is_zero(make_batch, noise):
    encoder, signal = build(), noise(n_windows=3)
    together = encoder(make_batch(signal, [250, 90, 170])).pooled
    for b, n in enumerate([250, 90, 170]):
        alone = encoder(make_batch(signal[b : b + 1, :, :n])).pooled
        torch.testing.assert_close(together[b : b + 1], alone, atol=1e-5, rtol=1e-4)

    encoded = encoder(make_batch(signal, absent=(1,)))
    assert (encoded.pooled[1] == 0).all()
    assert not encoded.is_valid[1].any()
    torch.testing.assert_close(encoded.pooled[2], encoder(make_batch(signal)).pooled[2])


@pytest.mark.parametrize("is_bidirectional", [True, False])
def test_gradients_reach_every_parameter(is_bidirectional, make_batch, noise):
    encoder = build(is_bidirectional=is_bidirectional).train()
    encoder(make_batch(noise(), [250, 120])).pooled.square().sum().backward()
    silent = [n for n, p in encoder.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


def test_one_batch_can_be_learnt(make_batch, noise):
    torch.manual_seed(0)
    encoder = S4(S4Config(dim=16, depth=2, stride=4, dropout=0.0))
    head, target = nn.Linear(16, 2), torch.tensor([0, 1] * 4)
    batch = make_batch(noise(n_windows=8, n_samples=100))
    optimizer = torch.optim.AdamW([*encoder.parameters(), *head.parameters()], lr=1e-2)
    for _ in range(40):
        optimizer.zero_grad()
        loss = F.cross_entropy(head(encoder(batch).pooled), target)
        loss.backward()
        optimizer.step()
    assert loss < 0.1


def test_half_precision_stays_close(make_batch, noise):
    encoder, batch = build(dim=64), make_batch(noise(n_samples=700), [700, 600])
    exact = encoder(batch).pooled
    with torch.autocast("cpu", torch.bfloat16):
        low = encoder(batch).pooled
    assert F.cosine_similarity(low.float(), exact).min() > 0.999


@pytest.mark.parametrize("changes", [{"state": 7}, {"step_min": 0.2}, {"channels": ()}])
def test_contradictory_configs_are_refused(changes):
    with pytest.raises(ValidationError):
        S4Config(**changes)
