import pytest
import torch

from medts.models.baselines.xresnet1d import XResNet1d, mean_of_pairs, pool_mean_and_maximum
from medts.models.settings.xresnet1d import XResNet1dConfig


def test_the_published_size_has_the_benchmarks_parameters():
    n = sum(p.numel() for p in XResNet1d(XResNet1dConfig(size="101")).parameters())
    bottleneck = 256 * 64 + 64 * 64 * 5 + 64 * 256 + 2 * (64 + 64 + 256)
    stem = 12 * 32 * 5 + 32 * 32 * 5 + 32 * 64 * 5 + 2 * (32 + 32 + 64)
    first = bottleneck - 256 * 64 + 64 * 64 + 64 * 256 + 2 * 256
    assert n == stem + first + 32 * bottleneck


def test_each_block_starts_as_its_shortcut():
    model = XResNet1d(XResNet1dConfig(size="18"))
    block = model.blocks[0]
    x = torch.rand(2, 64, 10)
    out, _ = block.eval()(x, torch.ones(2, 10, dtype=torch.bool))
    assert torch.allclose(out, x)


def test_pairs_are_averaged_over_their_valid_samples():
    x = torch.tensor([[[1.0, 3.0, 5.0, 99.0, 7.0]]])
    is_valid = torch.tensor([[True, True, True, False, True]])
    assert mean_of_pairs(x, is_valid).tolist() == [[[2.0, 5.0, 7.0]]]


def test_pooling_leaves_padding_out_and_is_zero_without_tokens():
    tokens = torch.tensor([[[1.0], [3.0], [100.0]], [[5.0], [5.0], [5.0]]])
    is_valid = torch.tensor([[True, True, False], [False, False, False]])
    assert pool_mean_and_maximum(tokens, is_valid).tolist() == [[2.0, 3.0], [0.0, 0.0]]


def test_an_unknown_size_is_refused():
    with pytest.raises(ValueError, match="size"):
        XResNet1dConfig(size="7")
