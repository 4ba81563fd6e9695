"""Whether Python may branch on what a tensor holds, which exporters and compilers cannot follow."""

import torch
from torch import Tensor


def can_look(values: Tensor) -> bool:
    """False while exporting or compiling, and for tensors that hold nothing."""
    return not (torch.compiler.is_compiling() or values.is_meta)
