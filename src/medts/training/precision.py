"""Mixed precision of a training step: bf16 autocast with some operations kept in fp32."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from medts.core.arithmetic import Precision, arithmetic


@contextmanager
def forward_precision(precision: Precision, device: torch.device) -> Iterator[None]:
    """Autocast of a forward pass; gradients are computed outside, in the kinds that it left."""
    if precision != "bf16":
        yield
        return
    with KeptInFp32(), arithmetic("bf16", device.type):
        yield


@contextmanager
def step_precision(precision: Precision) -> Iterator[None]:
    """Arithmetic of a whole step, forward and backward."""
    with arithmetic("fp32" if precision == "bf16" else precision):
        yield


class KeptInFp32(TorchFunctionMode):
    """Computes in fp32, on a CPU where gradients are needed, what is slow or wrong in bfloat16.

    torch's gradient of attention is 2 to 11 times slower in bfloat16. The gradient of some strided
    convolutions for their weights reads memory that nobody wrote (seen with torch 2.13 on a
    processor with AMX: one step in two hundred, where freed memory was full of NaN).
    """

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func not in _KEPT or not torch.is_grad_enabled():
            return func(*args, **kwargs)
        first = args[0] if args else next(iter(kwargs.values()))
        if first.device.type != "cpu":
            return func(*args, **kwargs)
        with torch.autocast("cpu", enabled=False):
            widened = {name: _widened(value) for name, value in kwargs.items()}
            return func(*(_widened(value) for value in args), **widened)


_KEPT = {F.scaled_dot_product_attention, F.conv1d, F.conv2d}


def _widened(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.is_floating_point() else value
