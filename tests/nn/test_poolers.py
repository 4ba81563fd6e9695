import pytest
import torch

from medts.nn.poolers import AttentionPooler
from medts.nn.report_decoder import ReportDecoder


@pytest.fixture
def pooler():
    torch.manual_seed(0)
    return AttentionPooler(n_queries=5, dim=8, token_dim=12, n_heads=2).eval()


def test_invalid_tokens_are_not_asked(pooler):
    tokens = torch.randn(2, 7, 12)
    is_valid = torch.arange(7) < torch.tensor([[7], [4]])
    other = tokens.masked_fill(~is_valid[..., None], 9.0)
    with torch.no_grad():
        torch.testing.assert_close(pooler(tokens, is_valid), pooler(other, is_valid))
        alone = pooler(tokens[1:, :4], is_valid[1:, :4])
        torch.testing.assert_close(pooler(tokens, is_valid)[1:], alone, atol=1e-5, rtol=1e-5)
        weight = pooler.attend(tokens, is_valid)
    torch.testing.assert_close(weight.sum(dim=2), torch.ones(2, 5))
    assert not weight[1, :, 4:].any()


def test_a_window_without_a_valid_token_gives_no_nan(pooler):
    nothing = torch.zeros(1, 7, dtype=torch.bool)
    assert torch.isfinite(pooler(torch.zeros(1, 7, 12), nothing)).all()


@pytest.fixture
def decoder():
    torch.manual_seed(0)
    return ReportDecoder(
        text_dim=6, memory_dim=10, dim=8, n_layers=2, n_heads=2, vocabulary_size=11
    ).eval()


def test_a_word_is_predicted_from_those_before_it_and_from_the_signal(decoder):
    words, memory = torch.randn(1, 5, 6), torch.randn(1, 4, 10)
    later = words.clone()
    later[:, 3] += 1.0
    with torch.no_grad():
        first, second = decoder(words, memory), decoder(later, memory)
        torch.testing.assert_close(first[:, :3], second[:, :3])
        assert not torch.allclose(first[:, 3], second[:, 3], atol=1e-3)
        assert not torch.allclose(first, decoder(words, -memory), atol=1e-4)
    assert decoder.score(first).shape == (1, 5, 11)


def test_every_parameter_of_a_decoder_is_drawn_on_construction(decoder):
    for name, parameter in decoder.named_parameters():
        assert torch.isfinite(parameter).all(), name
        if parameter.ndim > 1:
            assert 0.02 < parameter.std() < 1.0, name


def test_gradients_reach_every_parameter_of_a_decoder(decoder):
    words, memory = torch.randn(2, 5, 6), torch.randn(2, 4, 10)
    decoder.score(decoder(words, memory)).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in decoder.parameters())
