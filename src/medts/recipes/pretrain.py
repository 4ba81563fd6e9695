"""Pretrain: a recipe without labels and one or several corpora become an encoder in a bundle.

Corpora of different size are drawn in a balanced way. The epoch is chosen by the objective's own
loss on the validation folds, never by labels, and the bundle remembers whom it has seen. What was
learnt by reconstruction is drawn into ``reconstructions.html``.

Axes: n windows.
"""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from torch.utils.data import DataLoader, WeightedRandomSampler

from medts.core.config import Config
from medts.core.errors import StoreError
from medts.core.files import write_whole
from medts.data.reports import prepare
from medts.data.splits import Part, check_disjoint
from medts.data.store import Store
from medts.data.windows import PreparedRecords, WindowDataset, collate
from medts.inference.bundle import Bundle
from medts.inference.folder import holds_bundle
from medts.inference.manifest import Labels, ModelConfig, Provenance
from medts.objectives.base import TrainingParts
from medts.objectives.masked_reconstruction import MaskedReconstruction
from medts.recipes.base import Pretraining
from medts.recipes.folder import claim, trace


class PretrainingRequest(Config):
    """What a run was asked to do; written before it starts."""

    recipe: Pretraining
    """The resolved recipe."""

    train_folds: tuple[str, ...] = Field(min_length=1)
    """Folds that train."""

    val_folds: tuple[str, ...] = Field(min_length=1)
    """Folds on which the epoch is chosen by the objective's loss."""

    seed: int = Field(default=0, ge=0)
    """Seed of everything random."""


def pretrain(
    recipe: Pretraining,
    store: Store,
    *,
    train_folds: Sequence[str],
    val_folds: Sequence[str],
    out: str | Path,
    seed: int = 0,
    show_progress: bool = True,
) -> Path:
    """Trains an encoder without labels and returns the folder of its bundle.

    Args:
        recipe: What to train and how.
        store: Recordings of one or several corpora; labels are not looked at.
        train_folds: Folds that train, of whichever corpus has them.
        val_folds: Folds that choose the epoch.
        out: Run folder; a run that was killed there is continued.
        seed: Of everything random.
        show_progress: Whether to draw a bar.

    Raises:
        ConfigError: If ``out`` holds another run.
        LeakError: If a subject is in both parts.
        StoreError: If no record of a part has a stream that the encoder reads.
    """
    out = Path(out)
    request = PretrainingRequest(
        recipe=recipe, train_folds=tuple(train_folds), val_folds=tuple(val_folds), seed=seed
    )
    train = readable_part(store, recipe, train_folds)
    validation = readable_part(store, recipe, val_folds)
    check_disjoint(store, train=train.rows, validation=validation.rows)
    data_digest = store.digest(train.rows)
    claim(out, request, data_digest=data_digest)
    if holds_bundle(out):
        return out / "bundle"

    from medts.training.fit import fit

    torch.manual_seed(seed)
    encoder = recipe.encoder.build()
    objective = recipe.objective.build(TrainingParts(encoder))
    validation_loader = _loader(store, validation, recipe, seed=seed, is_training=False)
    fitted = fit(
        objective,
        training=_loader(store, train, recipe, seed=seed, is_training=True),
        validation=validation_loader,
        settings=recipe.training,
        folder=out,
        show_progress=show_progress,
    )
    with write_whole(out / "history.json") as target:
        target.write_text(json.dumps(fitted.history, indent=1))
    bundle = Bundle(
        ModelConfig(encoder=recipe.encoder, windowing=recipe.windowing),
        preprocessing=recipe.preprocessing,
        labels=Labels(),
        provenance=Provenance(
            recipe=recipe.name,
            settings=request.model_dump(mode="json") | _reports_read(store, train, recipe),
            seed=seed,
            data_digest=data_digest,
            selection={"epoch": fitted.best_epoch, "loss": fitted.best_value},
            **trace(store, train, validation, recipe),
        ),
    )
    bundle.encoder.load_state_dict(objective.encoder.state_dict())
    if isinstance(objective, MaskedReconstruction):
        show_reconstructions(objective, validation_loader, out / "reconstructions.html")
    return bundle.save(out / "bundle")


def _reports_read(store: Store, part: Part, recipe: Pretraining) -> dict[str, Any]:
    """Returns what became of the reports of a part; nothing where none are prepared."""
    settings = recipe.preprocessing.reports
    if settings is None:
        return {}
    written = store.column("report")
    return {"reports": prepare([written[row] for row in part.rows], settings).account}


def show_reconstructions(
    objective: MaskedReconstruction, loader: DataLoader, path: Path, n_windows: int = 4
) -> None:
    """Draws a few validation windows, of every corpus where there are enough, and the loss."""
    from medts.evaluation.reconstructions import write_reconstructions

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
    examples = objective.reconstruct(loader.collate_fn([dataset[index] for index in chosen]))
    write_reconstructions(
        path,
        examples,
        [of_window[index] for index in chosen],
        loss=float(np.mean([float(each["reconstruction"]) for each in parts])),
        predict_zero=float(np.mean([float(each["predict_zero"]) for each in parts])),
    )


def readable_part(store: Store, recipe: Pretraining, folds: Sequence[str]) -> Part:
    """Returns the records of some folds that have a channel which the encoder reads.

    Raises:
        StoreError: If there is none.
    """
    specs = recipe.preprocessing.streams
    every = store.select(folds)
    rows = [
        int(row)
        for row in every
        if any(
            set(store.streams[row][stored]["channels"]) & set(spec.channels)
            for name, spec in specs.items()
            for stored in (name, spec.source)
            if stored in store.streams[row]
        )
    ]
    if not rows:
        raise StoreError(
            f"no record of folds {', '.join(folds)} has a stream {', '.join(specs)} with a "
            "channel that the encoder reads",
            path=store.paths[0],
        )
    empty = np.zeros((len(rows), 0), dtype=np.float32)
    return Part(tuple(folds), np.array(rows, dtype=np.int64), empty, len(every) - len(rows))


def _loader(
    store: Store, part: Part, recipe: Pretraining, *, seed: int, is_training: bool
) -> DataLoader:
    records = PreparedRecords(store, part.rows.tolist(), recipe.preprocessing, recipe.cache_gib)
    dataset = WindowDataset(records, recipe.windowing, is_training=is_training)
    generator, sampler = torch.Generator().manual_seed(seed), None
    if is_training:
        rows = part.rows[[position for position, _ in dataset.windows]]
        weight = balanced_weight(
            store.corpus_of_row[rows], store.subject_ids[rows], recipe.corpus_balance
        )
        sampler = WeightedRandomSampler(weight.tolist(), len(dataset), generator=generator)
    batch_size = recipe.training.batch_size
    return DataLoader(
        dataset,
        batch_size=min(batch_size, len(dataset)),
        sampler=sampler,
        drop_last=is_training and len(dataset) > batch_size,
        collate_fn=partial(collate, config=recipe.preprocessing),
        num_workers=recipe.training.n_workers,
        generator=generator,
    )


def balanced_weight(
    corpora: np.ndarray, subjects: np.ndarray, balance: float
) -> Float[np.ndarray, "n"]:
    """Returns how likely each window is drawn, given the corpus and the person it comes from.

    A corpus of n subjects is drawn in proportion to ``n ** (1 - balance)``, and within it all
    windows alike: a day of one person's signal does not outweigh a thousand people.
    """
    _, corpus, n_windows = np.unique(corpora, return_inverse=True, return_counts=True)
    n_subjects = [len(set(subjects[corpus == k])) for k in range(len(n_windows))]
    return (np.array(n_subjects, dtype=np.float64) ** (1 - balance) / n_windows)[corpus]
