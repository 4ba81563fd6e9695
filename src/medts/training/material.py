"""Training data of a run (data module): its records, samplers and dataloaders.

There is one dataset for each label set, or a single one where no labels are looked at. Splits are
by subject, over all datasets together. What an objective learns from decides which records count:
those with a label, with a channel that the encoder reads, or with a usable report.

Axes: R records, n windows.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch.utils.data import DataLoader, WeightedRandomSampler

from medts.core.errors import ConfigError, StoreError
from medts.core.labels import LabelSet
from medts.data.label_texts import in_words
from medts.data.mixture import BatchesOfOneSet, EveryWindowOnce, Mixture, collate_one_set
from medts.data.recordings import Recordings, digest_of
from medts.data.reports import distinct, prepare
from medts.data.splits import (
    Part,
    Split,
    Subsample,
    check_disjoint,
    labelled_part,
    present_folds,
    quantile_strata,
    sample_shots,
    take_part,
)
from medts.data.windows import PreparedRecords, WindowDataset, collate
from medts.models.settings.heads import MatchingHeadConfig
from medts.objectives.settings.label_matching import LabelMatchingConfig
from medts.tensors.batch import Batch
from medts.training.recipe import Recipe


@dataclass(frozen=True)
class Labelled:
    """One label set of a run: its meaning and its records.

    Args:
        label_set: With words for its classes where the head reads them.
        train: Records that train.
        validation: Records that choose.
    """

    label_set: LabelSet
    train: Part
    validation: Part

    @property
    def prevalence(self) -> dict[str, float]:
        """Share of the training records in which each class holds; numbers have none."""
        if self.label_set.has_numbers:
            return {}
        shares = self.train.target.mean(axis=0).tolist()
        return dict(zip(self.label_set.classes, shares, strict=True))


@dataclass(frozen=True)
class Material:
    """All records of a run.

    Args:
        store: Where they are.
        train: Records that train, each once.
        validation: Records that choose, each once.
        labelled: The label sets; none where no labels are looked at.
        texts: Usable reports of both parts, each once, where nothing else is read.
        account: What became of the reports, for the run's record.
    """

    store: Recordings
    train: Part
    validation: Part
    labelled: tuple[Labelled, ...] = ()
    texts: tuple[tuple[str, ...], tuple[str, ...]] | None = None
    account: dict[str, Any] | None = None

    @property
    def digest(self) -> str:
        """SHA-256 over all that trains: ids, signals and labels, or the reports."""
        if self.texts is not None:
            return digest_of(self.texts[0])
        digests = [
            self.store.digest(each.train.rows, each.label_set.name) for each in self.labelled
        ]
        if len(digests) > 1:
            return hashlib.sha256("".join(digests).encode()).hexdigest()
        return digests[0] if digests else self.store.digest(self.train.rows)


def find_material(
    recipe: Recipe,
    store: Recordings,
    *,
    labels: Sequence[str],
    split: Split,
    subsample: Subsample,
    shuffle_labels: bool,
    seed: int,
) -> Material:
    """Returns the records that a recipe trains and chooses on.

    Raises:
        ConfigError: If labels are missing, named twice, or not looked at; or a fold is missing.
        LeakError: If a subject trains and chooses.
        StoreError: If a part has no record that can be used.
    """
    learns_from = recipe.objective.learns_from
    _check_labels(recipe, labels)
    if learns_from == "labels":
        labelled = tuple(
            _labelled(recipe, store, name, split, subsample, shuffle_labels, seed)
            for name in labels
        )
        material = Material(
            store,
            _together([each.train for each in labelled], split.train),
            _together([each.validation for each in labelled], split.validation),
            labelled,
        )
    elif learns_from == "reports":
        material = _with_reports(recipe, store, split)
    else:
        material = Material(
            store,
            readable_part(store, recipe, present_folds(store, split.train)),
            readable_part(store, recipe, present_folds(store, split.validation)),
        )
        if recipe.preprocessing.reports is not None:
            material = replace(material, account=_account(material, recipe))
    check_disjoint(store, train=material.train.rows, validation=material.validation.rows)
    return material


def _check_labels(recipe: Recipe, labels: Sequence[str]) -> None:
    learns = recipe.objective.learns_from == "labels"
    if learns and not labels:
        raise ConfigError(
            f"recipe {recipe.name!r} learns from labels",
            field="labels",
            remedy="Name a label set, such as ptb-xl/super; `medts info STORE` lists them",
        )
    if labels and not learns:
        raise ConfigError(
            f"recipe {recipe.name!r} looks at no labels",
            field="labels",
            remedy="Leave them out, or fine-tune its bundle with another recipe and init",
        )
    if len(set(labels)) < len(labels):
        raise ConfigError("a label set is named twice", field="labels")
    if len(labels) > 1 and not isinstance(recipe.head, MatchingHeadConfig):
        raise ConfigError(
            f"recipe {recipe.name!r} has a head with a fixed list of classes",
            field="labels",
            remedy="Name one label set, or a recipe with a matching head, such as "
            "xresnet1d_matching",
        )


def _labelled(
    recipe: Recipe,
    store: Recordings,
    name: str,
    split: Split,
    subsample: Subsample,
    shuffle_labels: bool,  # noqa: FBT001 - private
    seed: int,
) -> Labelled:
    corpus = store.label_set(name).name.split("/")[0]
    train_folds = present_folds(store, split.train, corpus=corpus, field="train_folds")
    val_folds = present_folds(store, split.validation, corpus=corpus, field="val_folds")
    train, validation = take_part(store, name, train_folds), take_part(store, name, val_folds)
    check_disjoint(store, train=train.rows, validation=validation.rows)
    has_numbers = store.label_set(name).has_numbers
    if subsample.fraction != 1.0:
        strata = quantile_strata(train.target[:, 0]) if has_numbers else train.target
        kept = labelled_part(strata, fraction=subsample.fraction, seed=subsample.seed)
        train = train.take(kept)
    if subsample.shots and has_numbers:
        raise ConfigError(
            f"{name} has numbers, and shots are examples of a class",
            field="shots",
            remedy="Use --label-fraction, which takes a share or a number of records",
        )
    if subsample.shots:
        train = train.take(sample_shots(store, train, subsample.shots, [subsample.seed, 0]))
    if shuffle_labels:
        generator = np.random.default_rng(seed)
        train, validation = shuffled(train, generator), shuffled(validation, generator)
    is_read = isinstance(recipe.head, MatchingHeadConfig)
    label_set = in_words(store, name) if is_read else store.label_set(name)
    return Labelled(label_set, train, validation)


def shuffled(part: Part, generator: np.random.Generator) -> Part:
    """Label permutation: records with each other's labels, a control that ends at chance."""
    return replace(part, target=part.target[generator.permutation(len(part))])


def _together(parts: Sequence[Part], folds: tuple[str, ...]) -> Part:
    if len(parts) == 1:
        return parts[0]
    rows = np.unique(np.concatenate([part.rows for part in parts]))
    return Part(folds, rows, np.zeros((len(rows), 0), dtype=np.float32), 0)


def readable_part(store: Recordings, recipe: Recipe, folds: Sequence[str]) -> Part:
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
            path=store.where,
        )
    empty = np.zeros((len(rows), 0), dtype=np.float32)
    return Part(tuple(folds), np.array(rows, dtype=np.int64), empty, len(every) - len(rows))


def _account(material: Material, recipe: Recipe) -> dict[str, Any]:
    settings = recipe.preprocessing.reports
    assert settings is not None
    written = material.store.column("report")
    return prepare([written[row] for row in material.train.rows], settings).account


def _with_reports(recipe: Recipe, store: Recordings, split: Split) -> Material:
    """Returns the usable reports of both parts, each once, and an account of the others."""
    settings = recipe.preprocessing.reports
    assert settings is not None
    parts, texts, accounts = [], [], {}
    written = store.column("report")
    for name, wanted in (("train", split.train), ("validation", split.validation)):
        folds = present_folds(store, wanted)
        rows = store.select(folds)
        found = prepare([written[row] for row in rows], settings)
        kept = [at for at, report in enumerate(found.reports) if report is not None]
        if not kept:
            raise StoreError(
                f"no record of folds {', '.join(folds)} has a usable report", path=store.where
            )
        empty = np.zeros((len(kept), 0), dtype=np.float32)
        parts.append(Part(folds, rows[kept], empty, len(rows) - len(kept)))
        texts.append(tuple(distinct([found.texts[at] for at in kept])[0]))
        accounts[name] = found.account
    return Material(store, parts[0], parts[1], texts=(texts[0], texts[1]), account=accounts)


def make_loader(material: Material, recipe: Recipe, *, seed: int, is_training: bool) -> DataLoader:
    """Returns the batches of the training or the validation records.

    In training, windows of one label set come in passes; of several, each batch belongs to one of
    them; without labels corpora are balanced. In validation every window comes once.
    """
    batch_size, n_workers = recipe.training.batch_size, recipe.training.n_workers
    if material.texts is not None:
        texts = list(material.texts[0 if is_training else 1])
        return DataLoader(
            texts,  # pyright: ignore[reportArgumentType] - a list is a dataset
            batch_size=min(batch_size, len(texts)),
            shuffle=is_training,
            drop_last=is_training and len(texts) > batch_size,
            collate_fn=_batch_of_texts,
            num_workers=n_workers,
        )
    if isinstance(recipe.objective, LabelMatchingConfig):
        return _mixed_loader(material, recipe, recipe.objective, seed, is_training=is_training)
    labelled = material.labelled[0] if material.labelled else material
    part = labelled.train if is_training else labelled.validation
    targets = list(part.target) if material.labelled else None
    dataset = _windows(material.store, part, recipe, targets, is_training=is_training)
    is_balanced = is_training and not material.labelled
    label_set = material.labelled[0].label_set if material.labelled else None
    if material.labelled and not is_training:
        batch_size *= 2  # no gradients to keep
    return DataLoader(
        dataset,
        batch_size=min(
            batch_size if is_training or not material.labelled else 2 * batch_size, len(dataset)
        ),
        shuffle=is_training and not is_balanced,
        sampler=_balanced_sampler(material.store, part, dataset, recipe) if is_balanced else None,
        drop_last=is_training and len(dataset) > batch_size,
        collate_fn=partial(collate, config=recipe.preprocessing, label_set=label_set),
        num_workers=n_workers,
    )


def _mixed_loader(
    material: Material,
    recipe: Recipe,
    objective: LabelMatchingConfig,
    seed: int,
    *,
    is_training: bool,
) -> DataLoader:
    shared = recipe.but(cache_gib=recipe.cache_gib / len(material.labelled))
    parts = [each.train if is_training else each.validation for each in material.labelled]
    mixture = Mixture(
        [
            _windows(material.store, part, shared, list(part.target), is_training=is_training)
            for part in parts
        ]
    )
    size = recipe.training.batch_size
    sampler = (
        BatchesOfOneSet(mixture, batch_size=size, balance=objective.dataset_balance, seed=seed)
        if is_training
        else EveryWindowOnce(mixture, batch_size=2 * size)
    )
    return DataLoader(
        mixture,
        batch_sampler=sampler,
        collate_fn=partial(
            collate_one_set,
            config=recipe.preprocessing,
            label_sets=[each.label_set for each in material.labelled],
        ),
        num_workers=recipe.training.n_workers,
    )


def _windows(
    store: Recordings, part: Part, recipe: Recipe, targets: list | None, *, is_training: bool
) -> WindowDataset:
    records = PreparedRecords(store, part.rows.tolist(), recipe.preprocessing, recipe.cache_gib)
    return WindowDataset(records, recipe.windowing, targets=targets, is_training=is_training)


def _balanced_sampler(
    store: Recordings, part: Part, dataset: WindowDataset, recipe: Recipe
) -> WeightedRandomSampler:
    rows = part.rows[[position for position, _ in dataset.windows]]
    weight = balanced_weight(
        store.corpus_of_row[rows], store.subject_ids[rows], recipe.corpus_balance
    )
    return WeightedRandomSampler(weight.tolist(), len(dataset))


def balanced_weight(
    corpora: np.ndarray, subjects: np.ndarray, balance: float
) -> Float[np.ndarray, "n"]:
    """Weighted sampling: how likely each window is sampled, by corpus and subject.

    A corpus of n subjects is sampled in proportion to ``n ** (1 - balance)``, and within it all
    windows alike: a day of one subject's signal does not outweigh a thousand subjects.
    """
    _, corpus, n_windows = np.unique(corpora, return_inverse=True, return_counts=True)
    n_subjects = [len(set(subjects[corpus == k])) for k in range(len(n_windows))]
    return (np.array(n_subjects, dtype=np.float64) ** (1 - balance) / n_windows)[corpus]


def _batch_of_texts(texts: list[str]) -> Batch:
    names = tuple(f"report {number}" for number in range(len(texts)))
    return Batch(streams={}, record_ids=names, subject_ids=names, text=tuple(texts))


def targets_of(material: Material) -> tuple[tuple[LabelSet, torch.Tensor], ...]:
    """Returns each label set with the mean target: the share of records of each class."""
    return tuple(
        (each.label_set, torch.from_numpy(each.train.target.mean(axis=0)))
        for each in material.labelled
    )
