"""Joint training: one model learns the label sets of several corpora, known by their words.

The run folder is that of `medts.recipes.run`: it belongs to what was asked for, a run that was
killed goes on, and it ends in one bundle, which answers every one of its label sets. Batches
belong to one label set each; no subject may train in one set and choose in another. With one
label set it is the supervised training of a matching head.

Where the score chooses the epoch, it is the mean over label sets of each one's macro AUROC.

Axes: K classes.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from pydantic import Field
from torch.utils.data import DataLoader

from medts.core.errors import ConfigError
from medts.core.files import write_whole
from medts.core.labels import LabelSet
from medts.data.label_texts import in_words
from medts.data.mixture import BatchesOfOneSet, EveryWindowOnce, Mixture, collate_one_set
from medts.data.seen import merge_seen
from medts.data.splits import Part, check_disjoint
from medts.data.store import Store
from medts.data.windows import PreparedRecords, WindowDataset
from medts.inference.bundle import Bundle, load_bundle
from medts.inference.folder import bundle_digest, holds_bundle
from medts.inference.manifest import Labels, ModelConfig, Provenance, TextModel
from medts.models.matching_head import MatchingHead, read_texts, texts_of
from medts.models.settings.heads import MatchingHeadConfig
from medts.objectives.label_matching import LabelMatching
from medts.objectives.settings.label_matching import LabelMatchingConfig
from medts.recipes.base import Recipe
from medts.recipes.folder import claim, trace
from medts.recipes.run import (
    LearningRequest,
    Parts,
    Request,
    operating_points,
    split,
    take_weights,
)


class JointRequest(LearningRequest):
    """A run with any number of label sets; a corpus takes those of the folds that it has."""

    label_sets: tuple[str, ...] = Field(min_length=1)
    """Label sets that are learnt; the first one is what the bundle answers unasked."""


@dataclass(frozen=True)
class Learnt:
    """One label set of a joint run: its words and its records."""

    label_set: LabelSet
    parts: Parts

    @property
    def prevalence(self) -> dict[str, float]:
        """Share of the training records in which each class holds."""
        shares = self.parts.train.target.mean(axis=0).tolist()
        return dict(zip(self.label_set.classes, shares, strict=True))


def train_jointly(
    recipe: Recipe,
    store: Store,
    *,
    label_sets: Sequence[str],
    train_folds: Sequence[str],
    val_folds: Sequence[str],
    out: str | Path,
    init: str | Path | None = None,
    label_fraction: float = 1.0,
    shots: int = 0,
    draw: int = 0,
    seed: int = 0,
    shuffle_labels: bool = False,
    show_progress: bool = True,
) -> Path:
    """Trains a recipe with a matching head on several label sets; returns the bundle's folder.

    Args:
        recipe: What to train and how; its objective is ``label_matching``.
        store: Recordings with labels, of any number of corpora.
        label_sets: Full names; the first one is what the bundle answers unasked.
        train_folds: Folds that train, of all corpora together, such as ``1`` … ``7`` and
            ``train``.
        val_folds: Folds on which epoch and operating points are chosen.
        out: Run folder; a run that was killed there is continued.
        init: Bundle whose encoder is the start.
        label_fraction: Share of each set's training records with labels, or their number above 1.
        shots: Examples of each class that train; 0 sets no such limit.
        draw: Number of the draw of those records.
        seed: Of everything else that is random.
        shuffle_labels: Trains the control that must end at chance.
        show_progress: Whether to draw a bar.

    Raises:
        ConfigError: If ``out`` holds another run, settings contradict the data, a label set is
            named twice, two classes of one have the same words, or texts cannot be read.
        LeakError: If a subject trains in one set and chooses in another.
    """
    out = Path(out)
    if not isinstance(recipe.head, MatchingHeadConfig):
        raise ConfigError(
            f"recipe {recipe.name!r} has a head with a fixed list of classes",
            field="labels",
            remedy="Name one label set, or a recipe with a matching head, such as "
            "xresnet1d_matching",
        )
    if len(set(label_sets)) < len(label_sets):
        raise ConfigError("a label set is named twice", field="labels")
    recipe = recipe.hiding([store.label_set(name) for name in label_sets])
    request = JointRequest(
        recipe=recipe,
        label_sets=tuple(label_sets),
        train_folds=tuple(train_folds),
        val_folds=tuple(val_folds),
        label_fraction=label_fraction,
        shots=shots,
        draw=draw,
        seed=seed,
        shuffle_labels=shuffle_labels,
        init_digest=bundle_digest(init) if init else "",
    )
    learnt = learnt_sets(store, request)
    everyone = union(store, learnt, request)
    digest = hashlib.sha256()
    for each in learnt:
        digest.update(store.digest(each.parts.train.rows, each.label_set.name).encode())
    data_digest = digest.hexdigest()
    claim(out, request, data_digest=data_digest)
    if holds_bundle(out):
        return out / "bundle"

    from medts.training.fit import fit

    torch.manual_seed(seed)
    start = load_bundle(init) if init else None
    bundle = _bundle(store, learnt, everyone, request, data_digest=data_digest)
    if start is not None:
        take_weights(bundle.encoder, start, init)
    assert isinstance(bundle.head, MatchingHead)
    assert isinstance(recipe.objective, LabelMatchingConfig)
    sets = [(each.label_set, torch.tensor(list(each.prevalence.values()))) for each in learnt]
    objective = LabelMatching(
        recipe.objective,
        encoder=bundle.encoder,
        head=bundle.head,
        label_set=sets[0][0],
        prevalence=sets[0][1],
        further=sets[1:],
    )
    objective.train()  # a bundle's parts are in evaluation mode
    fitted = fit(
        objective,
        training=_loader(store, learnt, recipe, seed=seed, is_training=True),
        validation=_loader(store, learnt, recipe, seed=seed, is_training=False),
        settings=recipe.training,
        folder=out,
        show_progress=show_progress,
    )
    with write_whole(out / "history.json") as target:
        target.write_text(json.dumps(fitted.history, indent=1))
    seen_before = start.provenance.seen if start else ()
    bundle.provenance = bundle.provenance.but(
        selection={"epoch": fitted.best_epoch, recipe.training.monitor: fitted.best_value},
        seen=merge_seen(bundle.provenance.seen, seen_before),
    )
    bundle.eval()
    found = [
        Labels(
            label_set=each.label_set,
            operating_points=operating_points(bundle, store, each.parts, label_set=each.label_set),
        )
        for each in learnt
    ]
    bundle.labels = found[0].but(further=tuple(found[1:]))
    return bundle.save(out / "bundle")


def learnt_sets(store: Store, request: JointRequest) -> list[Learnt]:
    """Returns every label set with its words and its records.

    Raises:
        ConfigError: If two classes of a set have the same words.
        StoreError: If a corpus has none of the folds.
    """
    learnt = []
    for name in request.label_sets:
        corpus = store.label_set(name).name.split("/")[0]
        present = set(store.folds[store.corpus_of_row == corpus].tolist())
        own = {
            part: tuple(fold for fold in folds if fold in present)
            for part, folds in (("train", request.train_folds), ("val", request.val_folds))
        }
        for part, folds in own.items():
            if not folds:
                raise ConfigError(
                    f"{corpus} has none of the folds given",
                    field=f"{part}_folds",
                    remedy=f"Its folds: {', '.join(sorted(present, key=lambda f: (len(f), f)))}",
                )
        parts = split(
            store,
            Request(
                recipe=request.recipe,
                label_set=name,
                train_folds=own["train"],
                val_folds=own["val"],
                label_fraction=request.label_fraction,
                shots=request.shots,
                draw=request.draw,
                seed=request.seed,
                shuffle_labels=request.shuffle_labels,
            ),
        )
        learnt.append(Learnt(in_words(store, name), parts))
    return learnt


def union(store: Store, learnt: Sequence[Learnt], request: JointRequest) -> Parts:
    """Returns the records of all label sets together, each once, without their labels.

    Raises:
        LeakError: If a subject trains in one set and chooses in another.
    """

    def together(parts: Sequence[Part], folds: tuple[str, ...]) -> Part:
        rows = np.unique(np.concatenate([part.rows for part in parts]))
        return Part(folds, rows, np.zeros((len(rows), 0), dtype=np.float32), 0)

    train = together([each.parts.train for each in learnt], request.train_folds)
    validation = together([each.parts.validation for each in learnt], request.val_folds)
    check_disjoint(store, train=train.rows, validation=validation.rows)
    return Parts(learnt[0].label_set, train, validation)


def _bundle(
    store: Store,
    learnt: Sequence[Learnt],
    everyone: Parts,
    request: JointRequest,
    *,
    data_digest: str,
) -> Bundle:
    """Returns the run's bundle as it is before training, with all texts read."""
    recipe, config = request.recipe, request.recipe.head
    assert isinstance(config, MatchingHeadConfig)
    texts = texts_of(each.label_set for each in learnt)
    read = read_texts(config, texts)
    labels = [Labels(label_set=each.label_set) for each in learnt]
    bundle = Bundle(
        ModelConfig(
            encoder=recipe.encoder,
            head=config,
            text=TextModel(
                name=config.text.name,
                digest=read.digest,
                dim=read.vectors.shape[1],
                n_truncated=read.n_truncated,
            ),
            windowing=recipe.windowing,
        ),
        preprocessing=recipe.preprocessing,
        labels=labels[0].but(further=tuple(labels[1:])),
        provenance=Provenance(
            recipe=recipe.name + (" (labels shuffled)" if request.shuffle_labels else ""),
            settings=request.model_dump(mode="json"),
            seed=request.seed,
            prevalence=learnt[0].prevalence,
            prevalence_by_set={each.label_set.name: each.prevalence for each in learnt},
            data_digest=data_digest,
            init_digest=request.init_digest,
            **trace(store, everyone.train, everyone.validation, recipe),
        ),
    )
    assert isinstance(bundle.head, MatchingHead)
    bundle.head.learn(texts, read.vectors)
    return bundle


def _loader(
    store: Store, learnt: Sequence[Learnt], recipe: Recipe, *, seed: int, is_training: bool
) -> DataLoader:
    datasets = []
    for each in learnt:
        part = each.parts.train if is_training else each.parts.validation
        records = PreparedRecords(
            store, part.rows.tolist(), recipe.preprocessing, recipe.cache_gib / len(learnt)
        )
        datasets.append(
            WindowDataset(
                records, recipe.windowing, targets=list(part.target), is_training=is_training
            )
        )
    mixture, batch_size = Mixture(datasets), recipe.training.batch_size
    assert isinstance(recipe.objective, LabelMatchingConfig)
    return DataLoader(
        mixture,
        batch_sampler=BatchesOfOneSet(
            mixture, batch_size=batch_size, balance=recipe.objective.dataset_balance, seed=seed
        )
        if is_training
        else EveryWindowOnce(mixture, batch_size=2 * batch_size),
        collate_fn=partial(
            collate_one_set,
            config=recipe.preprocessing,
            label_sets=[each.label_set for each in learnt],
        ),
        num_workers=recipe.training.n_workers,
    )
