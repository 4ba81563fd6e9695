from itertools import product

import numpy as np
import pytest
import torch

from medts.losses.contrastive import (
    contrast,
    info_nce,
    multilabel_contrastive,
    nt_xent,
    per_anchor,
    redundancy,
    spread_hinge,
)


def rows(n=12, dim=5, seed=0):
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.double)


def terms_of(z, positives, temperature, others=None):
    """``-log p`` of each positive of each anchor, by the formula, one number at a time."""
    z = (z / z.norm(dim=1, keepdim=True)).numpy()
    found = {}
    for i, p in positives:
        candidates = [a for a in range(len(z)) if a != i] if others is None else others(i)
        below = sum(np.exp(z[i] @ z[a] / temperature) for a in candidates)
        found[i, p] = -np.log(np.exp(z[i] @ z[p] / temperature) / below)
    return found


def mean_over_anchors(terms):
    """Mean over anchors of the mean over their positives."""
    anchors = {i for i, _ in terms}
    return np.mean([np.mean([v for (a, _), v in terms.items() if a == i]) for i in anchors])


def supervised_contrastive(z, label, *, temperature=0.1):
    """SupCon of one class per row: what multilabel contrast must come down to."""
    is_same = (label[:, None] == label) & ~torch.eye(len(z), dtype=torch.bool)
    return contrast(z, per_anchor(is_same), temperature=temperature)


@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_supervised_contrast_is_the_formula_and_leaves_out_anchors_without_positives(temperature):
    z, label = rows(8), torch.tensor([0, 0, 1, 1, 1, 2, 3, 0])  # 5 and 6 are alone
    pairs = [(i, p) for i, p in product(range(8), repeat=2) if i != p and label[i] == label[p]]
    expected = mean_over_anchors(terms_of(z, pairs, temperature))
    found = supervised_contrastive(z, label, temperature=temperature)
    assert found.item() == pytest.approx(expected, rel=1e-10)


def test_supervised_contrast_is_that_of_pytorch_metric_learning():
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    z, label = rows(12).float(), torch.tensor([0, 1, 2] * 4)
    expected = losses.SupConLoss(temperature=0.1)(z, label)
    torch.testing.assert_close(supervised_contrastive(z, label, temperature=0.1), expected)


def test_two_views_are_compared_as_in_simclr():
    first, second = rows(5), rows(5, seed=1)
    pairs = [(i, (i + 5) % 10) for i in range(10)]
    expected = mean_over_anchors(terms_of(torch.cat([first, second]), pairs, 0.2))
    assert nt_xent(first, second, temperature=0.2).item() == pytest.approx(expected, rel=1e-10)


def test_two_sides_are_compared_across_and_a_group_shares_its_positives():
    first, second = rows(4), rows(4, seed=1)
    z, group = torch.cat([first, second]), torch.tensor([7, 7, 8, 9])

    def across(i):
        return range(4, 8) if i < 4 else range(4)

    pairs = [(i, p) for i in range(8) for p in across(i) if group[i % 4] == group[p % 4]]
    expected = mean_over_anchors(terms_of(z, pairs, 0.1, across))
    assert info_nce(first, second, group).item() == pytest.approx(expected, rel=1e-10)
    alone = mean_over_anchors(terms_of(z, [(i, (i + 4) % 8) for i in range(8)], 0.1, across))
    assert info_nce(first, second).item() == pytest.approx(alone, rel=1e-10)


TARGET = torch.tensor(
    [[1, 1, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [1, 1, 0, 1], [0, 0, 1, 0]],
    dtype=torch.double,
)  # row 3 has no class; class 2 has one row, class 3 as well


def test_multilabel_contrast_has_one_term_for_every_class_of_every_row():
    z = rows(6)
    values, shares = [], []
    for i in range(6):
        of_row = []
        for k in range(4):
            positives = [p for p in range(6) if p != i and TARGET[p, k] and TARGET[i, k]]
            if positives:
                terms = terms_of(z, [(i, p) for p in positives], 0.1)
                of_row.append(np.mean(list(terms.values())))
        values += of_row
        shares += [1 / max(1, len(of_row))] * len(of_row)
    expected = np.average(values, weights=shares)
    found = multilabel_contrastive(z, TARGET)
    assert found.item() == pytest.approx(expected, rel=1e-10)


def test_with_one_class_per_row_multilabel_contrast_is_supervised_contrast():
    z, label = rows(9), torch.tensor([0, 1, 2, 0, 1, 2, 0, 3, 0])
    target = torch.nn.functional.one_hot(label).double()
    torch.testing.assert_close(multilabel_contrastive(z, target), supervised_contrastive(z, label))


def test_rows_without_a_class_are_negatives_and_no_anchors():
    z = rows(6).requires_grad_()
    loss = multilabel_contrastive(z, TARGET)
    loss.backward()
    assert z.grad[3].any()
    aside = z.detach().clone()
    aside[3] = 100 * aside[3]  # only its direction counts
    torch.testing.assert_close(multilabel_contrastive(aside, TARGET), loss.detach())
    weight = torch.zeros(6, 6, dtype=torch.double)
    weight[0, 1] = 1.0
    single = terms_of(z.detach(), [(0, 1)], 0.1)[0, 1]
    assert contrast(z, weight, temperature=0.1).item() == pytest.approx(single)


@pytest.mark.parametrize("n", [0, 1, 4])
def test_a_batch_without_any_positive_is_zero_and_has_a_gradient_of_zero(n):
    z = rows(n).requires_grad_()
    zeros = torch.zeros(n, 3, dtype=torch.double)
    for loss in (multilabel_contrastive(z, zeros), supervised_contrastive(z, torch.arange(n))):
        assert loss.item() == 0.0
        (grad,) = torch.autograd.grad(loss, z)
        assert not grad.any()


def test_half_precision_is_lifted_before_anything_is_summed():
    z, label = rows(64, 128).to(torch.bfloat16), torch.arange(64) % 4
    expected = supervised_contrastive(z.double(), label, temperature=0.05)
    with torch.autocast("cpu", torch.bfloat16):
        found = supervised_contrastive(z, label, temperature=0.05)
    assert found.dtype == torch.float
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    assert nt_xent(z * 1e4, -z, temperature=0.01).isfinite()


def test_weights_of_several_labels_are_exact_under_autocast():
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(24, 16, generator=generator)
    target = (torch.rand(24, 7, generator=generator) < 0.4).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = multilabel_contrastive(z, target)
    assert torch.equal(loss, multilabel_contrastive(z, target))


def test_redundancy_matches_torch_cov():
    z = rows(20, 6)
    covariance = torch.cov(z.T)
    expected = (covariance.square().sum() - covariance.diagonal().square().sum()) / 6
    torch.testing.assert_close(redundancy(z), expected)


def test_the_spread_hinge_matches_torch_std_and_spares_what_is_spread_enough():
    z = rows(20, 6)
    expected = (1.5 - z.std(dim=0)).clamp(min=0).mean()
    torch.testing.assert_close(spread_hinge(z, floor=1.5, eps=0.0), expected)
    assert spread_hinge(10 * z) == 0


def test_collapsed_rows_pay_the_full_hinge_and_still_have_a_gradient():
    z = torch.ones(8, 3, dtype=torch.double)
    z += 1e-6 * rows(8, 3)
    z.requires_grad_()
    loss = spread_hinge(z)
    loss.backward()
    assert loss.item() == pytest.approx(0.99, abs=1e-3)
    assert z.grad.isfinite().all()
    assert z.grad.any()
    assert spread_hinge(z[:1]) == 0 == redundancy(z[:1])
