"""What stays in fp32 under autocast on a CPU: attention and convolutions that need gradients."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


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
