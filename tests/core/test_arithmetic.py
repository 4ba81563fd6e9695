import pytest
import torch
import torch.nn.functional as F
from torch import nn

from medts.core.arithmetic import arithmetic
from medts.core.errors import ConfigError
from medts.tensors.fp32 import KeptInFp32

MATMUL = getattr(torch.backends.mkldnn, "matmul", None)
NEEDS_ONEDNN = pytest.mark.skipif(MATMUL is None, reason="this torch has no switch for oneDNN")


def test_bf16_multiplies_in_bfloat16_and_only_inside():
    a = torch.randn(4, 4)
    with arithmetic("bf16"):
        assert (a @ a).dtype == torch.bfloat16
    assert (a @ a).dtype == torch.float32


@NEEDS_ONEDNN
@pytest.mark.parametrize("precision", ["fp32", "fp32-onednn"])
def test_fp32_stays_fp32_and_the_setting_of_torch_comes_back(precision):
    before = MATMUL.fp32_precision
    a, b = torch.randn(64, 64), torch.randn(64, 64)
    exact = a.double() @ b.double().T
    with arithmetic(precision):
        found = F.linear(a, b)
        assert (MATMUL.fp32_precision == "bf16") == (precision == "fp32-onednn")
    assert MATMUL.fp32_precision == before
    assert found.dtype == torch.float32
    largest = (found - exact).abs().max() / exact.std()
    assert largest < (1e-5 if precision == "fp32" else 5e-2)


@NEEDS_ONEDNN
def test_the_setting_comes_back_after_an_error():
    before = MATMUL.fp32_precision
    with pytest.raises(ZeroDivisionError), arithmetic("fp32-onednn"):
        1 / 0  # noqa: B018
    assert MATMUL.fp32_precision == before


def test_a_torch_without_the_switch_is_told_apart(monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    with (
        pytest.raises(ConfigError, match=r"cannot hand.*Use fp32 or bf16"),
        arithmetic("fp32-onednn"),
    ):
        pass


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
