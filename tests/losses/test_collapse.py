import pytest
import torch

from medts.losses.collapse import collapse_parts, effective_rank


def rows(n, dim=5, seed=0):
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.double)


def test_the_monitor_flags_a_constant_embedding_and_not_a_spread_one():
    spread = collapse_parts(torch.randn(64, 16, generator=torch.Generator().manual_seed(0)))
    assert spread["embedding_std"] == pytest.approx(1.0, abs=0.1)
    assert spread["collapsed_ratio"] == 0
    assert 12 < spread["effective_rank"] <= 16
    row = torch.randn(1, 16, generator=torch.Generator().manual_seed(1))
    for constant in (row.expand(64, -1), row + 1e-8 * torch.randn(64, 16)):
        parts = collapse_parts(constant)
        assert parts["embedding_std"] < 1e-3
        assert parts["collapsed_ratio"] == 1
        assert parts["effective_rank"] == 0


@pytest.mark.parametrize("n_rows", [6, 40])
def test_the_effective_rank_counts_directions_of_equal_size(n_rows):
    basis = torch.linalg.qr(rows(10, 10))[0][:3]
    scores = torch.linalg.qr(rows(n_rows, 3) - rows(n_rows, 3).mean(dim=0))[0]
    z = (scores @ basis + rows(1, 10)).float()
    assert effective_rank(z).item() == pytest.approx(3.0, rel=1e-3)


def test_what_is_no_number_is_left_to_the_loss_to_report():
    z = torch.randn(8, 4)
    z[0, 0] = torch.nan
    assert collapse_parts(z)["effective_rank"].isnan()
