"""Models of jobs: the bundle that a cell of a benchmark measures, trained where it is missing.

What several jobs share, a pretrained encoder, a model taught another label set or one to be fused,
is kept in a folder that bears everything it depends on, and is made by the first job that needs it.
What one job trained for itself is thrown away.
"""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from medts.data.splits import Split, Subsample
from medts.data.store import Store
from medts.inference.bundle import Bundle, load_bundle
from medts.inference.manifest import Labels, ModelConfig, Provenance
from medts.models.settings.melp import MelpConfig
from medts.recipes import find_recipe
from medts.training.recipe import Recipe
from medts.training.train import take_weights, train
from research.reading import reading, reads_like
from research.suites import Job, Question


def job_recipe(job: Job, name: str, rate_factor: float = 1.0) -> Recipe:
    """Returns a recipe within the job's budget.

    With few labels a recipe that does not say how many updates it needs gets 300.
    """
    recipe = find_recipe(name)
    if job.method.reads:
        recipe = reading(recipe, find_recipe(job.method.reads))
    training = recipe.training
    has_few = job.label_fraction != 1 and job.method.taught is None
    min_updates = round(training.min_updates * job.epochs_ratio) or job.min_updates
    min_updates = job.method.updates or min_updates
    return recipe.but(
        training=training.but(
            learning_rate=training.learning_rate * rate_factor,
            epochs=max(1, round(training.epochs * job.epochs_ratio)),
            min_updates=min_updates or (300 if has_few else 0),
            max_minutes=job.method.minutes or job.minutes,
        )
    )


@contextmanager
def finetuned(
    job: Job, question: Question, recipe: Recipe, store: Store, out: Path
) -> Iterator[Bundle]:
    """Gives a model that learnt the question itself; its files are gone afterwards, unless kept."""
    counts_shots = job.label_unit == "shots"
    is_kept = job.method.is_kept or job.method.kind == "late_fusion"
    folder = out / "runs" / job.name / "-".join((recipe.name, *question.test_folds))
    if is_kept:
        folder = _kept_folder(job, question, recipe.name, out)
    bundle = train(
        recipe,
        store,
        labels=question.label_set,
        split=Split(train=question.train_folds, validation=question.val_folds),
        out=folder,
        init=pretrained(job, question, store, out) if job.method.pretraining else None,
        subsample=Subsample(
            fraction=1.0 if counts_shots else job.label_fraction,
            shots=int(job.label_fraction) if counts_shots else 0,
            seed=job.draw,
        ),
        seed=job.seed,
        shuffle_labels=job.method.shuffle_labels,
        show_progress=False,
    )
    yield load_bundle(bundle)
    if not is_kept:
        shutil.rmtree(folder)  # the outcome is kept, not eighty models
        with suppress(OSError):  # another round's folder may lie beside it
            folder.parent.rmdir()


def shared(job: Job, question: Question, store: Store, out: Path) -> Bundle:
    """Returns the model that a job measures without teaching it the question."""
    method = job.method
    if method.taught is not None:
        return _answering_on(load_bundle(_taught(job, question, store, out)), method.answers_on)
    if method.pretraining and not method.is_untrained:
        return load_bundle(pretrained(job, question, store, out))
    recipe = find_recipe(method.pretraining if method.is_untrained else method.recipe)
    torch.manual_seed(job.seed)
    return Bundle(
        ModelConfig(encoder=recipe.encoder, windowing=recipe.windowing),
        preprocessing=recipe.preprocessing,
        labels=Labels(),
        provenance=Provenance(recipe=f"{recipe.name}, untrained"),
    )


def pretrained(job: Job, question: Question, store: Store, out: Path) -> Path:
    """Returns the pretrained bundle of a method, made once for all of its jobs."""
    method = job.method
    recipe = find_recipe(method.pretraining)
    training = recipe.training
    recipe = recipe.but(
        objective=recipe.objective.but(**method.pretraining_objective),
        training=training.but(
            epochs=max(1, round(training.epochs * job.epochs_ratio)),
            max_minutes=method.pretraining_minutes or method.minutes or job.minutes,
        ),
    )
    folds = Split(train=question.train_folds, validation=question.val_folds)
    if method.learns_from is not None:
        folds = Split(train=method.learns_from.train_folds, validation=method.learns_from.val_folds)
        store = store.only(method.learns_from.corpus)
    elif method.is_pretrained_on_all:
        folds = Split(
            train=(*folds.train, *({"train"} & set(store.folds))),
            validation=(*folds.validation, *({"validation"} & set(store.folds))),
        )
    else:
        store = store.only(question.corpus)  # other corpora have folds of the same names
    if method.report_lm:
        recipe = _with_report_lm(job, recipe, store, folds, out)
    return train(
        recipe,
        store,
        split=folds,
        out=_pretraining_folder(job, question, out),
        seed=job.seed if method.is_pretrained_per_seed else 0,
        show_progress=False,
    )


def _with_report_lm(
    job: Job,
    recipe: Recipe,
    store: Store,
    folds: Split,
    out: Path,
) -> Recipe:
    """Returns a recipe whose language model has read the reports of the training folds."""
    adapting, encoder = find_recipe(job.method.report_lm), recipe.encoder
    assert isinstance(encoder, MelpConfig)
    assert encoder.text is not None
    folder = train(
        adapting,
        store,
        split=folds,
        out=_report_lm_folder(adapting.name, out),
        show_progress=False,
    )
    return recipe.but(encoder=encoder.but(text=encoder.text.but(name=str(folder.resolve()))))


def _taught(job: Job, question: Question, store: Store, out: Path) -> Path:
    """Returns the bundle of a model that was taught other label sets, made once for all jobs."""
    taught, recipe = job.method.taught, job_recipe(job, job.method.recipe)
    assert taught is not None
    label_sets = taught.sets_for(question)
    return train(
        recipe,
        store,
        labels=label_sets,
        split=Split(train=taught.train_folds, validation=taught.val_folds),
        init=pretrained(job, question, store, out) if job.method.pretraining else None,
        out=taught_folder(job, out),
        seed=job.seed,
        show_progress=False,
    )


def _answering_on(model: Bundle, recipe: str) -> Bundle:
    """Returns the model with the same weights, reading the streams and windows of a recipe."""
    if not recipe:
        return model
    other = find_recipe(recipe)
    config = model.config.but(
        encoder=reads_like(model.config.encoder, other), windowing=other.windowing
    )
    view = Bundle(
        config,
        preprocessing=other.preprocessing,
        labels=model.labels,
        provenance=model.provenance,
    )
    take_weights(view.encoder, model, None)
    if view.head is not None and model.head is not None:
        view.head.load_state_dict(model.head.state_dict())
    return view.eval()


def shared_folders(job: Job, out: Path) -> tuple[Path, ...]:
    """Returns the run folders of the models that a job shares with others."""
    method, rounds = job.method, job.question.rounds()
    if method.taught is not None:
        return (taught_folder(job, out),)
    folders: list[Path] = []
    if method.pretraining and not method.is_untrained:
        folders += [_pretraining_folder(job, each, out) for each in rounds]
        if method.report_lm:
            folders.append(_report_lm_folder(method.report_lm, out))
    kept = [(job, method.recipe)] if method.is_kept else fused_sides(job)
    for asked, name in kept:
        folders += [_kept_folder(asked, each, name, out) for each in rounds]
    return tuple(folders)


def fused_sides(job: Job) -> list[tuple[Job, str]]:
    """Returns the recipes to be fused, each with the job that it is trained for.

    What a method says of pretraining and time is meant for the first; the others are trained as
    in any row of their own.
    """
    method = job.method
    plain = job.but(method=method.but(pretraining="", minutes=None))
    return [(plain if n else job, name) for n, name in enumerate(method.fused)]


def _report_lm_folder(name: str, out: Path) -> Path:
    return out / "pretrained" / name


def taught_folder(job: Job, out: Path) -> Path:
    """Returns the run folder of a model that is taught other label sets."""
    assert job.method.taught is not None
    taught = job.method.taught.but(
        label_sets=job.method.taught.sets_for(job.question), spares_question=False
    )
    settings = (
        f"{taught.model_dump_json()} {job.method.pretraining} {job.minutes} {job.epochs_ratio}"
    )
    if job.method.reads:
        settings += f" {job.method.reads}"
    digest = hashlib.sha256(settings.encode()).hexdigest()[:8]
    return out / "taught" / f"{job.method.recipe}-{digest}-s{job.seed}"


def _kept_folder(job: Job, question: Question, recipe: str, out: Path) -> Path:
    """Returns the run folder of a model that several rows answer with."""
    shown = {"label_fraction", "label_unit", "draw", "seed", "minutes", "epochs_ratio"}
    timed = job.but(minutes=job.method.minutes or job.minutes)
    settings = f"{question.model_dump_json()} {timed.model_dump_json(include=shown)}"
    digest = hashlib.sha256(settings.encode()).hexdigest()[:8]
    start = f"-from-{job.method.pretraining}" if job.method.pretraining else ""
    return out / "taught" / f"{recipe}{start}-{digest}-s{job.seed}"


def _pretraining_folder(job: Job, question: Question, out: Path) -> Path:
    """Returns the run folder of the encoder that a job starts from."""
    method = job.method
    corpus = question.corpus if method.learns_from is None else method.learns_from.corpus
    parts = [method.pretraining, "all" if method.is_pretrained_on_all else corpus]
    parts += [method.report_lm] if method.report_lm else []
    parts += [f"{name}-{value}" for name, value in method.pretraining_objective.items()]
    if question.n_rounds:
        parts.append(f"without-{'-'.join(question.test_folds)}")
    if method.is_pretrained_per_seed:
        parts.append(f"s{job.seed}")
    return out / "pretrained" / "-".join(parts)
