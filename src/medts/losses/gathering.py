"""All-gather with gradient: rows of all processes in one tensor.

A contrastive loss computed on the gathered rows is the same on every process, and after the
gradients are averaged over processes the parameters move as if one process had seen all rows.
With one process nothing is done. Processes may hold different numbers of rows.

Axes: B rows of this process, R rows of all processes.
"""

from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Shaped
from torch import Tensor


def is_distributed() -> bool:
    """True where several processes train together."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def process_rank() -> int:
    """Returns the number of this process; 0 where there is only one."""
    return dist.get_rank() if is_distributed() else 0


def gather_rows(rows: Shaped[Tensor, "B *rest"]) -> Shaped[Tensor, "R *rest"]:
    """Returns the rows of all processes in the order of their ranks."""
    if not is_distributed():
        return rows
    own = torch.tensor([len(rows)], device=rows.device)
    counts = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(counts, own)
    n_rows = [int(count) for count in counts]
    # all_gather wants blocks of one size: padded, and cut again afterwards.
    padded = rows.new_zeros(max(n_rows), *rows.shape[1:])
    padded = torch.cat([rows, padded[len(rows) :]])
    everyone = _AllGather.apply(padded) if rows.requires_grad else gather_blocks(padded)
    return torch.cat([block[:n] for block, n in zip(everyone, n_rows, strict=True)])


def gather_blocks(block: Tensor) -> Tensor:
    """Stacks equally large tensors of all processes; no gradient."""
    blocks = [torch.empty_like(block) for _ in range(dist.get_world_size())]
    dist.all_gather(blocks, block.contiguous())
    return torch.stack(blocks)


class _AllGather(torch.autograd.Function):
    """`gather_blocks` whose gradient is summed over all processes."""

    @staticmethod
    def forward(ctx: Any, block: Tensor) -> Tensor:
        """Stacks the blocks of all processes."""
        del ctx
        return gather_blocks(block)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Tensor:
        """Adds up the gradients of all processes and keeps the own block."""
        del ctx
        total = grads[0].contiguous().clone()
        dist.all_reduce(total)
        return total[dist.get_rank()]
