"""Train, validation and test records of one evaluation, disjoint by subject.

A task cannot be made with a subject in two of its parts, so no protocol can choose on its test
records, and `Task.check` refuses a model that was trained on them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from medts.core.errors import ConfigError
from medts.core.labels import LabelSet
from medts.data.recordings import Recordings
from medts.data.splits import Part, check_disjoint, describe, take_part
from medts.evaluation.leaks import refuse_leaks
from medts.inference.bundle import Bundle
from medts.inference.stored import Compute


@dataclass(frozen=True)
class Task:
    """The records and the label set of one evaluation.

    Args:
        store: Where the records are.
        label_set: What is predicted.
        test: Records that are measured on, once.
        train: Labelled records that a probe may be trained on.
        validation: Records on which thresholds and strengths are chosen.
        allow_leak: True goes on with a model that has seen test subjects, with a note.
        allow_unchecked: True goes on where leaks cannot be checked, with a note.
        compute: Device, arithmetic and workers of predictions and embeddings.
        out: Folder for files beside the result, such as predictions; none writes none.

    Raises:
        LeakError: If a subject is in two parts.
    """

    store: Recordings
    label_set: LabelSet
    test: Part
    train: Part | None = None
    validation: Part | None = None
    allow_leak: bool = False
    allow_unchecked: bool = False
    compute: Compute | None = None
    out: Path | None = None

    def __post_init__(self) -> None:
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        check_disjoint(self.store, **{k: part.rows for k, part in parts.items() if part})

    def check(self, model: Bundle) -> tuple[str, ...]:
        """Checks for data leaks; returns notes on those that were allowed.

        Raises:
            LeakError: If it has seen test subjects, or that cannot be checked, and it was not
                allowed.
        """
        return refuse_leaks(
            model.provenance,
            self.store,
            self.test.rows,
            self.test.folds,
            allow_leak=self.allow_leak,
            allow_unchecked=self.allow_unchecked,
        )

    def training(self) -> Part:
        """Returns the training part.

        Raises:
            ConfigError: If the task has none.
        """
        return _required(self.train, "train")

    def choosing(self) -> Part:
        """Returns the validation part.

        Raises:
            ConfigError: If the task has none.
        """
        return _required(self.validation, "validation")


def make_task(
    store: Recordings,
    label_set: str,
    *,
    test_folds: Sequence[str],
    train_folds: Sequence[str] = (),
    val_folds: Sequence[str] = (),
    allow_leak: bool = False,
    allow_unchecked: bool = False,
    compute: Compute | None = None,
    out: Path | None = None,
) -> Task:
    """Composes a task from folds.

    Args:
        store: Recordings with labels.
        label_set: Full name, such as ``ptb-xl/super``.
        test_folds: Folds that are measured on.
        train_folds: Folds that a probe is trained on; none for protocols that train nothing.
        val_folds: Folds on which everything is chosen.
        allow_leak: True goes on with a model that has seen test subjects.
        allow_unchecked: True goes on where leaks cannot be checked for want of the site key.
        compute: Device, arithmetic and workers.
        out: Folder for files beside the result.

    Raises:
        LeakError: If a subject is in two parts, as when validation is test.
        StoreError: If a fold has no record with a label of the set.
    """

    def part(folds: Sequence[str]) -> Part | None:
        return take_part(store, label_set, folds) if folds else None

    return Task(
        store=store,
        label_set=store.label_set(label_set),
        test=take_part(store, label_set, test_folds),
        train=part(train_folds),
        validation=part(val_folds),
        allow_leak=allow_leak,
        allow_unchecked=allow_unchecked,
        compute=compute,
        out=out,
    )


@dataclass(frozen=True)
class Origin:
    """Which model was measured, how, and what it was trained and chosen on."""

    protocol: str
    recipe: str
    seed: int
    bundle_digest: str
    splits: dict[str, object]
    tuning_trials: int = 0
    notes: tuple[str, ...] = ()


def origin_of(
    model: Bundle, task: Task, protocol: str, *, seed: int, notes: Sequence[str] = ()
) -> Origin:
    """Returns which model was measured, and on which parts a probe was trained and chosen."""
    settings = model.provenance.settings.get("recipe", {})
    parts = {"train": task.train, "validation": task.validation}
    return Origin(
        protocol=protocol,
        recipe=model.provenance.recipe,
        seed=seed,
        bundle_digest=model.digest(),
        splits={name: describe(task.store, part) for name, part in parts.items() if part},
        tuning_trials=settings.get("tuning_trials", 0),
        notes=tuple(notes),
    )


def _required(part: Part | None, name: str) -> Part:
    if part is None:
        flag = "--train-folds" if name == "train" else "--val-folds"
        raise ConfigError(
            f"this protocol needs {name} records", field=name, remedy=f"Give {flag}, such as 1-7"
        )
    return part


def restrict(task: Task, *, min_test: int, min_train: int = 0) -> tuple[Task, tuple[str, ...]]:
    """Returns the task with the classes that have enough examples, and the names of the others.

    Records of a ``single`` label set whose class is left out are left out with it.

    Raises:
        ConfigError: If fewer than two classes are left.
    """
    n_test = task.test.target.sum(axis=0)
    n_train = task.train.target.sum(axis=0) if task.train is not None else np.zeros_like(n_test)
    kept = np.flatnonzero((n_train >= min_train) & (n_test >= min_test))
    classes = np.array(task.label_set.classes)
    if len(kept) < 2:
        raise ConfigError(
            f"{len(kept)} classes of {task.label_set.name} have {min_train} training and "
            f"{min_test} test examples",
            field="min_test",
            remedy="Require fewer, or take more folds",
        )
    left_out = tuple(
        f"{classes[k]} ({n_train[k]:.0f} train, {n_test[k]:.0f} test)"
        for k in sorted(set(range(len(classes))) - set(kept.tolist()))
    )
    return only_classes(task, classes[kept].tolist()), left_out


def only_classes(task: Task, names: Sequence[str]) -> Task:
    """Returns the task with some of its classes, in its own order.

    Records of a ``single`` label set whose class is left out are left out with it.
    """
    kept = [k for k, name in enumerate(task.label_set.classes) if name in names]
    classes = tuple(task.label_set.classes[k] for k in kept)
    phrases = {name: words for name, words in task.label_set.phrases.items() if name in classes}
    label_set = task.label_set.but(classes=classes, phrases=phrases)

    def part(every: Part) -> Part:
        return _columns(every, kept, label_set)

    return replace(
        task,
        label_set=label_set,
        test=part(task.test),
        train=part(task.train) if task.train is not None else None,
        validation=part(task.validation) if task.validation is not None else None,
    )


def _columns(every: Part, kept: list[int], label_set: LabelSet) -> Part:
    narrower = replace(every, target=every.target[:, kept])
    if label_set.kind != "single":
        return narrower
    return narrower.take(np.flatnonzero(narrower.target.any(axis=1)))
