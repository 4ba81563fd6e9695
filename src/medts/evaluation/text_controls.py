"""Controls of label leakage through reports: text only, signal only, shuffled, redacted.

Axes: R records, K classes.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from medts.core.labels import LabelSet
from medts.core.reports import ReportSettings
from medts.core.sentences import join_sentences
from medts.data.ontology import class_concepts
from medts.data.recordings import Recordings
from medts.data.report_grades import are_grades
from medts.data.report_language import split_sentences
from medts.data.reports import as_read, without_classes
from medts.evaluation.head_predictions import paired_differences, predict_test
from medts.evaluation.missing_modalities import without
from medts.evaluation.protocols.text_controls import TextControl, TextControlsConfig
from medts.evaluation.result import Condition
from medts.evaluation.scoring import Found, score
from medts.evaluation.task import Task
from medts.inference.bundle import Bundle
from medts.models.base import Encoder
from medts.tensors.batch import Batch, Encoded

Change = Callable[[Batch], Batch]


def run(model: Bundle, task: Task, settings: TextControlsConfig, *, seed: int) -> Found:
    """Scores the test records as they are and under every control.

    Raises:
        MedtsError: If the model predicts other classes than the task's.
    """
    scored = predict_test(model, task)
    predictions = [("test", 0, scored)]
    found = score(scored)
    conditions, measured = [], dict(found.controls)
    for control in settings.controls:
        change = make_change(
            control,
            task.store,
            task.test.rows,
            task.label_set,
            settings=model.preprocessing.reports,
            seed=seed,
        )
        other = predict_test(with_change(model, change), task)
        predictions.append((control, 0, other))
        metrics = other.metrics()
        measured[control] = metrics
        conditions.append(
            Condition(
                name=control.replace("_", " "),
                metrics=metrics | paired_differences(other, scored),
                n_records=len(task.test),
                seed=seed,
            )
        )
    column = task.store.column("report")
    reports = as_read([column[row] for row in task.test.rows], model.preprocessing.reports)
    n_reports = sum(bool((text or "").strip()) for text in reports)
    notes = (f"{n_reports} of {len(reports)} test records have a report that the model reads",)
    unknown = unknown_classes(task.label_set)
    if unknown and "redacted_text" in settings.controls:
        notes += (f"NOT REDACTED, as the ontology has no words for them: {', '.join(unknown)}",)
    return replace(
        found,
        controls=measured,
        conditions=tuple(conditions),
        notes=notes,
        predictions=tuple(predictions),
    )


def change_reports(
    reports: Sequence[str | None],
    how: Literal["empty", "shuffled", "redacted"],
    label_set: LabelSet,
    *,
    seed: int = 0,
) -> list[str | None]:
    """Returns the reports of some records changed: for a control, or to train one.

    Args:
        reports: One per record; None where there is none, which stays so unless shuffled.
        how: ``empty`` leaves nothing; ``shuffled`` gives every record another's, or by chance
            its own; ``redacted`` removes the sentences that name a class, denied or not.
        label_set: Whose classes are not to be named.
        seed: Of the shuffle.
    """
    if how == "shuffled":
        order = np.random.default_rng(seed).permutation(len(reports))
        return [reports[place] for place in order]
    if how == "empty":
        return [None if text is None else "" for text in reports]
    kept: dict[str, str] = {}
    for text in reports:
        if text is not None and text not in kept:
            sentences = split_sentences(text)
            left = without_classes(sentences, label_set)
            kept[text] = text if left == sentences else join_sentences(left)
    return [None if text is None else kept[text] for text in reports]


def make_change(
    control: TextControl,
    store: Recordings,
    rows: Sequence[int] | np.ndarray,
    label_set: LabelSet,
    *,
    settings: ReportSettings | None = None,
    seed: int = 0,
) -> Change:
    """Returns what a control does to a batch of windows of some rows of a store.

    Reports are changed as the model reads them, that is after ``settings``.
    """
    if control == "text_only":
        return hide_signals
    if control == "signal_only":
        return lambda batch: replace(batch, text=(None,) * len(batch))
    column = store.column("report")
    how: dict[str, Literal["empty", "shuffled", "redacted"]] = {
        "empty_text": "empty", "shuffled_text": "shuffled", "redacted_text": "redacted",
    }  # fmt: skip
    written = [column[row] for row in rows]
    can_redact = len(unknown_classes(label_set)) < len(label_set)
    if control == "redacted_text" and settings is not None and can_redact:
        # Before and after translation: the English of a sentence may hide what it named.
        hidden = (*settings.hidden_classes_of, label_set)
        texts = as_read(written, settings.but(is_redacted=True, hidden_classes_of=hidden))
    else:
        texts = change_reports(as_read(written, settings), how[control], label_set, seed=seed)
    by_record = dict(zip(store.record_ids[rows], texts, strict=True))
    return lambda batch: replace(batch, text=tuple(by_record[name] for name in batch.record_ids))


def unknown_classes(label_set: LabelSet) -> tuple[str, ...]:
    """Names the classes that nothing here has words for, so that none can be redacted."""
    if are_grades(label_set.classes):
        return ()
    return tuple(name for name in label_set.classes if not class_concepts(label_set, name))


def hide_signals(batch: Batch) -> Batch:
    """Makes every stream of every window absent."""
    return without(batch, tuple(batch.streams))


class Changed(Encoder):
    """An encoder that sees batches after a change."""

    def __init__(self, encoder: Encoder, change: Change) -> None:
        super().__init__()
        self.encoder, self.change, self.dim = encoder, change, encoder.dim

    def forward(self, batch: Batch) -> Encoded:
        """Encodes the changed batch."""
        return self.encoder(self.change(batch))


def with_change(model: Bundle, change: Change) -> Bundle:
    """Returns a bundle with the same weights that sees batches after a change; never save it."""
    return model.with_encoder(Changed(model.encoder, change).eval())
