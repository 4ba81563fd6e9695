"""What every objective of the registry promises: the suite that other packages call as well."""

import pytest
import torch

from medts.models.matching_head import RANDOM_DIM, MatchingHead, texts_of
from medts.models.settings.heads import MatchingHeadConfig
from medts.models.settings.melp import MelpConfig
from medts.nn.settings import TextConfig
from medts.objectives.settings.base import ObjectiveSettings
from medts.testing.objectives import OBJECTIVE_CONTRACTS, cases_of

OBJECTIVES = ObjectiveSettings.registry()

SMALLER = {
    "vicreg": {"projection_dim": 16},
    "latent_masking": {"projector_ratio": 2},
    "masked_reconstruction": {"decoder_dim": 32, "decoder_depth": 1},
}
"""Sizes other than the defaults, for speed."""


def build_matching_head(encoder, label_set):
    texts = texts_of([label_set])
    config = MatchingHeadConfig(words="random", hidden=16, dim=8)
    head = MatchingHead(config, dim=encoder.dim, text_dim=RANDOM_DIM, texts=texts)
    head.learn(texts, torch.randn(len(texts), RANDOM_DIM))
    return head


def two_towers():
    return MelpConfig.tiny().but(
        text=TextConfig(name="random-tiny-gpt2", max_tokens=32),
        n_frozen_text_layers=1,
        n_caption_queries=4,
        caption_dim=16,
        decoder_layers=1,
        decoder_dim=16,
        decoder_heads=2,
    )


def cases():
    for kind, settings in OBJECTIVES.items():
        encoder = two_towers() if settings.needs == {"two_tower"} else None
        head = build_matching_head if kind == "label_matching" else None
        for case in cases_of(settings(**SMALLER.get(kind, {})), encoder, build_head=head):
            for name in OBJECTIVE_CONTRACTS:
                yield pytest.param(case, name, id=f"{kind}-{case.label_set.kind}-{name}")


@pytest.mark.parametrize(("case", "name"), list(cases()))
def test_contract(case, name):
    OBJECTIVE_CONTRACTS[name](case)
