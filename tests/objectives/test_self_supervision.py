"""SimCLR, VICReg and CMSC: what they promise alike, and what each of them does."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from recorded import only

from medts.core.errors import MedtsError
from medts.losses.contrastive import group_ids
from medts.models.base import Encoder
from medts.objectives.cmsc import Cmsc, split_windows
from medts.objectives.settings.cmsc import CmscConfig
from medts.objectives.settings.simclr import SimClrConfig
from medts.objectives.settings.vicreg import VicregConfig
from medts.objectives.simclr import SimClr
from medts.objectives.vicreg import Vicreg
from medts.tensors.batch import Batch, Encoded

OBJECTIVES = {
    "simclr": lambda encoder, **more: SimClr(SimClrConfig(**more), encoder=encoder),
    "vicreg": lambda encoder, **more: Vicreg(
        VicregConfig(projection_dim=64, **more), encoder=encoder
    ),
    "cmsc": lambda encoder, **more: Cmsc(CmscConfig(), encoder=encoder),
}
EACH = pytest.mark.parametrize("name", OBJECTIVES)


class Constant(Encoder):
    """Says the same about every window."""

    def __init__(self) -> None:
        super().__init__()
        self.dim = 16
        self.row = torch.nn.Parameter(torch.randn(16, generator=torch.Generator().manual_seed(0)))

    def forward(self, batch: Batch) -> Encoded:
        pooled = self.row.expand(len(batch), -1)
        return Encoded(pooled[:, None], torch.ones(len(batch), 1, dtype=torch.bool), pooled)


@EACH
def test_one_batch_is_learnt(make_encoder, make_batch, learn, mild, name):
    objective, batch = OBJECTIVES[name](make_encoder(), views=mild), make_batch()
    losses = learn(objective, batch, n_steps=25)
    assert losses[-1] < 0.7 * losses[0]
    assert objective(batch).parts["collapsed_ratio"] == 0


@EACH
def test_gradients_reach_every_parameter(make_encoder, make_batch, silent, name):
    assert silent(OBJECTIVES[name](make_encoder()), make_batch()) == []


@EACH
def test_a_constant_embedding_is_flagged(make_encoder, make_batch, name):
    parts = OBJECTIVES[name](Constant())(make_batch()).parts
    assert parts["embedding_std"] < 1e-3
    assert parts["collapsed_ratio"] == 1
    assert parts["effective_rank"] == 0
    varied = OBJECTIVES[name](make_encoder())(make_batch()).parts
    assert varied["collapsed_ratio"] < 0.5
    assert varied["effective_rank"] > 1


@EACH
def test_windows_without_a_signal_take_no_part(make_encoder, make_batch, name):
    objective = OBJECTIVES[name](make_encoder()).eval()
    batch = make_batch()
    stream = batch.streams["ecg"]
    is_present = torch.tensor([True] * 6 + [False] * 2)
    partly = replace(batch, streams={"ecg": only(stream, windows=is_present)})
    dirty = stream.signal.clone()
    dirty[6:] = torch.randn_like(dirty[6:])
    other = replace(batch, streams={"ecg": replace(partly.streams["ecg"], signal=dirty)})
    totals = []
    for each in (partly, other):
        torch.manual_seed(1)
        losses = objective(each)
        totals.append(losses.total.detach())
        assert all(part.isfinite() for part in losses.parts.values())
    torch.testing.assert_close(*totals)
    nobody = replace(batch, streams={"ecg": only(stream, windows=torch.zeros(8, dtype=torch.bool))})
    assert objective(nobody).total == 0


@EACH
def test_the_encoder_sees_two_different_views_of_each_window(make_encoder, make_batch, name):
    objective = OBJECTIVES[name](make_encoder())
    seen = []
    objective.encoder.register_forward_hook(
        lambda _, given, __: seen.append(given[0].streams["ecg"].signal)
    )
    objective(make_batch())
    assert len(seen) == 2
    assert seen[0].shape != seen[1].shape or not torch.equal(*seen)


def test_simclr_scores_the_projections_of_both_views(make_encoder, make_batch):
    objective = OBJECTIVES["simclr"](make_encoder())
    seen = []
    objective.projector.register_forward_hook(lambda _, __, z: seen.append(z))
    losses = objective(make_batch(n_windows=5))
    z = F.normalize(torch.cat(seen), dim=1)
    scores = (z @ z.T / 0.1).fill_diagonal_(-torch.inf)
    expected = F.cross_entropy(scores, torch.arange(10).roll(5))
    torch.testing.assert_close(losses.total, expected)


def test_vicreg_adds_its_three_terms(make_encoder, make_batch):
    objective = OBJECTIVES["vicreg"](make_encoder())
    seen = []
    objective.projector.register_forward_hook(lambda _, __, z: seen.append(z))
    losses = objective(make_batch())
    first, second = seen
    spread = [(1 - (z.var(dim=0) + 1e-4).sqrt()).clamp(min=0).mean() for z in seen]
    is_other = ~torch.eye(64, dtype=torch.bool)
    covariance = [torch.cov(z.T)[is_other].square().sum() / 64 for z in seen]
    expected = 25 * (first - second).square().mean() + 12.5 * sum(spread) + sum(covariance)
    torch.testing.assert_close(losses.total, expected)
    named = ("invariance", "variance", "covariance")
    torch.testing.assert_close(sum(losses.parts[name] for name in named), expected.detach())


def test_vicreg_refuses_to_train_on_single_windows(make_encoder, make_batch):
    with pytest.raises(MedtsError, match="this batch has one"):
        OBJECTIVES["vicreg"](make_encoder())(make_batch(n_windows=1))


def test_a_pair_of_halves_is_the_window_and_positives_are_of_one_subject(make_encoder, make_batch):
    batch = make_batch(n_windows=4)
    halves = split_windows(batch)
    joined = torch.cat([half.streams["ecg"].signal for half in halves], dim=2)
    assert torch.equal(joined, batch.streams["ecg"].signal)

    objective = OBJECTIVES["cmsc"](make_encoder())
    seen = []
    objective.projector.register_forward_hook(lambda _, __, z: seen.append(z))
    people = ("x/a", "x/b", "x/a", "x/c")
    losses = objective(replace(batch, subject_ids=people))
    first, second = (F.normalize(z, dim=1) for z in seen)
    log_p = [(s / 0.1).log_softmax(dim=1) for s in (first @ second.T, second @ first.T)]
    positives = ([0, 2], [1], [0, 2], [3])
    expected = -sum(each[i, p].mean() for each in log_p for i, p in enumerate(positives)) / 8
    torch.testing.assert_close(losses.total, expected)


@pytest.mark.parametrize("positives", ["subject", "record", "window"])
def test_cmsc_knows_who_is_who(make_encoder, make_batch, positives):
    objective = Cmsc(CmscConfig(positives=positives), encoder=make_encoder())
    batch = replace(make_batch(), subject_ids=("x/a",) * 8)
    alike = torch.stack([p for _, p in sorted(objective(batch).parts.items())])
    batch = replace(batch, record_ids=("x/1",) * 8)
    other = torch.stack([p for _, p in sorted(objective(batch).parts.items())])
    assert torch.allclose(alike, other) == (positives != "record")


def test_equal_names_have_equal_numbers_in_every_process():
    numbers = group_ids(["ptb-xl/1", "ptb-xl/2", "ptb-xl/1"])
    assert numbers[0] == numbers[2] != numbers[1]
    # hash() of a text differs between processes; this value was computed once and must not move.
    assert numbers.tolist()[:2] == [3293167066605448574, -6096291736858630426]
