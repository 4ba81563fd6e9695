"""Report modelling: a recipe and the reports of a store become a text encoder in a folder.

Reports of the training folds are cleaned, put into English and read once each per epoch, however
often they occur; the epoch is chosen on those of the validation folds. The run ends in a local
Hugging Face folder, which `medts.nn.text.load_language_model` reads by its path, with a
``provenance.json`` beside the weights that says whose reports the model has seen. No signal and no
label is looked at.

Axes: n texts.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from torch.utils.data import DataLoader

from medts.core.config import Config
from medts.core.errors import StoreError
from medts.core.files import write_whole
from medts.core.reports import ReportSettings
from medts.data.reports import distinct, prepare
from medts.data.seen import Seen
from medts.data.splits import Part, check_disjoint
from medts.data.store import Store, digest_of
from medts.inference.manifest import Provenance
from medts.models.report_encoder import ReportEncoder
from medts.models.settings.report_encoder import ReportEncoderConfig
from medts.nn.settings import TextConfig
from medts.nn.text import load_language_model
from medts.objectives.masked_language import MaskedLanguage
from medts.recipes.folder import claim, trace
from medts.recipes.report_lm import ReportModelling
from medts.tensors.batch import Batch


class ReportModellingRequest(Config):
    """What a run was asked to do; written before it starts."""

    recipe: ReportModelling
    """The resolved recipe."""

    train_folds: tuple[str, ...] = Field(min_length=1)
    """Folds whose reports train."""

    val_folds: tuple[str, ...] = Field(min_length=1)
    """Folds on which the epoch is chosen, and whose perplexity is quoted."""

    seed: int = Field(default=0, ge=0)
    """Seed of everything random."""

    init_digest: str = ""
    """SHA-256 of the encoder that is the start, and of its vocabulary."""

    validation_digest: str = ""
    """SHA-256 over the validation reports as they are read."""

    seen: tuple[Seen, ...] = ()
    """Folds and subjects whose reports are read."""

    reports: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Of each part: reports by language, left out and why, masked, and covered by the lexicon."""


@dataclass(frozen=True)
class _Reports:
    """The usable reports of some folds, each once, and an account of the others."""

    part: Part
    texts: tuple[str, ...]
    account: dict[str, Any]


def model_reports(
    recipe: ReportModelling,
    store: Store,
    *,
    train_folds: Sequence[str],
    val_folds: Sequence[str],
    out: str | Path,
    seed: int = 0,
    show_progress: bool = True,
) -> Path:
    """Trains a text encoder on reports and returns its folder.

    Args:
        recipe: What to train and how.
        store: Records of one or several corpora; only their reports are read.
        train_folds: Folds that train, of whichever corpus has them.
        val_folds: Folds that choose the epoch.
        out: Run folder; a run that was killed there is continued.
        seed: Of everything random.
        show_progress: Whether to draw a bar.

    Raises:
        ConfigError: If ``out`` holds another run, or the model cannot fill in words.
        LeakError: If a subject is in both parts.
        StoreError: If no record of a part has a usable report.
    """
    out = Path(out)
    train = _reports_of(store, train_folds, recipe.reports)
    validation = _reports_of(store, val_folds, recipe.reports)
    check_disjoint(store, train=train.part.rows, validation=validation.part.rows)
    start = load_language_model(recipe.text)
    origin = trace(store, train.part, validation.part, TextConfig(name=recipe.text))
    request = ReportModellingRequest(
        recipe=recipe,
        train_folds=tuple(train_folds),
        val_folds=tuple(val_folds),
        seed=seed,
        init_digest=start.digest,
        validation_digest=digest_of(validation.texts),
        seen=origin["seen"],
        reports={"train": train.account, "validation": validation.account},
    )
    data_digest = digest_of(train.texts)
    claim(out, request, data_digest=data_digest)
    if (out / "model" / "provenance.json").is_file():
        return out / "model"

    from medts.training.fit import fit

    torch.manual_seed(seed)
    encoder = ReportEncoder(ReportEncoderConfig(), language_model=start)
    objective = MaskedLanguage(recipe.objective, encoder=encoder)
    known = set(train.texts)
    unseen = [text for text in validation.texts if text not in known]
    measured = (
        {"": validation.texts, "_of_new_reports": unseen} if unseen else {"": validation.texts}
    )
    before = {name: perplexity(objective, texts) for name, texts in measured.items()}
    fitted = fit(
        objective,
        training=_loader(train.texts, recipe, seed=seed, is_training=True),
        validation=_loader(validation.texts, recipe, seed=seed, is_training=False),
        settings=recipe.training,
        folder=out,
        show_progress=show_progress,
    )
    after = {name: perplexity(objective, texts) for name, texts in measured.items()}
    with write_whole(out / "history.json") as target:
        target.write_text(json.dumps(fitted.history, indent=1))
    objective.model.save_pretrained(out / "model")
    objective.tokenizer.save_pretrained(out / "model")
    provenance = Provenance(
        recipe=recipe.name,
        settings=request.model_dump(mode="json", exclude={"seen"}),
        seed=seed,
        data_digest=data_digest,
        init_digest=start.digest,
        selection={
            "epoch": fitted.best_epoch,
            "loss": fitted.best_value,
            **{f"perplexity_before{name}": value for name, value in before.items()},
            **{f"perplexity_after{name}": value for name, value in after.items()},
            "n_new_reports": float(len(unseen)),
            "head_was_fresh": float(encoder.has_fresh_head),
            "reports_cut": float(objective.n_cut(train.texts)),
        },
        **origin,
    )
    with write_whole(out / "model" / "provenance.json") as target:
        target.write_text(provenance.model_dump_json(indent=1), encoding="utf-8")
    return out / "model"


@torch.no_grad()
def perplexity(objective: MaskedLanguage, texts: Sequence[str], *, batch_size: int = 64) -> float:
    """Returns exp of the mean cross-entropy over the hidden tokens of all texts.

    The tokens hidden in a text depend on the text alone.
    """
    was_training = objective.training
    objective.eval()
    parts = [texts[at : at + batch_size] for at in range(0, len(texts), batch_size)]
    losses = torch.cat([objective.score(part)[0].cpu() for part in parts])
    objective.train(was_training)
    return math.exp(float(losses.double().mean()))


def seen_by(folder: str | Path) -> Provenance:
    """Returns what the folder of a report language model says of its origin.

    Raises:
        StoreError: If it says nothing, as a model from elsewhere does.
    """
    path = Path(folder) / "provenance.json"
    if not path.is_file():
        raise StoreError(
            "no provenance.json: whose reports this model has seen is unknown", path=folder
        )
    return Provenance.model_validate_json(path.read_text(encoding="utf-8"))


def _reports_of(store: Store, folds: Sequence[str], settings: ReportSettings) -> _Reports:
    rows = store.select(folds)
    written = store.column("report")
    found = prepare([written[row] for row in rows], settings)
    kept = [at for at, report in enumerate(found.reports) if report is not None]
    if not kept:
        raise StoreError(
            f"no record of folds {', '.join(folds)} has a usable report", path=store.paths[0]
        )
    texts, _ = distinct([found.texts[at] for at in kept])
    empty = torch.zeros(len(kept), 0).numpy()
    part = Part(tuple(folds), rows[kept], empty, len(rows) - len(kept))
    return _Reports(part, tuple(texts), found.account)


def _loader(
    texts: Sequence[str], recipe: ReportModelling, *, seed: int, is_training: bool
) -> DataLoader:
    batch_size = recipe.training.batch_size
    return DataLoader(
        list(texts),  # pyright: ignore[reportArgumentType] - a list is a dataset
        batch_size=min(batch_size, len(texts)),
        shuffle=is_training,
        drop_last=is_training and len(texts) > batch_size,
        collate_fn=_as_batch,
        num_workers=recipe.training.n_workers,
        generator=torch.Generator().manual_seed(seed),
    )


def _as_batch(texts: list[str]) -> Batch:
    names = tuple(f"report {number}" for number in range(len(texts)))
    return Batch(streams={}, record_ids=names, subject_ids=names, text=tuple(texts))
