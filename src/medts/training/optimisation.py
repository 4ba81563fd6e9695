"""AdamW without decay of norms and biases, layer-wise learning-rate decay, and schedules.

Schedules are factors between 0 and 1 by step, so they can be plotted and tested without a model.
"""

import math
from collections.abc import Callable

import torch
from torch import nn

from medts.models.base import Encoder
from medts.training.settings import Training

NEVER_DECAYED = "position_bias"
"""Attention's bias by distance has two axes, yet is a bias."""


def build_optimizer(model: nn.Module, settings: Training) -> torch.optim.AdamW:
    """AdamW with parameter groups: no decay of biases and norms, layer-wise learning-rate decay.

    Below an encoder's last part every part learns ``layer_decay`` times as fast as the one above
    it (Clark et al., ELECTRA, 2020); what is not part of the encoder learns fastest.
    """
    encoder = getattr(model, "encoder", None)
    layers = encoder.parts() if isinstance(encoder, Encoder) else ()
    rate = {
        parameter: settings.learning_rate * settings.layer_decay ** (len(layers) - depth)
        for depth, layer in enumerate(layers)
        for parameter in layer.parameters()
    }
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            is_decayed = parameter.ndim > 1 and not name.endswith(NEVER_DECAYED)
            decay = settings.weight_decay if is_decayed else 0.0
            kind = (rate.get(parameter, settings.learning_rate), decay)
            groups.setdefault(kind, []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": parameters, "lr": learning_rate, "weight_decay": decay}
            for (learning_rate, decay), parameters in sorted(
                groups.items(), key=lambda group: group[0], reverse=True
            )
        ],
        lr=settings.learning_rate,
        betas=settings.betas,
    )


def schedule_factor(settings: Training, n_steps: int) -> Callable[[int], float]:
    """Learning-rate schedule (one-cycle, cosine, constant with warm-up), as a share by step.

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
