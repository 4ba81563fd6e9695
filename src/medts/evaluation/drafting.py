"""Drafting: reports written by a model, compared with the written ones.

Axes: R records.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from medts.core.errors import ConfigError, MedtsError
from medts.data.ontology import mentions
from medts.data.reports import as_read
from medts.evaluation.protocols.drafting import DraftingConfig
from medts.evaluation.result import Measure, Measures
from medts.evaluation.scoring import Found
from medts.evaluation.task import Task
from medts.inference.bundle import Bundle
from medts.inference.stored import map_windows
from medts.metrics.bootstrap import derangement, draw_weights
from medts.metrics.checks import subject_index
from medts.metrics.text import bleu, finding_scores, meteor, rouge_l
from medts.models.melp import Melp


def run(model: Bundle, task: Task, settings: DraftingConfig, *, seed: int) -> Found:
    """Drafts a report for every test record and compares it with the written one.

    Raises:
        ConfigError: If the model has no decoder.
        MedtsError: If no test record has a report with words.
    """
    writer, store = writer_of(model), task.store
    rows, written = _told(model, task, task.test.rows)
    if not len(rows):
        raise MedtsError("no test record has a report", remedy="Test on a corpus with reports")
    drafted = list(_drafts(model, writer, task, rows, settings.max_tokens))
    subject = subject_index(store.subject_ids[rows].tolist(), len(rows))
    rng = np.random.default_rng(seed)
    weights = draw_weights(subject, settings.n_resamples, rng)
    resamples = [np.repeat(np.arange(len(rows)), each.astype(int)) for each in weights]
    exchanged = [derangement(len(rows), rng) for _ in range(settings.n_exchanges)]
    scorer = Scorer(written)
    value = scorer(drafted)
    controls = {"exchanged": _spread([scorer([drafted[i] for i in each]) for each in exchanged])}
    if task.train is not None:
        _, of_training = _told(model, task, task.train.rows)
        for commonest, _ in Counter(of_training).most_common(1):
            common = [commonest] * len(rows)
            controls["commonest_report"] = {k: Measure(value=v) for k, v in scorer(common).items()}
    intervals = _spread([scorer(drafted, each) for each in resamples])
    note = (
        f"{len(set(drafted))} different drafts for {len(set(written))} different reports "
        f"of {len(rows)} records"
    )
    return Found(
        test=task.test,
        label_set=task.label_set,
        metrics={name: intervals[name].but(value=value[name]) for name in value},
        controls=controls,
        notes=(note,),
        rows=rows,
        has_labels=False,
    )


class Scorer:
    """Compares drafts with the written reports, whose findings are looked up once.

    Args:
        written: What was written, record by record.
    """

    def __init__(self, written: Sequence[str]) -> None:
        self.written = list(written)
        self.findings = {text: mentions(text) for text in set(written)}

    def __call__(
        self, drafted: Sequence[str], rows: Sequence[int] | np.ndarray | None = None
    ) -> dict[str, float]:
        """Returns every score; of some rows, which may repeat, or of all."""
        rows = range(len(self.written)) if rows is None else rows
        drafts, truth = [drafted[i] for i in rows], [self.written[i] for i in rows]
        for text in {*drafts} - self.findings.keys():
            self.findings[text] = mentions(text)
        stated = [[self.findings[text] for text in texts] for texts in (drafts, truth)]
        return {
            "bleu_1": bleu(drafts, truth, n=1),
            "bleu_4": bleu(drafts, truth),
            "meteor": meteor(drafts, truth),
            "rouge_l": rouge_l(drafts, truth),
            **finding_scores(*stated),
        }


def writer_of(model: Bundle) -> Melp:
    """Returns the encoder as one that writes.

    Raises:
        ConfigError: If it does not.
    """
    if not isinstance(model.encoder, Melp) or model.encoder.decoder is None:
        raise ConfigError(
            f"{model.provenance.recipe!r} has no decoder to write with",
            field="bundle",
            remedy="Use a model pretrained with the token level, such as recipe melp",
        )
    return model.encoder


def _told(model: Bundle, task: Task, rows: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Returns the records whose report has words, and these reports as the model reads them."""
    column = task.store.column("report")
    reports = as_read([column[row] for row in rows.tolist()], model.preprocessing.reports)
    has_words = [any(map(str.isalnum, text or "")) for text in reports]
    texts = [text for text, has in zip(reports, has_words, strict=True) if text and has]
    return rows[np.array(has_words, dtype=bool)], texts


def _drafts(
    model: Bundle, writer: Melp, task: Task, rows: np.ndarray, max_tokens: int
) -> Iterator[str]:
    """Drafts from the first window of every record, in order."""
    batches = map_windows(
        model,
        task.store,
        rows.tolist(),
        lambda batch: writer.draft(batch, max_tokens=max_tokens),
        task.compute,
    )
    found: dict[str, str] = {}
    for record_ids, drafts in batches:
        for name, text in zip(record_ids, drafts, strict=True):
            found.setdefault(name, text)
    yield from (found[name] for name in task.store.record_ids[rows])


def _spread(drawn: Sequence[dict[str, float]]) -> Measures:
    """Returns the mean of each score over several draws, and where 95 % of them lie."""
    measures: Measures = {}
    for name in drawn[0]:
        values = np.array([each[name] for each in drawn])
        values = values[np.isfinite(values)]
        if not len(values):
            measures[name] = Measure(value=None)
            continue
        low, high = np.quantile(values, [0.025, 0.975])
        measures[name] = Measure(value=float(values.mean()), low=float(low), high=float(high))
    return measures
