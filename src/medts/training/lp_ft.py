"""LP-FT (Kumar et al. 2022): initialise the linear head from a logistic-regression probe.

The gradients of a head with random weights distort a pretrained encoder (Kumar et al., "Fine-Tuning
can Distort Pretrained Features and Underperform Out-of-Distribution", ICLR 2022, arXiv:2202.10054).
With few labels most of a fine-tuning would be spent on finding the way back.

Axes: D embedding width, K classes.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from medts.inference.bundle import Bundle
from medts.inference.manifest import Labels, ModelConfig, Provenance
from medts.inference.stored import embed_store
from medts.models.base import Encoder
from medts.models.heads import Head
from medts.training.material import Material
from medts.training.probe import Labelled, Probe, Scaling, fit_probe, fit_scaling
from medts.training.recipe import Recipe
from medts.training.settings import ProbeConfig


def start_from_probe(head: Head, encoder: Encoder, recipe: Recipe, material: Material) -> None:
    """LP-FT: sets a linear head to a probe whose penalty is chosen on validation.

    Args:
        head: One linear layer, without a norm before it.
        encoder: As it is before fine-tuning.
        recipe: Preprocessing and windows of the recordings.
        material: The labelled records that train, and those that choose.
    """
    bundle = Bundle(
        ModelConfig(encoder=recipe.encoder, windowing=recipe.windowing),
        preprocessing=recipe.preprocessing,
        labels=Labels(),
        provenance=Provenance(recipe=recipe.name),
    )
    bundle.encoder.load_state_dict(encoder.state_dict())
    (labelled,) = material.labelled
    parts = (labelled.train, labelled.validation)
    values = [embed_store(bundle, material.store, part.rows.tolist()) for part in parts]
    scaling = fit_scaling(values[0])
    train, validation = (
        Labelled(scaling(each), part.target) for each, part in zip(values, parts, strict=True)
    )
    probe = fit_probe(train, validation, labelled.label_set.class_kind, ProbeConfig())
    weight, bias = unscaled(probe, scaling)
    linear = head.layers[-1]
    assert isinstance(linear, nn.Linear)
    with torch.no_grad():
        linear.weight.copy_(weight)
        linear.bias.copy_(bias)


def unscaled(probe: Probe, scaling: Scaling) -> tuple[Float[Tensor, "K D"], Float[Tensor, "K"]]:
    """Returns weight and bias that do to an embedding what the probe does to a standardised one.

    A class that the labels rule out is made very unlikely rather than impossible, so that it has
    a gradient.
    """
    weight = probe.weight / scaling.scale
    # A bias of minus infinity would have no gradient.
    bias = np.maximum(probe.bias, -10.0) - weight @ scaling.centre
    return torch.from_numpy(weight).float(), torch.from_numpy(bias).float()
