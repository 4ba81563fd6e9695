"""Latent masking: what is hidden, what it costs, and whether anything is learnt."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from recorded import only, recorded

from medts.core.errors import ConfigError, MedtsError
from medts.losses.collapse import CollapseAlarm, collapse_parts, effective_rank
from medts.losses.contrastive import redundancy, spread_hinge
from medts.models.crossl import Crossl
from medts.models.ecg_nat import EcgNat
from medts.models.settings.base import StreamInput
from medts.models.settings.crossl import CrosslConfig
from medts.models.settings.ecg_nat import EcgNatConfig
from medts.nn.settings import ViewsConfig
from medts.nn.views import make_view
from medts.objectives.cmsc import Cmsc
from medts.objectives.cross_modal import CrossModal, cocoa
from medts.objectives.latent_masking import LatentMasking, disagreement, hide_values
from medts.objectives.settings.cmsc import CmscConfig
from medts.objectives.settings.cross_modal import CrossModalConfig
from medts.objectives.settings.latent_masking import LatentMaskingConfig
from medts.objectives.settings.simclr import SimClrConfig
from medts.objectives.settings.vicreg import VicregConfig
from medts.objectives.simclr import SimClr
from medts.objectives.vicreg import Vicreg
from medts.tensors.batch import Batch, Latents, StreamBatch

NAMES = ("acc", "gyro", "hr")
THEIRS = {"projector_ratio": 0, "invariance": 10, "variance": 10, "covariance": 100}
"""Where the authors' code puts the loss, and its weights."""


def make_encoder(names=NAMES, **changes):
    torch.manual_seed(0)
    streams = {name: StreamInput(channels=("x", "y")) for name in names}
    sizes = {"latent_dim": 16, "dim": 8, "dropout": 0.0, "kernels": (5, 5, 3)}
    return Crossl(CrosslConfig(streams=streams, **{**sizes, **changes}))


def make_objective(encoder=None, **changes):
    return LatentMasking(LatentMaskingConfig(**changes), encoder=encoder or make_encoder())


def make_latents(n=4000, names=NAMES, width=16, absent=0.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    is_present = torch.rand(n, len(names), generator=generator) >= absent
    embedding = torch.randn(n, len(names), width, generator=generator)
    return Latents(embedding * is_present[..., None], is_present, names)


def sensors_of(hidden_state, seed=0, noise=0.3, names=NAMES, absent=()):
    """Windows in which every sensor shows the same hidden amplitudes in a way of its own."""
    generator = torch.Generator().manual_seed(seed)
    n, place = len(hidden_state), torch.arange(40) / 40
    waves = torch.stack([(2 * torch.pi * (k + 1) * place).sin() for k in range(4)])
    streams = {}
    for m, name in enumerate(names):
        mix = torch.randn(2, 4, generator=torch.Generator().manual_seed(100 + m))
        signal = torch.einsum("bk,ck,kt->bct", hidden_state, mix, waves)
        signal = signal + noise * torch.randn(signal.shape, generator=generator)
        is_present = torch.full((n,), name not in absent)
        streams[name] = StreamBatch(
            signal=signal * is_present[:, None, None],
            is_recorded=recorded(signal, windows=is_present),
            channels=("x", "y"),
            sampling_rate=20.0,
            modality="other",
        )
    ids = tuple(f"made-up/{b}" for b in range(n))
    return Batch(streams, ids, ids, (None,) * n)


def make_batch(n=16, seed=0, **changes):
    state = torch.randn(n, 4, generator=torch.Generator().manual_seed(seed))
    return sensors_of(state, seed=seed + 1, **changes)


def test_nothing_hidden_gives_equal_views_and_no_disagreement():
    objective, latents = make_objective(hide_ratio=0.0), make_latents(n=10)
    views = objective.sample_views(latents)
    assert torch.equal(views.embedding, latents.embedding.repeat(2, 1, 1))
    assert objective(make_batch()).parts["invariance"] == pytest.approx(0.0, abs=1e-10)
    assert make_objective()(make_batch()).parts["invariance"] > 1e-3


@pytest.mark.parametrize("hide_ratio", [0.1, 0.3, 0.5, 0.7])
def test_modalities_are_hidden_as_often_as_asked_and_views_are_independent(hide_ratio):
    torch.manual_seed(0)
    objective = make_objective(hide_ratio=hide_ratio, min_visible=0)
    first, second = objective.sample_views(make_latents()).is_present.unflatten(0, (2, -1))
    keep = 1 - hide_ratio
    assert first.float().mean() == pytest.approx(keep, abs=0.02)
    both = (first & second).float().mean(dim=0)
    np.testing.assert_allclose(both, keep**2, atol=0.03)
    # What the specification calls degenerate: nothing left, or no sensor in both views.
    assert (~first.any(dim=1)).float().mean() == pytest.approx((1 - keep) ** 3, abs=0.02)
    nothing_shared = (~(first & second).any(dim=1)).float().mean()
    assert nothing_shared == pytest.approx((1 - keep**2) ** 3, abs=0.03)


@pytest.mark.parametrize("min_visible", [1, 2])
def test_survivors_are_guaranteed_under_strong_hiding(min_visible):
    torch.manual_seed(0)
    latents = make_latents(absent=0.3)
    objective = make_objective(hide_ratio=0.7, min_visible=min_visible)
    shown = objective.sample_views(latents).is_present
    present = latents.is_present.repeat(2, 1)
    assert not (shown & ~present).any()
    assert (shown.sum(dim=1) >= present.sum(dim=1).clamp(max=min_visible)).all()


def test_one_modality_can_be_shared_by_all_views():
    torch.manual_seed(0)
    objective = make_objective(hide_ratio=0.7, is_one_shared=True, n_views=3)
    views = objective.sample_views(make_latents()).is_present.unflatten(0, (3, -1))
    assert views.all(dim=0).any(dim=1).all()
    assert not views.all(dim=0).all(dim=1).all()
    with pytest.raises(ValueError, match="spatial"):
        LatentMaskingConfig(strategy="random", is_one_shared=True)


def test_spatial_hides_whole_latents_and_random_single_values():
    torch.manual_seed(0)
    latents = make_latents(n=500)
    spatial = make_objective().sample_views(latents)
    is_zero = spatial.embedding == 0
    assert (is_zero.all(dim=2) == is_zero.any(dim=2)).all()
    assert torch.equal(~is_zero.any(dim=2), spatial.is_present)

    random = make_objective(strategy="random", hide_ratio=0.3).sample_views(latents)
    is_zero = (random.embedding == 0).float()
    assert random.embedding.shape == (1000, 3, 16)
    assert random.is_present.all()
    assert is_zero.mean() == pytest.approx(0.3, abs=0.01)
    assert not torch.equal(is_zero[:500], is_zero[500:])
    assert is_zero.mean(dim=2).std() == pytest.approx((0.3 * 0.7 / 16) ** 0.5, rel=0.1)
    kept = hide_values(latents, 0.0).embedding
    assert torch.equal(kept, latents.embedding)


@pytest.mark.parametrize("changes", [THEIRS, {}, {"n_views": 3}])
def test_the_terms_are_those_of_numpy(changes):
    objective = make_objective(**changes)
    seen = []
    last = objective.projector or objective.encoder.aggregator
    last.register_forward_hook(lambda _, __, z: seen.append(z.detach().double().numpy()))
    losses = objective(make_batch())
    config, views = objective.config, np.split(seen[0], objective.config.n_views)
    pairs = [(a, b) for i, a in enumerate(views) for b in views[i + 1 :]]
    invariance = np.mean([((a - b) ** 2).mean() for a, b in pairs])
    hinge = np.mean([np.maximum(0, 1 - np.sqrt(z.var(axis=0) + 1e-4)).mean() for z in views])
    covariance = []
    for z in views:
        matrix = np.cov(z.T)
        covariance.append((matrix**2).sum() - (np.diag(matrix) ** 2).sum())
    covariance = 2 * np.mean(covariance) / views[0].shape[1]
    expected = {
        "invariance": config.invariance * invariance,
        "variance": config.variance * hinge,
        "covariance": config.covariance * covariance,
    }
    for name, value in expected.items():
        assert losses.parts[name].item() == pytest.approx(value, rel=1e-3, abs=1e-6)
    assert losses.total.item() == pytest.approx(sum(expected.values()), rel=1e-3)


def test_a_constant_embedding_pays_the_full_hinge_and_still_has_a_gradient():
    z = torch.ones(8, 5, requires_grad=True)
    loss = spread_hinge(z, correction=0)
    assert loss.item() == pytest.approx(0.99)
    loss.backward()
    assert z.grad.isfinite().all()
    spread = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    hinge = torch.relu(1 - (spread.var(dim=0, correction=0) + 1e-4).sqrt()).mean()
    torch.testing.assert_close(spread_hinge(spread, correction=0), hinge)
    off_diagonal = torch.cov(spread.T) - torch.diag(torch.cov(spread.T).diagonal())
    torch.testing.assert_close(redundancy(spread), off_diagonal.square().sum() / 3)


def test_disagreement_is_the_mean_over_pairs_of_views():
    views = torch.randn(4, 6, 5, generator=torch.Generator().manual_seed(0))
    pairs = [(i, j) for i in range(4) for j in range(i)]
    expected = torch.stack([(views[i] - views[j]).square().mean() for i, j in pairs]).mean()
    torch.testing.assert_close(disagreement(views), expected)


@pytest.mark.parametrize("changes", [{}, THEIRS, {"strategy": "random"}])
@pytest.mark.parametrize("aggregator", ["attention", "mlp"])
def test_a_few_steps_reach_every_parameter(changes, aggregator):
    torch.manual_seed(0)
    objective = make_objective(make_encoder(aggregator=aggregator), **changes)
    for _ in range(3):
        objective(make_batch()).total.backward()
    silent = [n for n, p in objective.named_parameters() if p.grad is None or not p.grad.any()]
    # Single values leave every modality present, so nothing stands in for a missing one.
    is_token_idle = aggregator == "mlp" and objective.config.strategy == "random"
    assert silent == (["encoder.aggregator.token"] if is_token_idle else [])


def test_a_sensor_that_is_never_there_is_not_moved():
    objective = make_objective()
    objective(make_batch(absent=("gyro",))).total.backward()
    grads = [p.grad for p in objective.encoder.encoders["gyro"].parameters()]
    assert all(grad is None or not grad.any() for grad in grads)


def test_validation_hides_the_same_places_every_time_and_training_others():
    objective, batch = make_objective(), make_batch()
    assert objective(batch).total != objective(batch).total
    objective.eval()
    assert objective(batch).total == objective(batch).total


def test_encoding_for_use_hides_nothing():
    objective = make_objective(hide_ratio=0.7).eval()
    batch = make_batch()
    first, second = objective.encoder(batch), objective.encoder(batch)
    assert first.is_valid.all()
    assert torch.equal(first.pooled, second.pooled)


def test_windows_without_a_modality_take_no_part():
    objective = make_objective().eval()
    batch = make_batch(n=8)
    for name, stream in batch.streams.items():
        is_present = torch.arange(8) < 6
        batch.streams[name] = only(stream, windows=is_present)
    few = make_batch(n=8)
    streams = {
        name: StreamBatch(
            stream.signal[:6], stream.is_recorded[:6], stream.channels, stream.sampling_rate,
            stream.modality,
        )
        for name, stream in few.streams.items()
    }  # fmt: skip
    few = Batch(streams, few.record_ids[:6], few.subject_ids[:6], (None,) * 6)
    torch.testing.assert_close(objective(batch).total, objective(few).total)
    objective.train()
    with pytest.raises(MedtsError, match="fewer than two"):
        objective(make_batch(n=1))


def test_encoders_without_latents_are_refused():
    with pytest.raises(ConfigError, match="EcgNat has no latents to hide"):
        LatentMasking(LatentMaskingConfig(), encoder=EcgNat(EcgNatConfig(size="nano")))
    with pytest.raises(ConfigError, match="two or more modalities"):
        CrossModal(CrossModalConfig(), encoder=make_encoder(names=("acc",)))


def test_a_lasting_collapse_is_reported_once_and_a_recovery_is_not():
    flat = collapse_parts(torch.ones(16, 8))
    spread = collapse_parts(torch.randn(16, 8, generator=torch.Generator().manual_seed(0)))
    alarm = CollapseAlarm(patience=3)
    for parts in (flat, flat, spread, flat, flat):
        alarm(parts)
    with pytest.warns(UserWarning, match=r"collapsed for 3 batches: 100 % of the dimensions"):
        alarm(flat)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        alarm(flat)


def test_the_monitor_of_the_objective_sees_a_collapse():
    objective = make_objective(make_encoder(is_normalised=False))
    objective.alarm = CollapseAlarm(patience=1)
    torch.nn.init.zeros_(objective.encoder.aggregator.projection.weight)
    with pytest.warns(UserWarning, match="collapsed"):
        parts = objective(make_batch()).parts
    assert parts["collapsed_ratio"] == 1
    assert parts["effective_rank"] == 0


def pretrain(objective, n_steps=120, n=64):
    optimizer = torch.optim.Adam(objective.parameters(), lr=3e-3)
    for step in range(n_steps):
        optimizer.zero_grad()
        objective(make_batch(n=n, seed=10 * step)).total.backward()
        optimizer.step()
    return objective.encoder.eval()


@torch.no_grad()
def probe(encoder, absent=(), noise=0.3):
    """Share of the hidden state's variance that a linear readout of the embedding explains."""
    train, test = (
        torch.randn(n, 4, generator=torch.Generator().manual_seed(n)) for n in (200, 100)
    )
    x, y = (
        encoder(sensors_of(state, seed=seed, absent=gone, noise=noise)).pooled
        for state, seed, gone in ((train, 7, ()), (test, 8, absent))
    )
    x, y = (torch.cat([z, torch.ones(len(z), 1)], dim=1) for z in (x, y))
    weight = torch.linalg.lstsq(x.T @ x + 1e-3 * torch.eye(x.shape[1]), x.T @ train).solution
    return 1 - ((y @ weight - test).square().mean() / test.square().mean()).item()


def test_what_the_sensors_share_is_learnt_without_labels_and_nothing_collapses():
    torch.manual_seed(0)
    # Both start from the same weights; the noise drowns what an untrained encoder passes on.
    random = probe(make_encoder(dim=16).eval(), noise=1.0)
    torch.manual_seed(0)
    encoder = pretrain(make_objective(make_encoder(dim=16)))
    assert probe(encoder, noise=1.0) > random + 0.03
    z = encoder(make_batch(n=200)).pooled.detach()
    assert z.std(dim=0).min() > 0.02
    assert effective_rank(z) > 16 / 4
    # Three sensors say the same: one may go, and most stays.
    full = probe(encoder)
    assert probe(encoder, absent=("gyro",)) > full - 0.5


@pytest.mark.parametrize("form", ["cmc", "cocoa"])
def test_modalities_of_a_window_find_each_other(form):
    torch.manual_seed(0)
    encoder = make_encoder(features="encoder")
    objective = CrossModal(CrossModalConfig(form=form), encoder=encoder)
    batch = make_batch(n=24)
    optimizer = torch.optim.Adam(objective.parameters(), lr=3e-3)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        losses.append(objective(batch).total)
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < 0.7 * losses[0]
    silent = [n for n, p in objective.named_parameters() if p.grad is None or not p.grad.any()]
    assert all(name.startswith("encoder.aggregator.") for name in silent)
    assert objective(make_batch(n=4, absent=("acc", "gyro"))).total == 0


def test_cocoa_is_the_formula_of_its_code():
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(5, 3, 4, generator=generator)
    is_present = torch.ones(5, 3, dtype=torch.bool)
    is_present[1, 2] = is_present[3, 0] = False
    unit = torch.nn.functional.normalize(z, dim=2)
    losses = []
    for b in range(5):
        there = [m for m in range(3) if is_present[b, m]]
        positive = sum(
            (unit[b, m] @ unit[b, n] / 0.2).exp() for m in there for n in there if m != n
        )
        negative = 0.0
        for m in there:
            others = [j for j in range(5) if j != b and is_present[j, m]]
            scores = torch.stack([(unit[b, m] @ unit[j, m] / 0.2).exp() for j in others])
            negative = negative + scores.mean()
        losses.append(-(positive / (positive + negative)).log())
    expected = torch.stack(losses).mean()
    torch.testing.assert_close(cocoa(z, is_present, temperature=0.2), expected)


@pytest.mark.parametrize("make", [
    lambda encoder: SimClr(SimClrConfig(), encoder=encoder),
    lambda encoder: Vicreg(VicregConfig(projection_dim=32), encoder=encoder),
    lambda encoder: Cmsc(CmscConfig(), encoder=encoder),
], ids=["simclr", "vicreg", "cmsc"])  # fmt: skip
def test_the_usual_objectives_read_several_streams(make):
    torch.manual_seed(0)
    objective = make(make_encoder())
    losses = objective(make_batch(absent=("hr",)))
    losses.total.backward()
    moved = {
        name: any(p.grad is not None and p.grad.any() for p in module.parameters())
        for name, module in objective.encoder.encoders.items()
    }
    assert moved == {"acc": True, "gyro": True, "hr": False}


def test_a_view_takes_the_same_seconds_of_all_streams_whatever_their_rate():
    place = torch.arange(400.0)
    fast = replace(
        make_batch(n=3).streams["acc"],
        signal=place.expand(3, 2, -1).clone(),
        is_recorded=torch.ones(3, 2, 400, dtype=torch.bool),
        sampling_rate=40.0,
    )
    slow = replace(
        fast, signal=10 * torch.arange(40.0).expand(3, 2, -1).clone(),
        is_recorded=torch.ones(3, 2, 40, dtype=torch.bool), sampling_rate=4.0,
    )  # fmt: skip
    absent = slow.keep(torch.zeros_like(slow.is_recorded))
    batch = replace(make_batch(n=3), streams={"fast": fast, "slow": slow, "none": absent})
    config = ViewsConfig(gain=0, wander=0, noise=0, hide_ratio=0, drop_probability=0)
    torch.manual_seed(2)
    view = make_view(batch, config)
    seconds = [stream.signal.shape[2] / stream.sampling_rate for stream in view.streams.values()]
    np.testing.assert_allclose(seconds, seconds[0], atol=0.13)
    starts = [view.streams[name].signal[:, 0, 0] for name in ("fast", "slow")]
    torch.testing.assert_close(starts[0], starts[1], atol=11.0, rtol=0)
    assert len(set(starts[0].tolist())) == 3
    assert not view.streams["none"].signal.any()
    assert not view.streams["none"].is_channel_present.any()
