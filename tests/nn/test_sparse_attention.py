import pytest
import torch
import torch.nn.functional as F

from medts.nn.sparse_attention import Attention, TokenSparseAttention, parts_of, readable


def block(**changes):
    torch.manual_seed(0)
    settings = {"dim": 16, "n_heads": 2, "n_queries": 6, "prior_dim": 5, **changes}
    return TokenSparseAttention(**settings).eval()


def noise(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def everything(rows, n):
    return torch.ones(rows, n, dtype=torch.bool)


def test_one_head_is_the_printed_formula():
    attention = Attention(dim=8, n_heads=1)
    queries, tokens = noise(2, 3, 8), noise(2, 5, 8, seed=2)
    q, k, v = attention.to_query(queries), attention.to_key(tokens), attention.to_value(tokens)
    expected = torch.zeros(2, 3, 8)
    for row in range(2):
        for i in range(3):
            score = torch.stack([q[row, i] @ k[row, j] for j in range(5)]) / 8**0.5
            weight = score.exp() / score.exp().sum()
            expected[row, i] = sum(weight[j] * v[row, j] for j in range(5))
    read, _ = attention(queries, tokens)
    torch.testing.assert_close(read, attention.out(expected))


@pytest.mark.parametrize("n_heads", [1, 2, 4])
def test_scores_are_divided_by_the_root_of_a_heads_width(n_heads):
    attention = Attention(dim=16, n_heads=n_heads)
    tokens = noise(2, 7, 16)
    is_read = everything(2, 7)
    is_read[1, 4:] = False
    fused, nothing = attention(tokens, tokens, is_read)
    traced, weight = attention(tokens, tokens, is_read, is_traced=True)
    assert nothing is None
    torch.testing.assert_close(fused, traced, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(weight.sum(dim=2), torch.ones(2, 7))
    assert (weight[1, :, 4:] == 0).all()


def test_any_number_of_tokens_comes_out_as_the_bank_or_as_fewer():
    tsda, prior = block(), noise(5)
    for n in (1, 6, 40):
        assert tsda(noise(3, n, 16), everything(3, n), prior=prior).tokens.shape == (3, 6, 16)
        few = tsda(noise(3, n, 16), everything(3, n), prior=prior, n_kept=2, at_most=2)
        assert few.tokens.shape == (3, 2, 16)


def test_fewer_queries_are_the_first_of_all():
    tsda, tokens, prior = block(), noise(3, 9, 16), noise(5)
    whole = tsda(tokens, everything(3, 9), prior=prior).tokens
    few = tsda(tokens, everything(3, 9), prior=prior, n_kept=4, at_most=4).tokens
    torch.testing.assert_close(few, whole[:, :4])
    of_each = tsda(tokens, everything(3, 9), prior=prior, n_kept=torch.tensor([1, 3, 4]), at_most=4)
    assert of_each.is_valid.sum(dim=1).tolist() == [1, 3, 4]
    torch.testing.assert_close(of_each.tokens[1, :3], whole[1, :3])
    assert (of_each.tokens[1, 3:] == 0).all()


def test_tokens_that_do_not_exist_say_nothing():
    tsda, prior, tokens = block(), noise(5), noise(2, 9, 16)
    is_valid = everything(2, 9)
    is_valid[0, 5:] = False
    alone = tsda(tokens[:1, :5], everything(1, 5), prior=prior).tokens
    for filling in (0.0, 100.0):
        filled = torch.where(is_valid[..., None], tokens, filling)
        found = tsda(filled, is_valid, prior=prior).tokens
        torch.testing.assert_close(found[:1], alone, atol=1e-5, rtol=1e-4)


def test_a_row_of_nothing_is_zero_and_has_a_gradient():
    tsda, tokens = block(), noise(2, 4, 16).requires_grad_()
    is_valid = everything(2, 4)
    is_valid[1] = False
    kept = tsda(tokens, is_valid, prior=noise(5), is_traced=True)
    assert not kept.is_valid[1].any()
    assert (kept.tokens[1] == 0).all()
    kept.tokens.sum().backward()
    assert tokens.grad.isfinite().all()
    assert readable(everything(2, 4)) is None


def test_the_prior_changes_what_is_read_and_a_block_without_one_is_smaller():
    tsda, tokens = block(), noise(2, 9, 16)
    first, second = (
        tsda(tokens, everything(2, 9), prior=noise(5, seed=seed)).tokens for seed in (3, 4)
    )
    assert not torch.allclose(first, second)
    scaled = tsda(tokens, everything(2, 9), prior=100 * noise(5, seed=3) + 7).tokens
    torch.testing.assert_close(scaled, first, atol=1e-4, rtol=1e-3)
    without = block(prior_dim=0)
    missing = sum(p.numel() for p in tsda.parameters()) - sum(
        p.numel() for p in without.parameters()
    )
    assert missing == (16 + 5) * 16 + 16
    torch.testing.assert_close(without.queries(None)[0], without.bank)


def test_weights_of_a_block_sum_to_one_and_follow_the_tokens():
    tsda = block()
    kept = tsda(noise(3, 9, 16), everything(3, 9), prior=noise(5), is_traced=True)
    torch.testing.assert_close(kept.weight.sum(dim=2), torch.ones(3, 6))
    plain = tsda(noise(3, 9, 16), everything(3, 9), prior=noise(5))
    assert plain.weight is None
    torch.testing.assert_close(kept.tokens, plain.tokens, atol=1e-5, rtol=1e-4)


def test_without_the_sparse_stage_every_token_stays():
    dense = block(is_sparse=False)
    tokens = noise(2, 9, 16)
    assert dense(tokens, everything(2, 9), n_kept=2, at_most=2).tokens.shape == (2, 9, 16)
    assert not hasattr(dense, "bank")


def test_the_key_has_no_bias_since_none_would_learn():
    attention = Attention(dim=8, n_heads=2)
    tokens = noise(2, 5, 8)
    before = attention(tokens, tokens)[0]
    shifted = F.linear(tokens, attention.to_key.weight, torch.full((8,), 3.0))
    attention.to_key.forward = lambda _: shifted
    torch.testing.assert_close(attention(tokens, tokens)[0], before, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("n", "m"), [(12, 4), (10, 4), (3, 7), (1, 1), (5, 5)])
def test_tokens_are_shared_out_as_in_adaptive_average_pooling(n, m):
    tokens = noise(2, n, 8)
    share = parts_of(everything(2, n), everything(2, m))
    expected = F.adaptive_avg_pool1d(tokens.transpose(1, 2), m).transpose(1, 2)
    torch.testing.assert_close(share @ tokens, expected)


def test_a_share_passes_over_what_is_not_valid_and_knows_how_many_queries_are_used():
    is_valid = torch.tensor([[True, False, True, True, False, True, False], [False] * 7])
    is_used = torch.tensor([[True, True, False], [False] * 3])
    share = parts_of(is_valid, is_used)
    assert share[0].tolist() == [
        [0.5, 0, 0.5, 0, 0, 0, 0],
        [0, 0, 0, 0.5, 0, 0.5, 0],
        [0] * 7,
    ]
    assert not share[1].any()


def test_rows_that_use_fewer_queries_have_parts_of_their_own():
    tsda, tokens, prior = block(query_start="local"), noise(3, 12, 16), noise(5)
    n_kept = torch.tensor([6, 3, 4])
    together = tsda(tokens, everything(3, 12), n_kept=n_kept, at_most=6, prior=prior)
    for row, n in enumerate(n_kept.tolist()):
        alone = tsda(tokens[row, None], everything(1, 12), n_kept=n, at_most=n, prior=prior)
        torch.testing.assert_close(together.tokens[row, :n], alone.tokens[0])


def test_a_local_query_adds_what_it_reads_to_its_part_of_the_tokens():
    tsda, tokens = block(query_start="local", prior_dim=0), noise(2, 12, 16)
    for silent in (tsda.mix.out, tsda.mix_mlp[3], tsda.read.out, tsda.read_mlp[3]):
        torch.nn.init.zeros_(silent.weight)
        torch.nn.init.zeros_(silent.bias)
    kept = tsda(tokens, everything(2, 12)).tokens
    torch.testing.assert_close(kept, tokens.unflatten(1, (6, 2)).mean(dim=2))
