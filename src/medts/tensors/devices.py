"""Devices by name: which one computes, and what to do where it is not there or too small."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from medts.core.errors import ConfigError

_KNOWN = "auto, cpu, gpu, cuda, cuda:N or mps"


def resolve_device(name: str = "auto") -> torch.device:
    """Returns a device by its name.

    Args:
        name: ``auto`` is the first CUDA GPU if there is one, else the CPU; ``gpu`` is whatever GPU
            there is, CUDA or Apple's (MPS); else torch's own name, such as ``cuda:1``.

    Raises:
        ConfigError: If there is no such device.
    """
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    if name == "gpu":
        if torch.cuda.is_available():
            return torch.device("cuda:0")
        name = "mps"
        if not torch.backends.mps.is_available():
            raise _missing("gpu", "no GPU that torch can use is here")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise _missing(name, f"not a device; known: {_KNOWN}") from None
    if device.type == "cuda":
        n_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= n_devices:
            raise _missing(name, f"torch sees {n_devices} CUDA devices here")
        return torch.device("cuda", device.index or 0)
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise _missing(name, "torch sees no Apple GPU here")
    if device.type not in ("cpu", "mps"):
        raise _missing(name, f"not a device to compute on; known: {_KNOWN}")
    return device


@contextmanager
def within_memory(device: torch.device | str) -> Iterator[None]:
    """Turns running out of a device's memory into an error with a remedy.

    Raises:
        ConfigError: If the device's memory is full.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise ConfigError(
            f"the memory of {device} is full",
            field="device",
            remedy="Use a smaller batch size, --precision bf16, or --device cpu",
        ) from error


def _missing(name: str, reason: str) -> ConfigError:
    return ConfigError(
        f"{name!r}: {reason}", field="device", remedy="Give --device auto, or another device"
    )
