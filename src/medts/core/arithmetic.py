"""Arithmetic: full precision, or two faster kinds that one has to ask for.

``bf16`` multiplies in bfloat16 where that is safe (autocast); training on a CPU keeps attention
and convolutions in fp32 (`medts.tensors.fp32`). ``fp32-onednn`` keeps every value in fp32 but hands
matrix products to oneDNN, on CPUs only; what it multiplies in is up to the processor, and with AMX
it is bfloat16 as well. ``bench/ecg_nat_throughput.py`` measures on the machine at hand how much
faster either is and how far its answers are off.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from medts.core.errors import ConfigError

Precision = Literal["fp32", "bf16", "fp32-onednn"]


@contextmanager
def arithmetic(precision: Precision, device: str = "cpu") -> Iterator[None]:
    """Computes in one kind of arithmetic, and as before afterwards.

    Args:
        precision: Which kind.
        device: Type of the device that computes.

    Raises:
        ConfigError: If this torch, or the device, has no oneDNN.
    """
    if precision == "fp32-onednn":
        if device != "cpu":
            raise ConfigError(
                f"fp32-onednn computes on a CPU, not on {device}",
                field="precision",
                remedy="Use bf16, or --device cpu",
            )
        with _onednn():
            yield
        return
    if precision == "fp32":
        yield
        return
    import torch

    with torch.autocast(device, torch.bfloat16):
        yield


@contextmanager
def _onednn() -> Iterator[None]:
    import torch

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
