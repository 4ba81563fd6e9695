"""Example masked reconstructions, saved as arrays for the page that plots them."""

from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader

from medts.core.files import write_whole
from medts.data.windows import WindowDataset
from medts.objectives.base import Objective
from medts.objectives.masked_reconstruction import MaskedReconstruction


def save_reconstructions(
    objective: Objective, loader: DataLoader, path: Path, n_windows: int = 4
) -> None:
    """Keeps a few reconstructed validation windows, of every corpus where there are enough.

    Writes nothing for an objective that reconstructs nothing.
    """
    if not isinstance(objective, MaskedReconstruction):
        return
    objective.eval()
    with torch.no_grad():
        parts = [objective(batch).parts for batch in loader]
    dataset = loader.dataset
    assert isinstance(dataset, WindowDataset)
    corpus = [record_id.split("/")[0] for record_id in dataset.record_ids]
    of_window = [corpus[position] for position, _ in dataset.windows]
    firsts = [of_window.index(name) for name in dict.fromkeys(of_window)]
    spread = np.linspace(0, len(dataset) - 1, n_windows).round().astype(int).tolist()
    chosen = sorted({*firsts[:n_windows], *spread[: max(0, n_windows - len(firsts))]})
    assert loader.collate_fn is not None
    found = objective.reconstruct(loader.collate_fn([dataset[index] for index in chosen]))
    with write_whole(path) as target, target.open("wb") as file:
        np.savez_compressed(
            file,
            names=np.array([of_window[index] for index in chosen]),
            channels=np.array(found.channels),
            sampling_rate=found.sampling_rate,
            signal=found.signal.numpy(),
            restored=found.restored.numpy(),
            is_hidden=found.is_hidden.numpy(),
            loss=float(np.mean([float(each["reconstruction"]) for each in parts])),
            predict_zero=float(np.mean([float(each["predict_zero"]) for each in parts])),
        )
