"""Train: a recipe and recordings become a run folder with a bundle in it.

One pipeline for supervised and joint training, pretraining and report modelling: the recipe's
objective decides what is learnt from. A run that was killed is continued by the same call and never
mixed with another. Test folds are not touched here.

    run.json             recipe, split, labels, seed, digests, versions
    log/                 metrics.csv and TensorBoard events
    checkpoints/         best and last epoch, to resume from
    history.json         one row of numbers per epoch
    bundle/              the model
    model/               in its place, where a text encoder is trained on reports alone
    reconstructions.npz  windows that were hidden and reconstructed, where that is the objective
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from torch import nn

from medts.core.config import Config
from medts.core.errors import ConfigError
from medts.core.files import write_whole
from medts.data.recordings import Recordings
from medts.data.seen import merge_seen
from medts.data.splits import Split, Subsample
from medts.data.store import open_recordings
from medts.inference.bundle import Bundle, load_bundle
from medts.inference.folder import bundle_digest
from medts.inference.manifest import Labels, ModelConfig, Provenance, TextModel
from medts.models.base import Encoder
from medts.models.heads import Head, RegressionHead, build_head
from medts.models.matching_head import MatchingHead, read_texts, texts_of
from medts.models.settings.heads import HeadConfig
from medts.objectives.base import TrainingParts
from medts.training.choosing import operating_points
from medts.training.classes import without_records_note
from medts.training.fit import Fitted, fit
from medts.training.folder import claim, is_finished, trace
from medts.training.illustrate import save_reconstructions
from medts.training.material import Material, find_material, make_loader, targets_of
from medts.training.randomness import global_state_kept
from medts.training.recipe import Recipe
from medts.training.report_modelling import save_text_encoder


class Request(Config):
    """What a run is to do; written before anything else."""

    recipe: Recipe
    """The resolved recipe."""

    labels: tuple[str, ...] = ()
    """Label sets that are learnt; the first one leads in the bundle."""

    split: Split = Split()
    """Folds that train and folds that choose."""

    subsample: Subsample = Subsample()
    """Which of the training records keep their labels."""

    seed: int = Field(default=0, ge=0)
    """Seed of the initial weights and of everything random in training."""

    shuffle_labels: bool = False
    """True permutes the labels of each part among its records, those that choose the epoch
    included: a control that must end at chance."""

    init_digest: str = ""
    """Digest of the bundle that the encoder starts from."""


@global_state_kept()
def train(
    recipe: Recipe,
    data: Recordings | str | Path | Sequence[str | Path],
    *,
    labels: str | Sequence[str] = (),
    split: Split | None = None,
    subsample: Subsample | None = None,
    out: str | Path,
    init: str | Path | None = None,
    seed: int = 0,
    shuffle_labels: bool = False,
    show_progress: bool = True,
) -> Path:
    """Trains a recipe and returns the folder of its bundle.

    Args:
        recipe: What to train and how.
        data: Recordings: a store, paths of stores, or `medts.data.in_memory.RecordsInMemory`.
        labels: Full names of label sets, such as ``ptb-xl/super``; none for self-supervision.
            Recipes with a matching head learn several at once.
        split: Folds that train and folds that choose epoch and operating points.
        subsample: Few labels: a share, a number, or examples per class.
        out: Run folder; a run that was killed there is continued.
        init: Bundle whose encoder is the start: fine-tuning.
        seed: Of everything random.
        shuffle_labels: Trains the control that must end at chance.
        show_progress: Whether to show a bar.

    Raises:
        ConfigError: If ``out`` holds another run, or settings contradict the data.
        LeakError: If a subject trains and chooses.
        StoreError: If a part has no record that can be used.
    """
    out = Path(out)
    store = open_recordings(data)
    names = (labels,) if isinstance(labels, str) else tuple(labels)
    split, subsample = split or Split(), subsample or Subsample()
    label_sets = [store.label_set(name) for name in names]
    recipe = recipe.learning(label_sets).hiding(label_sets)
    request = Request(
        recipe=recipe,
        labels=names,
        split=split,
        subsample=subsample,
        seed=seed,
        shuffle_labels=shuffle_labels,
        init_digest=bundle_digest(init) if init else "",
    )
    material = find_material(
        recipe,
        store,
        labels=names,
        split=split,
        subsample=subsample,
        shuffle_labels=shuffle_labels,
        seed=seed,
    )
    for each in material.labelled:
        if note := without_records_note(each.label_set.name, each.prevalence):
            print(f"medts: {note}", file=sys.stderr)  # noqa: T201
    begin = claim(out, request, data_digest=material.digest)
    made = out / ("bundle" if material.texts is None else "model")
    if is_finished(made, request):
        return made

    # Seeded before anything is built: initial weights belong to the seed of the run.
    torch.manual_seed(seed)
    encoder = recipe.encoder.build()
    start = load_bundle(init) if init else None
    if start is not None:
        check_same_preparation(recipe, start, init)
        take_weights(encoder, start, init)
    head, text = _build_head(recipe, encoder, material)
    objective = recipe.objective.build(TrainingParts(encoder, head, targets_of(material)))
    objective.train()
    validation = make_loader(material, recipe, seed=seed, is_training=False)
    fitted = fit(
        objective,
        training=make_loader(material, recipe, seed=seed, is_training=True),
        validation=validation,
        settings=recipe.training,
        folder=out,
        show_progress=show_progress,
        seed=seed,
        on_claim=begin,
    )
    with write_whole(out / "history.json") as target:
        target.write_text(json.dumps(fitted.history, indent=1), encoding="utf-8")
    provenance = _provenance(request, material, fitted, start)
    if material.texts is not None:
        return save_text_encoder(objective, material.texts, provenance, made)
    bundle = _bundle(request, material, provenance, encoder, head, text)
    save_reconstructions(objective, validation, out / "reconstructions.npz")
    return bundle.save(made)


def check_same_preparation(recipe: Recipe, start: Bundle, init: str | Path | None) -> None:
    """Makes sure that a bundle's encoder was trained on signals prepared as the recipe's are.

    Raises:
        ConfigError: If rate, unit, scale or filter of a stream differ, or the channels of an
            encoder that distinguishes them by their order alone.
    """
    fields = ["sampling_rate", "unit", "scale", "low_hz", "high_hz", "filter"]
    if not recipe.encoder.is_channel_variable:
        fields.append("channels")
    for name, spec in recipe.preprocessing.streams.items():
        before = start.preprocessing.streams.get(name)
        if before is None:
            continue
        differing = [
            f"{field} {found} and {wanted}"
            for field in fields
            if (found := getattr(before, field)) != (wanted := getattr(spec, field))
        ]
        if differing:
            raise ConfigError(
                f"the bundle's stream {name!r} was prepared in another way than the recipe's: "
                f"{', '.join(differing)}",
                path=init,
                field="init",
                remedy="Give the recipe the bundle's preprocessing, by its flags or .but(...)",
            )


def take_weights(encoder: Encoder, start: Bundle, init: str | Path | None) -> None:
    """Fine-tuning: initialises an encoder with the weights of a bundle's.

    A model that was pretrained with parts for another modality, such as reports, lends the parts
    that an encoder of its kind without them has.

    Raises:
        ConfigError: If that encoder has another shape.
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


def _build_head(
    recipe: Recipe, encoder: Encoder, material: Material
) -> tuple[Head | MatchingHead | None, TextModel | None]:
    """Returns the head with all texts that it compares with, and which model read them."""
    config = recipe.head
    if config is None:
        return None, None
    if isinstance(config, HeadConfig):
        (labelled,) = material.labelled
        head = build_head(config, dim=encoder.dim, label_set=labelled.label_set)
        if isinstance(head, RegressionHead):
            head.learn_scale(torch.from_numpy(labelled.train.target))
        if recipe.starts_from_probe:
            from medts.training.lp_ft import start_from_probe

            start_from_probe(head, encoder, recipe, material)
        return head, None
    texts = texts_of(each.label_set for each in material.labelled)
    read = read_texts(config, texts)
    head = MatchingHead(config, dim=encoder.dim, text_dim=read.vectors.shape[1], texts=texts)
    head.learn(texts, read.vectors)
    model = TextModel(
        name=config.text.name,
        digest=read.digest,
        dim=read.vectors.shape[1],
        n_truncated=read.n_truncated,
    )
    return head, model


def _provenance(
    request: Request, material: Material, fitted: Fitted, start: Bundle | None
) -> Provenance:
    recipe, labelled = request.recipe, material.labelled
    settings: dict[str, Any] = request.model_dump(mode="json")
    if material.account is not None:
        settings["reports"] = material.account
    found = Provenance(
        recipe=recipe.name + (" (labels shuffled)" if request.shuffle_labels else ""),
        settings=settings,
        seed=request.seed,
        prevalence=labelled[0].prevalence if labelled else {},
        prevalence_by_set={each.label_set.name: each.prevalence for each in labelled},
        data_digest=material.digest,
        init_digest=request.init_digest,
        selection={"epoch": fitted.best_epoch, recipe.training.monitor: fitted.best_value},
        **trace(material.store, material.train, material.validation, recipe),
    )
    return found.but(seen=merge_seen(found.seen, start.provenance.seen if start else ()))


def _bundle(
    request: Request,
    material: Material,
    provenance: Provenance,
    encoder: Encoder,
    head: nn.Module | None,
    text: TextModel | None,
) -> Bundle:
    recipe = request.recipe
    labels = [Labels(label_set=each.label_set) for each in material.labelled] or [Labels()]
    bundle = Bundle(
        ModelConfig(
            encoder=recipe.encoder, head=recipe.head, text=text, windowing=recipe.windowing
        ),
        preprocessing=recipe.preprocessing,
        labels=labels[0].but(further=tuple(labels[1:])),
        provenance=provenance,
    )
    bundle.encoder.load_state_dict(encoder.state_dict())
    if head is None:
        return bundle
    assert bundle.head is not None
    bundle.head.load_state_dict(head.state_dict())
    chosen = [
        Labels(label_set=each.label_set, operating_points=operating_points(bundle, each, material))
        for each in material.labelled
    ]
    bundle.labels = chosen[0].but(further=tuple(chosen[1:]))
    return bundle
