from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError
from recorded import batch_with_only

from medts.core.errors import ConfigError
from medts.models.baselines.xresnet1d import XResNet1d
from medts.models.settings.ecg_nat import TOTAL_STRIDE, EcgNatConfig
from medts.models.settings.xresnet1d import XResNet1dConfig
from medts.objectives.masked_reconstruction import (
    MaskedReconstruction,
    sample_hidden,
    split_units,
)
from medts.objectives.settings.base import check_fit
from medts.objectives.settings.masked_reconstruction import MaskedReconstructionConfig


@pytest.fixture
def make_objective(make_encoder):
    def make(*, encoder=None, **changes):
        encoder = make_encoder() if encoder is None else encoder
        config = MaskedReconstructionConfig(**{"decoder_dim": 32, "decoder_depth": 1, **changes})
        return MaskedReconstruction(config, encoder=encoder)

    return make


def with_stream(batch, **changes):
    return replace(batch, streams={"ecg": replace(batch.streams["ecg"], **changes)})


@pytest.mark.parametrize("unit", [32, 64])
@pytest.mark.parametrize("n_samples", [320, 331])
def test_hidden_samples_carry_no_information(make_objective, make_batch, unit, n_samples):
    objective = make_objective(unit=unit, lead_dropout_p=1.0).eval()
    torch.nn.init.normal_(objective.mask_token)
    batch = make_batch(n_samples=n_samples, n_valid=[n_samples] * 6 + [200, 97])
    masked = objective.hide(batch)
    is_hidden = masked.is_hidden(unit)
    assert masked.is_dropped.any()
    assert 0.3 < is_hidden.float().mean() < 0.9
    other = torch.where(is_hidden, 100 * torch.randn_like(masked.signal), masked.signal)
    drawn = objective.restore(masked)
    assert torch.equal(objective.restore(replace(masked, signal=other)), drawn)

    b, c, t = (masked.is_recorded & ~is_hidden).nonzero()[0].tolist()
    other = masked.signal.clone()
    other[b, c, t] += 1.0  # what is visible does carry some
    assert not torch.equal(objective.restore(replace(masked, signal=other))[b], drawn[b])


def test_a_hidden_unit_is_hidden_as_a_whole_in_all_leads(make_objective, make_batch):
    objective = make_objective(hide_ratio=0.6, lead_dropout_p=0.0)
    masked = objective.hide(make_batch(n_samples=1000, n_valid=[1000] * 7 + [500]))
    assert TOTAL_STRIDE == objective.config.unit == 32
    assert masked.is_unit_hidden.shape == (8, 32)  # the last unit has 8 samples
    assert masked.is_unit_hidden.sum(dim=1).tolist() == [19] * 7 + [round(0.6 * 16)]
    is_hidden = masked.is_hidden(32)
    assert torch.equal(is_hidden, is_hidden[:, :1].expand(-1, 12, -1))
    whole = split_units(is_hidden[..., :992], 32)
    assert torch.equal(whole.all(dim=-1), whole.any(dim=-1))
    assert not masked.is_scored(32)[7, :, 500:].any()


def test_the_hidden_share_is_exact_and_something_always_stays():
    torch.manual_seed(0)
    n_units = torch.tensor([0, 1, 2, 10, 20])
    for ratio, expected in (
        (0.6, [0, 1, 1, 6, 12]),
        (0.01, [0, 1, 1, 1, 1]),
        (0.99, [0, 1, 1, 9, 19]),
    ):
        is_hidden = sample_hidden(n_units, 20, ratio)
        assert is_hidden.sum(dim=1).tolist() == expected
        assert not (is_hidden & (torch.arange(20) >= n_units[:, None])).any()
    draws = torch.stack([sample_hidden(n_units, 20, 0.5)[4] for _ in range(400)]).float()
    assert draws.mean(dim=0).sub(0.5).abs().max() < 0.1


def test_the_loss_is_that_of_the_formula_over_hidden_and_recorded_samples(
    make_objective, make_batch
):
    objective = make_objective(lead_dropout_p=1.0, smallest_std=0.5).eval()
    batch = make_batch(n_windows=4, n_samples=200, n_valid=[200, 200, 140, 200])
    is_channel_present = torch.ones(4, 12, dtype=torch.bool)
    is_channel_present[1, 4:] = False
    batch = batch_with_only(
        batch, channels=is_channel_present, windows=torch.tensor([True, True, True, False])
    )
    masked, losses = objective.hide(batch), objective(batch)
    drawn = objective.restore(masked)
    errors, zeros = [], []
    for b, n in enumerate((200, 200, 140)):
        for c in range(12 if b != 1 else 4):
            for u in range(-(-n // 32)):
                if masked.is_unit_hidden[b, u] or masked.is_dropped[b, c]:
                    part = slice(32 * u, min(n, 32 * u + 32))
                    true = masked.signal[b, c, part]
                    true = (true - true.mean()) / true.std(correction=0).clamp(min=0.5)
                    errors.append((drawn[b, c, part] - true).square())
                    zeros.append(true.square())
    torch.testing.assert_close(losses.total, torch.cat(errors).mean())
    torch.testing.assert_close(losses.parts["reconstruction"], losses.total.detach())
    torch.testing.assert_close(losses.parts["predict_zero"], torch.cat(zeros).mean())


def test_padding_and_absent_leads_never_count(make_objective, make_batch):
    objective = make_objective(lead_dropout_p=0.0).eval()
    batch = make_batch(n_windows=2, n_valid=[320, 224])
    is_channel_present = torch.ones(2, 12, dtype=torch.bool)
    is_channel_present[0, 5] = False
    batch = batch_with_only(batch, channels=is_channel_present)
    dirty = batch.streams["ecg"].signal.clone()
    dirty[1, :, 224:], dirty[0, 5] = 50.0, torch.nan
    expected = objective(batch)
    found = objective(with_stream(batch, signal=dirty))
    assert torch.equal(found.total, expected.total)
    assert found.parts.keys() == expected.parts.keys()
    assert torch.equal(found.parts["correlation"], expected.parts["correlation"])


def test_a_gap_in_one_lead_is_never_scored_and_moves_no_other_target(make_objective, make_batch):
    objective = make_objective(lead_dropout_p=0.0).eval()
    batch = make_batch(n_windows=2, n_samples=320, n_valid=[320, 320])
    stream, gap = batch.streams["ecg"], slice(100, 230)
    stream.is_recorded[1, 5, gap] = False
    masked = objective.hide(batch)
    is_scored = masked.is_scored(objective.config.unit)
    assert is_scored[1, 4, gap].any()
    assert not is_scored[1, 5, gap].any()
    noisy = stream.signal.clone()
    noisy[1, 5, gap] = 1e4
    losses = [objective(with_stream(batch, signal=each)) for each in (stream.signal, noisy)]
    assert torch.equal(losses[0].total, losses[1].total)
    target = objective.standardise(masked)[0].flatten(2)
    part = slice(96, 100)  # of the unit in which the gap begins
    expected = noisy[1, 5, part] - noisy[1, 5, part].mean()
    spread = expected.std(correction=0).clamp(min=objective.config.smallest_std)
    torch.testing.assert_close(target[1, 5, part], expected / spread)


def test_predicting_zero_scores_one(make_objective, make_batch):
    objective = make_objective()
    torch.nn.init.zeros_(objective.decoder.outward.weight)
    torch.nn.init.zeros_(objective.decoder.outward.bias)
    losses = objective(make_batch())
    assert losses.total.item() == pytest.approx(1.0, abs=1e-3)
    assert losses.parts["predict_zero"].item() == pytest.approx(1.0, abs=1e-3)


def test_flat_leads_and_empty_batches_are_finite(make_objective, make_batch):
    objective = make_objective()
    batch = make_batch()
    signal = batch.streams["ecg"].signal.clone()
    signal[:, 3] = 2.5
    absent = torch.zeros(8, dtype=torch.bool)
    for odd in (with_stream(batch, signal=signal), batch_with_only(batch, windows=absent)):
        objective.zero_grad()
        losses = objective(odd)
        losses.total.backward()
        assert losses.total.isfinite()
        assert all(part.isfinite() for part in losses.parts.values())
        grads = [p.grad for p in objective.parameters() if p.grad is not None]
        assert all(grad.isfinite().all() for grad in grads)
    assert losses.total == 0


def test_leads_are_scored_by_name(make_objective, make_batch):
    objective = make_objective().eval()
    batch = make_batch()
    stream = batch.streams["ecg"]
    order = [3, 1, 0, 2, *range(4, 12)]
    shuffled = with_stream(
        batch,
        signal=stream.signal[:, order],
        channels=tuple(stream.channels[c] for c in order),
    )
    torch.testing.assert_close(objective(shuffled).total, objective(batch).total)
    few = with_stream(
        batch,
        signal=stream.signal[:, [1, 7]],
        channels=("II", "V2"),
        is_recorded=stream.is_recorded[:, [1, 7]],
    )
    assert objective.hide(few).is_recorded.any(dim=2).sum(dim=1).tolist() == [2] * 8
    assert objective(few).total.isfinite()


@pytest.mark.parametrize("changes", [{}, {"difference": 0.1, "unit": 64}])
def test_one_puzzle_is_learnt_and_beats_predicting_zero(make_objective, make_batch, learn, changes):
    objective = make_objective(**changes).eval()  # the same units are hidden at every step
    batch = make_batch(n_windows=6)
    before = objective(batch).parts
    learn(objective, batch, n_steps=60)
    after = objective(batch).parts
    assert after["reconstruction"] < 0.8 * after["predict_zero"] < before["reconstruction"]
    assert after["correlation"] > before["correlation"] + 0.1


@pytest.mark.parametrize("is_single_scale", [False, True])
def test_gradients_reach_every_parameter(
    make_objective, make_encoder, make_batch, silent, is_single_scale
):
    objective = make_objective(
        encoder=make_encoder(is_single_scale=is_single_scale), decoder_depth=2
    )
    assert silent(objective, make_batch(n_valid=[320] * 7 + [100])) == []


def test_the_same_units_are_hidden_at_every_validation(make_objective, make_batch):
    objective, batch = make_objective(), make_batch()
    assert objective(batch).total != objective(batch).total
    objective.eval()
    assert objective(batch).total == objective(batch).total


def test_half_precision_stays_close(make_objective, make_batch):
    objective, batch = make_objective().eval(), make_batch()
    expected = objective(batch).total
    with torch.autocast("cpu", torch.bfloat16):
        found = objective(batch).total
    assert found.dtype == torch.float
    assert found.item() == pytest.approx(expected.item(), rel=0.02)


def test_reconstructions_are_drawn_by_name_and_keep_what_was_visible(make_objective, make_batch):
    objective = make_objective().eval()
    batch = make_batch(n_samples=331)
    found = objective.reconstruct(batch)
    assert found.channels[1] == "II"
    assert found.sampling_rate == 100.0
    assert torch.equal(found.signal, batch.streams["ecg"].signal)
    assert torch.equal(found.restored[~found.is_hidden], found.signal[~found.is_hidden])
    error = (found.restored - found.signal).abs()
    assert error[found.is_hidden].mean() > 0
    assert not found.restored.requires_grad


def test_a_perfect_drawing_correlates_fully_and_is_the_signal(
    make_objective, make_batch, monkeypatch
):
    objective, batch = make_objective().eval(), make_batch()
    target = objective.standardise(objective.hide(batch))[0]
    monkeypatch.setattr(objective, "restore", lambda _: target.flatten(2))
    losses = objective(batch)
    assert losses.total == 0
    assert losses.parts["correlation"].item() == pytest.approx(1.0, abs=1e-4)
    found = objective.reconstruct(batch)
    torch.testing.assert_close(found.restored, found.signal, atol=1e-4, rtol=1e-4)


def test_an_encoder_without_scales_is_refused():
    encoder = XResNet1d(XResNet1dConfig(size="10", width=8))
    with pytest.raises(ConfigError, match="cannot hide tokens of a XResNet1d"):
        MaskedReconstruction(MaskedReconstructionConfig(), encoder=encoder)


def test_units_fit_the_encoder():
    with pytest.raises(ConfigError, match=r"unit: 48 samples .* no multiple of the 32"):
        check_fit(EcgNatConfig(), MaskedReconstructionConfig(unit=48))
    for changes in ({"unit": 0}, {"hide_ratio": 1.0}, {"decoder_dim": 40}):
        with pytest.raises(ValidationError):
            MaskedReconstructionConfig(**changes)
