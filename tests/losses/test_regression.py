import pytest
import torch
import torch.nn.functional as F

from medts.losses.regression import huber_loss

TORCH = torch.Generator().manual_seed(0)
PREDICTED, TARGET = (3 * torch.randn(7, 2, generator=TORCH) for _ in range(2))
EVERYONE = torch.ones(7, dtype=torch.bool)


@pytest.mark.parametrize("delta", [0.3, 1.0, 5.0])
def test_it_is_torchs_huber_loss(delta):
    found = huber_loss(PREDICTED, TARGET, EVERYONE, delta=delta)
    assert found.item() == pytest.approx(F.huber_loss(PREDICTED, TARGET, delta=delta).item())


def test_it_is_a_loop_over_what_is_known():
    target = TARGET.clone()
    target[1, 0] = target[4, 1] = float("nan")
    is_labelled = EVERYONE.clone()
    is_labelled[2] = False
    terms = []
    for row in range(7):
        for k in range(2):
            if not is_labelled[row] or target[row, k].isnan():
                continue
            error = abs(float(PREDICTED[row, k] - target[row, k]))
            terms.append(error**2 / 2 if error <= 1 else error - 0.5)
    found = huber_loss(PREDICTED, target, is_labelled, delta=1.0)
    assert found.item() == pytest.approx(sum(terms) / len(terms), rel=1e-6)


def test_a_missing_target_has_no_gradient():
    target = TARGET.clone()
    target[1, 0] = float("nan")
    predicted = PREDICTED.clone().requires_grad_()
    huber_loss(predicted, target, EVERYONE, delta=1.0).backward()
    assert predicted.grad is not None
    assert predicted.grad.isfinite().all()
    assert predicted.grad[1, 0] == 0
    assert (predicted.grad != 0).sum() == 13


def test_nothing_labelled_scores_zero():
    predicted = PREDICTED.clone().requires_grad_()
    loss = huber_loss(predicted, TARGET * float("nan"), EVERYONE, delta=1.0)
    loss.backward()
    assert loss.item() == 0
    assert predicted.grad is not None
    assert not predicted.grad.any()
