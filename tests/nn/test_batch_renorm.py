import torch
from torch import nn

from medts.nn.batch_renorm import BatchRenorm


def noise(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def present(n):
    return torch.ones(n, dtype=torch.bool)


def test_at_first_it_is_batch_norm():
    ours, theirs = BatchRenorm(5).train(), nn.BatchNorm1d(5, eps=1e-6).train()
    x = 3 + 2 * noise(8, 5)
    torch.testing.assert_close(ours(x, present(8)), theirs(x), atol=1e-5, rtol=1e-4)


def test_after_the_ramp_training_and_prediction_agree():
    norm = BatchRenorm(5).train()
    for step in range(200):
        norm(3 + 2 * noise(8, 5, seed=step), present(8))
    x = 3.3 + 2.2 * noise(8, 5, seed=500)
    trained = norm(x, present(8))
    torch.testing.assert_close(trained, norm.eval()(x, present(8)), atol=1e-5, rtol=1e-4)
    assert trained.mean().abs() > 0.02  # what this batch is on the whole is not taken out


def test_the_gradient_has_no_part_along_what_all_windows_share():
    norm, x = BatchRenorm(5).train(), noise(8, 5).requires_grad_()
    for step in range(200):
        norm(noise(8, 5, seed=step), present(8))
    (norm(x, present(8)) * noise(8, 5, seed=9)).sum().backward()
    torch.testing.assert_close(x.grad.sum(dim=0), torch.zeros(5), atol=1e-5, rtol=0)


def test_absent_windows_and_batches_of_one_leave_the_statistics_alone():
    x = noise(8, 5)
    norm, half = BatchRenorm(5).train(), BatchRenorm(5).train()
    norm(x[:4], present(4))
    half(x, torch.arange(8) < 4)
    torch.testing.assert_close(norm.mean, half.mean)
    before = norm.mean.clone()
    alone = norm(x[:1], present(1))
    assert torch.equal(norm.mean, before)
    torch.testing.assert_close(alone, norm.eval()(x[:1], present(1)))


def test_a_feature_that_never_changes_gives_finite_numbers():
    norm, x = BatchRenorm(5).train(), torch.ones(8, 5, requires_grad=True)
    norm(x, present(8)).sum().backward()
    assert x.grad.isfinite().all()
