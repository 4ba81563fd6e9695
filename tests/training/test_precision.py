import pytest
import torch
import torch.nn.functional as F
from torch import nn

from medts.core.arithmetic import arithmetic
from medts.training.precision import KeptInFp32


def test_attention_that_needs_gradients_is_computed_in_fp32():
    q, k, v = torch.randn(3, 2, 4, 5, 8, requires_grad=True).unbind(0)
    exact = F.scaled_dot_product_attention(q, k, v)
    with arithmetic("bf16"):
        assert F.scaled_dot_product_attention(q, k, v).dtype == torch.bfloat16
        with KeptInFp32():
            kept = F.scaled_dot_product_attention(query=q.bfloat16(), key=k, value=v)
            plain = F.scaled_dot_product_attention(q, k, v, torch.zeros(5, 5))
            assert (q @ k.mT).dtype == torch.bfloat16  # all else as autocast says
            with torch.no_grad():
                assert F.scaled_dot_product_attention(q, k, v).dtype == torch.bfloat16
    torch.testing.assert_close(plain, exact)
    assert kept.dtype == torch.float32
    assert kept.requires_grad


@pytest.mark.parametrize("conv", [nn.Conv1d(3, 4, 5, stride=2), nn.Conv2d(3, 4, (1, 5))])
def test_convolutions_that_learn_are_computed_in_fp32(conv):
    x = torch.randn(2, 3, 20) if isinstance(conv, nn.Conv1d) else torch.randn(2, 3, 1, 20)
    exact = conv(x)
    with arithmetic("bf16"), KeptInFp32():
        torch.testing.assert_close(conv(x.bfloat16().float()), exact, atol=0.05, rtol=0.05)
        torch.testing.assert_close(conv(x), exact)
        with torch.no_grad():
            assert conv(x).dtype == torch.bfloat16
