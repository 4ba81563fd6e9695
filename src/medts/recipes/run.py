"""Run: a recipe and a store become a run folder with a bundle in it.

The folder says what was asked for before anything is trained, so a run that was killed is
continued by the same command and never mixed with another. The test folds are not touched here.

    run.json       recipe, seed, folds, label set, digests, versions
    log/           metrics.csv and TensorBoard events
    checkpoints/   best and last epoch, to resume from
    history.json   one row of numbers per epoch
    bundle/        the model
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from pydantic import Field
from torch.utils.data import DataLoader

from medts.core.config import Config
from medts.core.errors import ConfigError
from medts.core.files import write_whole
from medts.core.labels import LabelSet, OperatingPoint
from medts.data.seen import merge_seen
from medts.data.splits import (
    Part,
    check_disjoint,
    draw_shots,
    labelled_part,
    take_part,
)
from medts.data.store import Store
from medts.data.windows import PreparedRecords, WindowDataset, collate
from medts.inference.bundle import Bundle, load_bundle
from medts.inference.folder import bundle_digest, holds_bundle
from medts.inference.manifest import Labels, ModelConfig, Provenance
from medts.inference.stored import predict_store
from medts.metrics.thresholds import choose_thresholds
from medts.models.heads import Head
from medts.models.settings.heads import MatchingHeadConfig
from medts.objectives.base import TrainingParts
from medts.recipes.base import Recipe
from medts.recipes.folder import claim, trace


class LearningRequest(Config):
    """What a run with labels was asked to do, whichever it learns; written before it starts."""

    recipe: Recipe
    """The resolved recipe."""

    train_folds: tuple[str, ...] = Field(min_length=1)
    """Folds that train."""

    val_folds: tuple[str, ...] = Field(min_length=1)
    """Folds on which the epoch and the operating points are chosen."""

    label_fraction: float = Field(default=1.0, gt=0)
    """Share of the training records whose labels are used, or their number where above 1."""

    shots: int = Field(default=0, ge=0)
    """Examples of each class that train, or all that a class has; 0 sets no such limit."""

    draw: int = Field(default=0, ge=0)
    """Number of the draw of the labelled records."""

    seed: int = Field(default=0, ge=0)
    """Seed of the initial weights and of everything random in training."""

    shuffle_labels: bool = False
    """True permutes the labels of each part among its records, those that choose the epoch
    included: a control that must end at chance."""

    init_digest: str = ""
    """Digest of the bundle that the encoder starts from."""


class Request(LearningRequest):
    """A run with one label set."""

    label_set: str
    """Label set that is learnt."""


@dataclass(frozen=True)
class Parts:
    """The records that train and those that choose."""

    label_set: LabelSet
    train: Part
    validation: Part


def finetune(
    recipe: Recipe,
    store: Store,
    *,
    label_set: str,
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
    """Trains a recipe on labelled records and returns the folder of its bundle.

    Args:
        recipe: What to train and how.
        store: Recordings with labels.
        label_set: Full name, such as ``ptb-xl/super``.
        train_folds: Folds that train.
        val_folds: Folds on which epoch and operating points are chosen.
        out: Run folder; a run that was killed there is continued.
        init: Bundle whose encoder is the start.
        label_fraction: Share of training records with labels, or their number above 1.
        shots: Examples of each class that train; 0 sets no such limit.
        draw: Number of the draw of those records.
        seed: Of everything else that is random.
        shuffle_labels: Trains the control that must end at chance.
        show_progress: Whether to draw a bar.

    Raises:
        ConfigError: If ``out`` holds another run, or settings contradict the data.
        LeakError: If a subject is in both parts.
    """
    if isinstance(recipe.head, MatchingHeadConfig):
        from medts.recipes.joint import train_jointly  # which builds on this module

        return train_jointly(
            recipe,
            store,
            label_sets=(label_set,),
            train_folds=train_folds,
            val_folds=val_folds,
            out=out,
            init=init,
            label_fraction=label_fraction,
            shots=shots,
            draw=draw,
            seed=seed,
            shuffle_labels=shuffle_labels,
            show_progress=show_progress,
        )
    out, recipe = Path(out), recipe.hiding([store.label_set(label_set)])
    request = Request(
        recipe=recipe,
        label_set=label_set,
        train_folds=tuple(train_folds),
        val_folds=tuple(val_folds),
        label_fraction=label_fraction,
        shots=shots,
        draw=draw,
        seed=seed,
        shuffle_labels=shuffle_labels,
        init_digest=bundle_digest(init) if init else "",
    )
    parts = split(store, request)
    data_digest = store.digest(parts.train.rows, label_set)
    claim(out, request, data_digest=data_digest)
    if holds_bundle(out):
        return out / "bundle"

    from medts.training.fit import fit

    torch.manual_seed(seed)
    start = load_bundle(init) if init else None
    seen_before = start.provenance.seen if start else ()
    encoder = recipe.encoder.build()
    if start is not None:
        take_weights(encoder, start, init)
    head = Head(
        recipe.head,  # pyright: ignore[reportArgumentType] - a matching head went the other way
        dim=encoder.dim,
        label_set=parts.label_set,
    )
    if recipe.starts_from_probe:
        from medts.recipes.probe_first import start_from_probe

        start_from_probe(head, encoder, recipe, store, parts)
    prevalence = torch.from_numpy(parts.train.target.mean(axis=0))
    objective = recipe.objective.build(
        TrainingParts(encoder, head, ((parts.label_set, prevalence),))
    )
    training = _loader(store, parts, recipe, seed=seed, is_training=True)
    validation = _loader(store, parts, recipe, seed=seed, is_training=False)
    fitted = fit(
        objective,
        training=training,
        validation=validation,
        settings=recipe.training,
        folder=out,
        show_progress=show_progress,
    )
    with write_whole(out / "history.json") as target:
        target.write_text(json.dumps(fitted.history, indent=1))

    bundle = _bundle(store, parts, request, data_digest=data_digest)
    bundle.provenance = bundle.provenance.but(
        selection={"epoch": fitted.best_epoch, recipe.training.monitor: fitted.best_value},
        seen=merge_seen(bundle.provenance.seen, seen_before),
    )
    assert bundle.head is not None
    bundle.encoder.load_state_dict(encoder.state_dict())
    bundle.head.load_state_dict(head.state_dict())
    bundle.labels = bundle.labels.but(operating_points=operating_points(bundle, store, parts))
    return bundle.save(out / "bundle")


def _bundle(store: Store, parts: Parts, request: Request, *, data_digest: str) -> Bundle:
    """Returns the run's bundle, without its weights and thresholds yet."""
    recipe, label_set = request.recipe, parts.label_set
    shares = parts.train.target.mean(axis=0).tolist()
    return Bundle(
        ModelConfig(encoder=recipe.encoder, head=recipe.head, windowing=recipe.windowing),
        preprocessing=recipe.preprocessing,
        labels=Labels(label_set=label_set),
        provenance=Provenance(
            recipe=recipe.name + (" (labels shuffled)" if request.shuffle_labels else ""),
            settings=request.model_dump(mode="json"),
            seed=request.seed,
            prevalence=dict(zip(label_set.classes, shares, strict=True)),
            data_digest=data_digest,
            init_digest=request.init_digest,
            **trace(store, parts.train, parts.validation, recipe),
        ),
    )


def split(store: Store, request: Request) -> Parts:
    """Returns the labelled records of both parts, subject-disjoint and reduced as asked."""
    train = take_part(store, request.label_set, request.train_folds)
    validation = take_part(store, request.label_set, request.val_folds)
    check_disjoint(store, train=train.rows, validation=validation.rows)
    if request.label_fraction != 1.0:
        kept = labelled_part(train.target, fraction=request.label_fraction, seed=request.draw)
        train = train.take(kept)
    if request.shots:
        train = train.take(draw_shots(store, train, request.shots, [request.draw, 0]))
    if request.shuffle_labels:
        generator = np.random.default_rng(request.seed)
        train, validation = shuffled(train, generator), shuffled(validation, generator)
    return Parts(store.label_set(request.label_set), train, validation)


def shuffled(part: Part, generator: np.random.Generator) -> Part:
    """Returns the records of a part with each other's labels."""
    return replace(part, target=part.target[generator.permutation(len(part))])


def take_weights(encoder: torch.nn.Module, start: Bundle, init: str | Path | None) -> None:
    """Gives an encoder the weights of another bundle's.

    A model that was pretrained with parts for another modality, such as reports, lends the parts
    that an encoder of its kind without them has.

    Raises:
        ConfigError: If that one has another shape.
    """
    own, given = encoder.state_dict(), start.encoder.state_dict()
    if type(encoder) is type(start.encoder) and own.keys() < given.keys():
        given = {key: given[key] for key in own}
    if own.keys() != given.keys() or any(own[key].shape != given[key].shape for key in own):
        raise ConfigError(
            "the encoder of the bundle has another shape than the recipe's",
            path=init,
            field="init",
            remedy=f"It was made by recipe {start.provenance.recipe!r}",
        )
    encoder.load_state_dict(given)


def _loader(
    store: Store, parts: Parts, recipe: Recipe, *, seed: int, is_training: bool
) -> DataLoader:
    part = parts.train if is_training else parts.validation
    records = PreparedRecords(store, part.rows.tolist(), recipe.preprocessing, recipe.cache_gib)
    dataset = WindowDataset(
        records, recipe.windowing, targets=list(part.target), is_training=is_training
    )
    batch_size = recipe.training.batch_size
    return DataLoader(
        dataset,
        batch_size=min(batch_size, len(dataset)) if is_training else 2 * batch_size,
        shuffle=is_training,
        drop_last=is_training and len(dataset) > batch_size,
        collate_fn=partial(collate, config=recipe.preprocessing, label_set=parts.label_set),
        num_workers=recipe.training.n_workers,
        generator=torch.Generator().manual_seed(seed),
    )


def operating_points(
    bundle: Bundle, store: Store, parts: Parts, *, label_set: LabelSet | None = None
) -> dict[str, OperatingPoint]:
    """Chooses the threshold of every class on the validation records."""
    if parts.label_set.kind == "single":
        return {}
    probability = predict_store(
        bundle, store, parts.validation.rows.tolist(), label_set=label_set
    ).astype(np.float64)
    classes = parts.label_set.classes
    chosen = choose_thresholds(parts.validation.target, probability, classes)
    where = bundle.provenance.splits["validation"]
    split_name = f"validation: {', '.join(where['corpora'])} {', '.join(where['folds'])}"
    rule = dict.fromkeys(classes, chosen.rule)
    rule |= dict.fromkeys(chosen.fallback_classes, "one half, for want of positives or negatives")
    return {
        name: OperatingPoint(threshold=float(threshold), rule=rule[name], split=split_name)
        for name, threshold in zip(classes, chosen.values, strict=True)
    }
