"""Report generation: BLEU, ROUGE-L and F1 of findings of drafted against written reports.

Axes: R records.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from medts.core.errors import ConfigError, MedtsError
from medts.data.ontology import mentions
from medts.evaluation.protocols.drafting import DraftingConfig
from medts.evaluation.result import Estimate, estimates_of_samples
from medts.evaluation.scoring import Found
from medts.evaluation.task import Task
from medts.evaluation.text import reports_with_words
from medts.inference.bundle import Bundle
from medts.inference.stored import map_windows
from medts.metrics.bootstrap import derangement, resample_weights
from medts.metrics.checks import subject_index
from medts.metrics.text import text_scores
from medts.models.melp import Melp
from medts.tensors.batch import Batch


def run(model: Bundle, task: Task, settings: DraftingConfig, *, seed: int) -> Found:
    """Drafts a report for every test record and compares it with the written one.

    Raises:
        ConfigError: If the model has no decoder.
        MedtsError: If no test record has a report with words.
    """
    writer, store = writer_of(model), task.store
    rows, written = reports_with_words(model, store, task.test.rows)
    if not len(rows):
        raise MedtsError(
            "no test record has a report", field="report", remedy="Test on a corpus with reports"
        )
    drafted = _drafts(model, writer, task, rows, settings.max_tokens)
    rng = np.random.default_rng(seed)
    subject = subject_index(store.subject_ids[rows].tolist(), len(rows))
    weights = resample_weights(subject, settings.n_resamples, rng)
    plain = compare_texts(drafted, written)[0]
    exchanged = [
        compare_texts([drafted[i] for i in derangement(len(rows), rng)], written)[0]
        for _ in range(settings.n_exchanges)
    ]
    controls = {"exchanged": estimates_of_samples(exchanged)}
    if task.train is not None:
        _, of_training = reports_with_words(model, store, task.train.rows)
        for commonest, _ in Counter(of_training).most_common(1):
            found = compare_texts([commonest] * len(rows), written)[0]
            controls["commonest_report"] = {k: Estimate(value=v) for k, v in found.items()}
    intervals = estimates_of_samples(compare_texts(drafted, written, weights))
    return Found(
        test=task.test,
        label_set=task.label_set,
        metrics={name: intervals[name].but(value=value) for name, value in plain.items()},
        controls=controls,
        notes=(
            f"{len(set(drafted))} different drafts for {len(set(written))} different reports "
            f"of {len(rows)} records",
        ),
        rows=rows,
        has_labels=False,
    )


def compare_texts(
    drafted: Sequence[str],
    written: Sequence[str],
    weights: Float[np.ndarray, "N R"] | None = None,
) -> list[dict[str, float]]:
    """Returns the scores of drafts under each row of weights; findings come from the ontology."""
    known = {text: mentions(text) for text in {*drafted, *written}}
    findings = ([known[text] for text in drafted], [known[text] for text in written])
    columns = text_scores(drafted, written, findings, weights)
    return [
        dict(zip(columns, row, strict=True)) for row in np.stack(list(columns.values())).T.tolist()
    ]


def writer_of(model: Bundle) -> Melp:
    """Returns the encoder with its report decoder.

    Raises:
        ConfigError: If it has none.
    """
    if not isinstance(model.encoder, Melp) or model.encoder.decoder is None:
        raise ConfigError(
            f"{model.provenance.recipe!r} has no decoder to write with",
            field="bundle",
            remedy="Use a model pretrained with the token level, such as recipe melp",
        )
    return model.encoder


def _drafts(
    model: Bundle, writer: Melp, task: Task, rows: Int[np.ndarray, "R"], max_tokens: int
) -> list[str]:
    """Generates a report from the first window of every record, in order."""

    def draft(batch: Batch) -> list[str]:
        return writer.draft(batch, max_tokens=max_tokens)

    found: dict[str, str] = {}
    for record_ids, drafts in map_windows(model, task.store, rows.tolist(), draft, task.compute):
        for name, text in zip(record_ids, drafts, strict=True):
            found.setdefault(name, text)
    return [found[name] for name in task.store.record_ids[rows]]
