"""Models of jobs: the bundle that a cell of a benchmark measures, trained where it is missing.

What several jobs share, a pretrained encoder, a model taught another label set or one to be fused,
is kept in a folder that bears everything it depends on, and is made by the first job that needs it.
What one job trained for itself is thrown away.
"""

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from medts.data.splits import Split, Subsample
from medts.data.store import Store
from medts.inference.bundle import Bundle, load_bundle
from medts.inference.manifest import Labels, ModelConfig, Provenance
from medts.models.settings.melp import MelpConfig
from medts.training.recipe import Recipe, encoder_for
from medts.training.train import take_weights, train
from research.recipes import find_recipe, find_variant, override
from research.suites import Job, Method, Question, Start, Taught


def job_recipe(job: Job, rate_factor: float = 1.0) -> Recipe:
    """Returns the recipe of a job's method within the job's budget.

    With few labels a recipe that does not state how many updates it needs gets 300.
    """
    method = job.method
    recipe = find_variant(method.recipe, method.overrides, method.reads)
    few_labels = 300 if job.label_fraction != 1 and method.taught is None else 0
    least = round(recipe.training.min_updates * job.epochs_ratio) or job.min_updates or few_labels
    recipe = _within_budget(recipe, job, method.overrides, min_updates=least)
    rate = recipe.training.learning_rate * rate_factor
    return override(recipe, {"training.learning_rate": rate})


def start_recipe(job: Job, start: Start) -> Recipe:
    """Returns the recipe of a job's pretraining within the job's budget."""
    return _within_budget(find_variant(start.recipe, start.overrides), job, start.overrides)


def _within_budget(
    recipe: Recipe, job: Job, overrides: Mapping[str, Any], **training: float
) -> Recipe:
    training["epochs"] = max(1, round(recipe.training.epochs * job.epochs_ratio))
    training["max_minutes"] = job.minutes
    stated = {path: value for path, value in overrides.items() if path.startswith("training.")}
    return override(recipe.but(training=recipe.training.but(**training)), stated)


def settings_digest(job: Job) -> str:
    """Returns 12 digits of SHA-256 over a job and the recipes that it resolves to.

    A row of the ledger with another digest was made under other settings.
    """
    texts = [job.but(suite="").model_dump_json()]
    for each in (job, *fused_jobs(job)):
        texts += [job_recipe(each).model_dump_json()] if each.method.recipe else []
        if start := each.method.start:
            texts.append(start_recipe(each, start).model_dump_json())
    return _digest(*texts, length=12)


@contextmanager
def finetuned(
    job: Job, question: Question, recipe: Recipe, store: Store, out: Path
) -> Iterator[Bundle]:
    """Gives a model that learnt the question itself; its files are gone afterwards, unless kept."""
    counts_shots = job.label_unit == "shots"
    is_kept = job.method.is_kept
    folder = out / "runs" / job.suite / job.name / "-".join((recipe.name, *question.test_folds))
    if is_kept:
        folder = _kept_folder(job, question, out)
    bundle = train(
        recipe,
        store,
        labels=question.label_set,
        split=Split(train=question.train_folds, validation=question.val_folds),
        out=folder,
        init=pretrained(job, question, store, out),
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
    if job.method.taught is not None:
        return _reading_as(load_bundle(_taught(job, question, store, out)), job.method.tested_on)
    if start := pretrained(job, question, store, out):
        return load_bundle(start)
    recipe = job_recipe(job)
    torch.manual_seed(job.seed)
    return Bundle(
        ModelConfig(encoder=recipe.encoder, windowing=recipe.windowing),
        preprocessing=recipe.preprocessing,
        labels=Labels(),
        provenance=Provenance(recipe=f"{recipe.name}, untrained"),
    )


def pretrained(job: Job, question: Question, store: Store, out: Path) -> Path | None:
    """Returns the pretrained bundle of a method, made once for all of its jobs, if it has one."""
    start = job.method.start
    if start is None:
        return None
    recipe = start_recipe(job, start)
    source = start.folds_of or question
    folds = Split(train=source.train_folds, validation=source.val_folds)
    if start.is_on_all:
        folds = Split(
            train=(*folds.train, *({"train"} & set(store.folds))),
            validation=(*folds.validation, *({"validation"} & set(store.folds))),
        )
    else:
        store = store.only(source.corpus)  # other corpora have folds of the same names
    if start.report_lm:
        recipe = _with_report_lm(start.report_lm, recipe, store, folds, out)
    return train(
        recipe,
        store,
        split=folds,
        out=_start_folder(job, start, question, out),
        seed=job.seed if start.is_per_seed else 0,
        show_progress=False,
    )


def _with_report_lm(name: str, recipe: Recipe, store: Store, folds: Split, out: Path) -> Recipe:
    """Returns a recipe whose language model has read the reports of the training folds."""
    encoder = recipe.encoder
    assert isinstance(encoder, MelpConfig)
    assert encoder.text is not None
    folder = train(
        find_recipe(name),
        store,
        split=folds,
        out=_report_lm_folder(name, out),
        show_progress=False,
    )
    return override(recipe, {"encoder.text.name": str(folder.resolve())})


def _taught(job: Job, question: Question, store: Store, out: Path) -> Path:
    """Returns the bundle of a model that was taught other label sets, made once for all jobs."""
    taught = job.method.taught
    assert taught is not None
    return train(
        job_recipe(job),
        store,
        labels=taught.sets_for(question),
        split=Split(train=taught.train_folds, validation=taught.val_folds),
        init=pretrained(job, question, store, out),
        out=_taught_folder(job, taught, out),
        seed=job.seed,
        show_progress=False,
    )


def _reading_as(model: Bundle, recipe: str) -> Bundle:
    """Returns the model with the same weights, reading the streams and windows of a recipe."""
    if not recipe:
        return model
    other = find_recipe(recipe)
    encoder = encoder_for(model.config.encoder, other.preprocessing, other.windowing)
    config = model.config.but(encoder=encoder, windowing=other.windowing)
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


def fused_jobs(job: Job) -> list[Job]:
    """Returns the jobs whose models a row of late fusion combines, each as in a row of its own."""
    return [job.but(method=each.but(is_kept=True)) for each in job.method.fused]


def shared_folders(job: Job, out: Path) -> tuple[Path, ...]:
    """Returns the run folders of the models that a job shares with others."""
    method, rounds = job.method, job.question.rounds()
    if method.taught is not None:
        return (_taught_folder(job, method.taught, out),)
    folders: list[Path] = []
    for each in (job, *fused_jobs(job)):
        if start := each.method.start:
            folders += [_start_folder(each, start, question, out) for question in rounds]
            folders += [_report_lm_folder(start.report_lm, out)] if start.report_lm else []
        if each.method.is_kept:
            folders += [_kept_folder(each, question, out) for question in rounds]
    return tuple(dict.fromkeys(folders))


def _report_lm_folder(name: str, out: Path) -> Path:
    return out / "pretrained" / name


def _start_folder(job: Job, start: Start, question: Question, out: Path) -> Path:
    source, seed = start.folds_of or question, job.seed if start.is_per_seed else 0
    folds = [source.corpus, *source.train_folds, *source.val_folds]
    digest = _digest(start.model_dump_json(), *folds, job.minutes, job.epochs_ratio)
    return out / "pretrained" / f"{start.recipe}-{digest}-s{seed}"


def _taught_folder(job: Job, taught: Taught, out: Path) -> Path:
    sets = taught.but(label_sets=taught.sets_for(job.question), spares_question=False)
    digest = _digest(_learnt_by(job.method), sets.model_dump_json(), job.minutes, job.epochs_ratio)
    return out / "taught" / f"{job.method.recipe}-{digest}-s{job.seed}"


def _kept_folder(job: Job, question: Question, out: Path) -> Path:
    run = {"label_fraction", "label_unit", "draw", "minutes", "epochs_ratio", "min_updates"}
    parts = (question.model_dump_json(), job.model_dump_json(include=run))
    digest = _digest(_learnt_by(job.method), *parts)
    return out / "taught" / f"{job.method.recipe}-{digest}-s{job.seed}"


def _learnt_by(method: Method) -> str:
    """Returns what decides which weights come out, as text."""
    return method.model_dump_json(include={"recipe", "overrides", "reads", "start"})


def _digest(*parts: object, length: int = 8) -> str:
    text = " ".join(str(part) for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:length]
