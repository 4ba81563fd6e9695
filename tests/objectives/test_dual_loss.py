from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError

from medts.models.heads import Head
from medts.models.settings.heads import HeadConfig
from medts.objectives.classification import Classification
from medts.objectives.dual_loss import DualLoss, log_prior
from medts.objectives.settings.classification import ClassificationConfig
from medts.objectives.settings.dual_loss import DualLossConfig

SINGLE = torch.eye(3)[[0, 1, 2, 0, 1, 2, 0, 1]].tolist()
MULTI = [[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 0]]
BOTH = pytest.mark.parametrize(("kind", "target"), [("single", SINGLE), ("multi", MULTI)])
PLAIN = HeadConfig(hidden=0, dropout=0.0, normalise=False)


@pytest.fixture
def build(make_encoder):
    """Builds objectives with the same initial encoder and head."""

    def make(objective, config, batch, head=PLAIN):
        encoder = make_encoder()
        assert batch.label_set is not None
        return objective(
            config,
            encoder=encoder,
            head=Head(head, dim=encoder.dim, label_set=batch.label_set),
            label_set=batch.label_set,
            prevalence=torch.tensor([0.5, 0.3, 0.2]),
        )

    return make


@BOTH
@pytest.mark.parametrize("is_training", [True, False])
@pytest.mark.parametrize("more", [{}, {"class_balance": 0.5, "label_smoothing": 0.1}])
def test_without_contrast_it_is_classification(
    build, make_batch, unchanged, kind, target, is_training, more
):
    batch = make_batch(target=target, kind=kind)
    dual = build(DualLoss, DualLossConfig(contrast=0.0, views=unchanged, **more), batch)
    plain = build(Classification, ClassificationConfig(**more), batch)
    dual.train(is_training)
    plain.train(is_training)
    found, expected = dual(batch), plain(batch)
    torch.testing.assert_close(found.total, expected.total)
    found.total.backward()
    expected.total.backward()
    for part in ("encoder", "head"):
        pairs = zip(
            getattr(dual, part).parameters(), getattr(plain, part).parameters(), strict=True
        )
        for ours, theirs in pairs:
            torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-6, rtol=1e-4)
    assert torch.equal(dual.predict(batch).logits, plain.predict(batch).logits)
    assert dual.predict(batch).label_set == batch.label_set


@BOTH
def test_with_contrast_alone_the_head_gets_no_gradient(build, make_batch, kind, target):
    batch = make_batch(target=target, kind=kind)
    objective = build(DualLoss, DualLossConfig(contrast=1.0), batch)
    losses = objective(batch)
    losses.total.backward()
    assert not any(p.grad.any() for p in objective.head.parameters())
    for part in (objective.encoder, objective.projector):
        assert all(p.grad.any() for p in part.parameters())
    torch.testing.assert_close(losses.total.detach(), losses.parts["contrast"])


@BOTH
def test_the_parts_are_weighted_and_averaged_over_two_views(build, make_batch, kind, target):
    batch = make_batch(target=target, kind=kind)
    objective = build(DualLoss, DualLossConfig(contrast=0.25), batch)
    seen = []
    objective.head.layers.register_forward_hook(lambda _, __, logits: seen.append(logits))
    losses = objective(batch)
    assert len(seen) == 2
    assert not torch.allclose(seen[0], seen[1])
    if kind == "single":
        expected = sum(F.cross_entropy(each, batch.target.argmax(dim=1)) for each in seen) / 2
    else:
        expected = sum(F.binary_cross_entropy_with_logits(e, batch.target) for e in seen) / 2
    torch.testing.assert_close(losses.parts["cross_entropy"], expected.detach())
    parts = losses.parts["cross_entropy"] * 0.75 + losses.parts["contrast"] * 0.25
    torch.testing.assert_close(losses.total.detach(), parts)


@BOTH
def test_windows_without_a_label_take_no_part(build, make_batch, unchanged, kind, target):
    config = DualLossConfig(contrast=0.5, views=unchanged)
    batch = make_batch(target=target, kind=kind)
    objective = build(DualLoss, config, batch)
    is_labelled = torch.ones(8, dtype=torch.bool)
    is_labelled[6:] = False
    partly = replace(batch, is_labelled=is_labelled)
    expected = objective(partly)
    signal = batch.streams["ecg"].signal.clone()
    signal[6:] = torch.randn_like(signal[6:])
    streams = {"ecg": replace(batch.streams["ecg"], signal=signal)}
    other_target = batch.target.clone()
    other_target[6:] = 1 - other_target[6:]
    torch.testing.assert_close(
        objective(replace(partly, streams=streams, target=other_target)).total, expected.total
    )
    assert not torch.allclose(objective(batch).total, expected.total)

    none = objective(replace(batch, is_labelled=torch.zeros(8, dtype=torch.bool)))
    none.total.backward()
    assert none.total == 0


def test_one_class_only_is_finite(build, make_batch):
    batch = make_batch(target=[[0, 1, 0]] * 8)
    assert build(DualLoss, DualLossConfig(), batch)(batch).total.isfinite()


@BOTH
def test_logit_adjustment_shifts_training_by_the_prior_and_not_the_prediction(
    build, make_batch, unchanged, kind, target
):
    batch = make_batch(target=target, kind=kind)
    config = DualLossConfig(contrast=0.0, views=unchanged, logit_adjustment=2.0)
    objective = build(DualLoss, config, batch)
    prior = torch.tensor([0.5, 0.3, 0.2])
    shift = 2 * (prior.log() if kind == "single" else (prior / (1 - prior)).log())
    logits = objective.predict(batch).logits
    if kind == "single":
        expected = F.cross_entropy(logits + shift, batch.target.argmax(dim=1))
    else:
        expected = F.binary_cross_entropy_with_logits(logits + shift, batch.target)
    torch.testing.assert_close(objective(batch).total, expected)
    plain = build(DualLoss, config.but(logit_adjustment=0.0), batch)
    assert torch.equal(plain.predict(batch).logits, logits)


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_the_prior_of_a_class_without_examples_is_finite(kind):
    assert log_prior(torch.tensor([0.0, 0.5, 1.0]), kind=kind).isfinite().all()


@BOTH
def test_gradients_reach_every_parameter(build, make_batch, silent, kind, target):
    batch = make_batch(target=target, kind=kind)
    assert silent(build(DualLoss, DualLossConfig(), batch), batch) == []


@BOTH
def test_one_batch_is_learnt(build, make_batch, learn, mild, kind, target):
    batch = make_batch(target=target, kind=kind)
    objective = build(DualLoss, DualLossConfig(views=mild), batch, head=HeadConfig(hidden=16))
    before = objective(batch).parts
    learn(objective, batch, n_steps=25)
    after = objective.eval()(batch).parts
    assert after["cross_entropy"] < 0.5 * before["cross_entropy"]
    assert after["contrast"] < 0.8 * before["contrast"]


def test_balancing_twice_is_refused():
    with pytest.raises(ValidationError, match="do the same twice"):
        DualLossConfig(class_balance=1.0, logit_adjustment=1.0)
