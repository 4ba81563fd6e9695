"""Data-dependent control flow: whether Python may branch on a tensor's values.

Exporters and compilers cannot follow such branches.
"""

import torch
from torch import Tensor


def can_look(values: Tensor) -> bool:
    """False while exporting or compiling, and for tensors that hold nothing."""
    return not (torch.compiler.is_compiling() or values.is_meta)
