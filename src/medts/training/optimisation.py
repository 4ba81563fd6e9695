"""AdamW with decay only where it belongs, and the learning-rate schedules.

Schedules are factors between 0 and 1 by step, so they can be drawn and tested without a model.
"""

import math
from collections.abc import Callable

import torch
from torch import nn

from medts.training.settings import Training


def build_optimizer(model: nn.Module, settings: Training) -> torch.optim.AdamW:
    """Returns AdamW over the trainable parameters, in groups with and without decay."""
    trainable = [each for each in model.parameters() if each.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=settings.learning_rate,
        betas=settings.betas,
    )


def schedule_factor(settings: Training, n_steps: int) -> Callable[[int], float]:
    """Returns the learning rate at each step as a share of the highest one.

    ``one_cycle`` rises from 1/25 by half a cosine and falls to nearly zero (Smith, 2018),
    ``cosine`` rises by a line, ``constant`` stays after the same rise.
    """
    n_warm = round(settings.warmup_ratio * n_steps)

    def factor(step: int) -> float:
        if step < n_warm:
            share = (step + 1) / n_warm
            if settings.schedule == "one_cycle":
                return 0.04 + 0.96 * (1 - math.cos(math.pi * share)) / 2
            return share
        if settings.schedule == "constant":
            return 1.0
        share = min(1.0, (step - n_warm) / max(1, n_steps - n_warm))
        return max(1e-5, (1 + math.cos(math.pi * share)) / 2)

    return factor
