import pytest
import torch
import torch.nn.functional as F

from medts.losses.classification import binary_cross_entropy, softmax_cross_entropy
from medts.objectives.classification import balancing_weight

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 1.0, -2.0], [9.0, 9.0, 9.0]])
TARGET = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
IS_LABELLED = torch.tensor([True, True, False])


def test_softmax_cross_entropy_is_the_textbooks_over_labelled_windows():
    p = LOGITS.softmax(dim=1)
    expected = -(p[0, 0].log() + p[1, 1].log()) / 2
    assert softmax_cross_entropy(LOGITS, TARGET, IS_LABELLED).item() == pytest.approx(
        expected.item()
    )


def test_binary_cross_entropy_is_the_textbooks_over_labelled_windows():
    p = LOGITS.sigmoid()[:2]
    terms = -(TARGET[:2] * p.log() + (1 - TARGET[:2]) * (1 - p).log())
    loss = binary_cross_entropy(LOGITS, TARGET, IS_LABELLED)
    assert loss.item() == pytest.approx(terms.mean().item(), rel=1e-5)


@pytest.mark.parametrize("loss", [softmax_cross_entropy, binary_cross_entropy])
def test_an_unlabelled_window_carries_no_information(loss):
    other = LOGITS.clone()
    other[2] = -50.0
    assert torch.equal(loss(LOGITS, TARGET, IS_LABELLED), loss(other, TARGET, IS_LABELLED))
    nobody = torch.zeros(3, dtype=torch.bool)
    logits = LOGITS.clone().requires_grad_()
    loss(logits, TARGET, nobody).backward()
    assert not logits.grad.any()


def test_class_weights_agree_with_torch():
    weight = torch.tensor([1.0, 5.0, 2.0])
    ours = softmax_cross_entropy(LOGITS[:2], TARGET[:2], IS_LABELLED[:2], weight)
    assert ours.item() == pytest.approx(
        F.cross_entropy(LOGITS[:2], torch.tensor([0, 1]), weight).item()
    )
    ours = binary_cross_entropy(LOGITS[:2], TARGET[:2], IS_LABELLED[:2], weight)
    theirs = F.binary_cross_entropy_with_logits(LOGITS[:2], TARGET[:2], pos_weight=weight)
    assert ours.item() == pytest.approx(theirs.item())


def test_balancing_gives_rare_classes_equal_say():
    share = torch.tensor([0.75, 0.25, 0.0])
    single = balancing_weight(share, kind="single")
    assert (single * share)[:2].tolist() == pytest.approx([0.5, 0.5])
    assert single[2] == 1.0
    multi = balancing_weight(share, kind="multi")
    assert multi.tolist() == pytest.approx([1 / 3, 3.0, 1.0])
