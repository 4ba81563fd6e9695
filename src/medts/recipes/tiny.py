"""Tiny twins: any recipe at toy sizes, which trains in seconds on one core and learns little.

``NAME_test`` is that of recipe ``NAME``.
"""

from typing import Any

from medts.models.settings.heads import MatchingHeadConfig
from medts.nn.settings import TextConfig
from medts.training.recipe import Recipe

SUFFIX = "_test"
"""End of the name of a tiny twin."""

_READS = ("stream", "streams", "channels", "window")
_SIZES: dict[str, dict[str, Any]] = {
    "sparseformer": {
        "patch_lengths": (25, 100),
        "tokens_per_block": (8, 4),
        "cap_ratios": (0.5, 0.25),
        "tokens_per_channel": 2,
        "tokens_per_window": 2,
        "hidden": 16,
        "prior_dim": 384,
    },
    "crossl": {"strides": (4, 4, 2), "dropout": 0.1, "is_normalised": True},
    "report_encoder": {"text": TextConfig(name="minilm")},
    "medualtime": {"language_model__max_tokens": 512, "patch": 50, "conv_stride": 4},
    "melp": {"tower__dim": 32, "tower__hidden": 64, "tower__position_kernel": 16, "shared_dim": 32},
}
"""Sizes that differ from those of the contract suite, by kind of encoder."""

_WITH_REPORTS: dict[str, Any] = {
    "text": TextConfig(name="minilm", max_tokens=48),
    "n_caption_queries": 4,
    "caption_dim": 32,
    "decoder_layers": 1,
    "decoder_dim": 32,
    "decoder_heads": 2,
}
"""What MELP's encoder has in pretraining besides."""

_TRAINING: dict[str, dict[str, Any]] = {
    "xresnet1d": {"epochs": 3, "learning_rate": 1e-2},
    "ecg_nat": {"learning_rate": 1e-3, "layer_decay": 1.0, "precision": "fp32"},
    "sparseformer": {"learning_rate": 3e-3},
    "melp": {"learning_rate": 1e-3},
}


def tiny(recipe: Recipe) -> Recipe:
    """Returns a recipe at toy sizes, with two epochs of short windows and without tuning."""
    encoder, head = recipe.encoder, recipe.head
    sizes = _SIZES.get(encoder.kind, {})
    if recipe.objective.kind == "report_alignment":
        sizes = sizes | _WITH_REPORTS
    reads = {name: getattr(encoder, name) for name in _READS if name in type(encoder).model_fields}
    if isinstance(head, MatchingHeadConfig):
        head = head.but(words="random", hidden=16, dim=head.dim and 16)
    elif head is not None and encoder.kind == "xresnet1d":
        head = head.but(hidden=0, dropout=0.0)
    window_s = min(recipe.windowing.window_s, 5.0)
    training = {"epochs": 2, "min_updates": 0, "batch_size": 16}
    return recipe.but(
        encoder=encoder.tiny().but(**reads, **sizes),
        head=head,
        starts_from_probe=False,
        windowing__window_s=window_s,
        windowing__stride_s=min(recipe.windowing.stride_s, window_s),
        training=recipe.training.but(**(training | _TRAINING.get(encoder.kind, {}))),
        tuning_trials=0,
    )
