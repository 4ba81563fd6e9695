"""Arithmetic: full precision, or two faster kinds that one has to ask for.

``bf16`` multiplies in bfloat16 where that is safe (autocast); training on a CPU keeps attention
and convolutions in fp32 (`KeptInFp32`). ``fp32-onednn`` keeps every value in fp32 but hands matrix
products to oneDNN, on CPUs only; what it multiplies in is up to the processor, and with AMX it is
bfloat16 as well. ``bench/ecg_nat_throughput.py`` measures on the machine at hand how much faster
either is and how far its answers are off.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from medts.core.errors import ConfigError

Precision = Literal["fp32", "bf16", "fp32-onednn"]


@contextmanager
def arithmetic(precision: Precision, device: str = "cpu") -> Iterator[None]:
    """Computes in one kind of arithmetic, and as before afterwards.

    Args:
        precision: Which kind.
        device: Type of the device that computes.

    Raises:
        ConfigError: If this torch cannot be told to use oneDNN.
    """
    if precision == "fp32-onednn":
        with _onednn():
            yield
        return
    with torch.autocast(device, torch.bfloat16) if precision == "bf16" else nullcontext():
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


@contextmanager
def _onednn() -> Iterator[None]:
    matmul = getattr(torch.backends.mkldnn, "matmul", None)
    if matmul is None or not torch.backends.mkldnn.is_available():
        raise ConfigError(
            f"torch {torch.__version__} cannot hand fp32 matrix products to oneDNN",
            field="precision",
            remedy="Use fp32 or bf16, or torch 2.9 or newer on x86",
        )
    before = matmul.fp32_precision
    matmul.fp32_precision = "bf16"
    try:
        yield
    finally:
        matmul.fp32_precision = before
