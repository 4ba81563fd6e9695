"""MELP on real recordings and reports: whether all three levels can be learnt at all."""

import numpy as np
import pytest
import torch

from medts.data.ingest import ingest
from medts.data.sources.ptb_xl import PtbXl
from medts.data.store import Store
from medts.data.windows import PreparedRecords, WindowDataset, collate
from medts.objectives.base import TrainingParts
from medts.recipes import find_recipe

N_PAIRS, MOST_STEPS = 64, 600


@pytest.fixture(scope="module")
def batch(real_data, tmp_path_factory):
    """The first 64 recordings of PTB-XL whose reports, as they are read, all differ."""
    folder = tmp_path_factory.mktemp("store")
    ingest(PtbXl(), real_data / "ptb-xl", folder)
    store, recipe = Store(folder), find_recipe("melp_small")
    rows = list(range(6 * N_PAIRS))
    records = PreparedRecords(store, rows, recipe.preprocessing)
    dataset = WindowDataset(records, recipe.windowing)
    first: dict[str, int] = {}
    for index in range(len(dataset)):
        text = collate([dataset[index]], recipe.preprocessing).text[0]
        if text and text not in first:
            first[text] = index
        if len(first) == N_PAIRS:
            break
    return collate([dataset[index] for index in first.values()], recipe.preprocessing)


@pytest.mark.slow
def test_64_distinct_real_pairs_are_learnt_by_heart_at_all_three_levels(batch):
    torch.manual_seed(0)
    recipe = find_recipe("melp_small")
    encoder = recipe.encoder.build()
    objective = recipe.objective.build(TrainingParts(encoder)).eval()
    weights = [each for each in objective.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=1e-3, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 30))
    for _ in range(MOST_STEPS):
        losses = objective(batch)  # eval mode: no lead is hidden, nothing is dropped
        optimizer.zero_grad()
        losses.total.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
        parts = {name: float(losses.parts[name]) for name in ("rhythm", "beat", "token")}
        if parts["rhythm"] < 0.02 and parts["beat"] < 0.05 and parts["token"] < 0.1:
            break
    assert parts["rhythm"] < 0.05
    assert parts["beat"] < 0.1
    assert parts["token"] < 0.15
    with torch.no_grad():
        texts = encoder.embed_text(list(batch.text))
        cosine = (encoder.embed_batch(batch) @ texts.T).numpy()
    assert cosine.argmax(axis=1).tolist() == list(range(N_PAIRS))
    assert cosine.argmax(axis=0).tolist() == list(range(N_PAIRS))
    assert len(np.unique(np.array(batch.text))) == N_PAIRS
