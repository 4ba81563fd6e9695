"""Small adapters and random texts on tiny frozen language models, shared by their tests."""

import torch

from medts.nn.adapters import Adapter

LENGTHS = torch.tensor([11, 7, 4])


def adapt(lm, gate=0.0, **changes):
    """Returns an adapter for two blocks whose gates are all ``gate``."""
    torch.manual_seed(1)
    shape = {"n_blocks": lm.n_blocks, "n_adapted": 2, "n_tokens": 5}
    adapter = Adapter(**{**shape, **changes}, dim=lm.dim, n_heads=4)
    torch.nn.init.constant_(adapter.gate, gate)
    return adapter


def tokens(seed=0):
    """Returns random ids of three texts of different lengths, and which are no padding."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(6, 100, (3, 11), generator=generator)
    return ids, torch.arange(11) < LENGTHS[:, None]


def plain(lm, ids, is_valid):
    """Runs the model as transformers does."""
    return lm.model(input_ids=ids, attention_mask=is_valid.long()).last_hidden_state
