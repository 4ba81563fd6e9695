"""Retrieval (recall@k) of subjects and reports by cosine similarity, beside chance.

Axes: Q queries, R items to find, D embedding width.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import gammaln

from medts.core.errors import MedtsError
from medts.evaluation.embeddings import embed
from medts.evaluation.protocols.retrieval import RetrievalConfig
from medts.evaluation.result import Estimate, Estimates
from medts.evaluation.scoring import Found
from medts.evaluation.task import Task
from medts.evaluation.text import (
    embed_records,
    embed_texts,
    reports_with_words,
    text_side,
    unit_length,
)
from medts.inference.bundle import Bundle
from medts.metrics.checks import subject_index
from medts.metrics.intervals import proportion_interval, subject_counts


@dataclass(frozen=True)
class Retrieval:
    """Where the first hit of each query stands.

    Args:
        rank: One for the nearest; of equals the wrong ones come first.
        n_hits: Relevant items of each query.
        n_items: Items each query searches.
    """

    rank: Int[np.ndarray, "Q"]
    n_hits: Int[np.ndarray, "Q"]
    n_items: int

    def recall(self, k: int) -> float:
        """Returns the share of queries with a hit among the k nearest."""
        return float((self.rank <= k).mean())

    def chance(self, k: int) -> float:
        """Returns the recall of a random order of the items."""
        if k >= self.n_items:
            return 1.0
        n_wrong = self.n_items - self.n_hits
        can_miss = n_wrong >= k
        rest = np.where(can_miss, n_wrong, k)
        log_miss = _log_choose(rest, k) - _log_choose(np.array(self.n_items), k)
        return float((1 - np.where(can_miss, np.exp(log_miss), 0.0)).mean())


def retrieve(similarity: Float[np.ndarray, "Q R"], is_hit: Bool[np.ndarray, "Q R"]) -> Retrieval:
    """Ranks the first hit of each query; an item may be barred with a similarity of minus infinity.

    Raises:
        MedtsError: If a query has no hit, or a similarity is NaN.
    """
    if np.isnan(similarity).any():
        raise MedtsError("a similarity is NaN", remedy="Look for an embedding that is not finite")
    if not is_hit.any(axis=1).all():
        n_lost = int((~is_hit.any(axis=1)).sum())
        raise MedtsError(f"{n_lost} queries have nothing to find", remedy="Leave them out")
    best = np.where(is_hit, similarity, -np.inf).max(axis=1, keepdims=True)
    is_barred = np.isneginf(similarity)
    rank = 1 + ((similarity >= best) & ~is_hit & ~is_barred).sum(axis=1)
    n_items = int((~is_barred).sum(axis=1).max())
    return Retrieval(rank, is_hit.sum(axis=1), n_items)


def match_reports(
    records: Float[np.ndarray, "R D"], texts: Float[np.ndarray, "R D"], reports: Sequence[str]
) -> tuple[Retrieval, Retrieval]:
    """Ranks reports for each record and records for each report (cross-modal retrieval).

    Args:
        records: Embeddings of the records, of unit length.
        texts: Embeddings of their reports, in the same order.
        reports: The reports; equal ones count as hits for each other.

    Raises:
        MedtsError: If there is not one report per record.
    """
    if not len(records) == len(texts) == len(reports):
        raise MedtsError(
            f"{len(records)} records, {len(texts)} text embeddings and {len(reports)} reports",
            field="reports",
        )
    number = subject_index([" ".join(each.lower().split()) for each in reports], len(reports))
    is_hit = number[:, None] == number
    similarity = records @ texts.T
    return retrieve(similarity, is_hit), retrieve(similarity.T, is_hit)


def match_subjects(
    embedding: Float[np.ndarray, "R D"], subjects: Sequence[str]
) -> tuple[Retrieval, Int[np.ndarray, "Q"]]:
    """Ranks all other records for each record whose subject has several (re-identification).

    Returns:
        The ranks, and which records were queries: those of subjects with several.

    Raises:
        MedtsError: If no subject has two records.
    """
    number = subject_index(list(subjects), len(embedding))
    is_same = (number[:, None] == number) & ~np.eye(len(number), dtype=bool)
    queries = np.flatnonzero(is_same.any(axis=1))
    if not len(queries):
        raise MedtsError(
            "no subject has two records in the test part",
            field="folds",
            remedy="Test on more folds: identification needs a second record to find",
        )
    unit = unit_length(embedding.astype(np.float64))
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, -np.inf)
    return retrieve(similarity[queries], is_same[queries]), queries


def run(model: Bundle, task: Task, settings: RetrievalConfig, *, seed: int) -> Found:
    """Retrieval of subjects and, where the model reads texts, of reports.

    Raises:
        MedtsError: If there is nothing to retrieve.
    """
    notes: tuple[str, ...] = ()
    store, rows = task.store, task.test.rows
    subjects = store.subject_ids[rows]
    metrics: Estimates = {}
    chance: Estimates = {}

    def add(name: str, found: Retrieval, of: Sequence[str]) -> None:
        for k in settings.ks:
            metrics[f"{name}_recall@{k}"] = _recall(found, k, of)
            chance[f"{name}_recall@{k}"] = Estimate(value=found.chance(k))

    if len(set(subjects)) < len(subjects):
        found, queries = match_subjects(
            embed(model, store, rows, compute=task.compute), subjects.tolist()
        )
        add("subject", found, subjects[queries].tolist())
        notes += (
            f"{len(queries)} records of {len(set(subjects[queries]))} subjects with several "
            f"records were matched among {found.n_items}",
        )
    else:
        notes += ("no subject has two test records: subjects were not retrieved",)
    if (aligned := text_side(model)) is not None:
        reported, texts = reports_with_words(model, store, rows)
        pairs = match_reports(
            embed_records(model, store, reported.tolist(), compute=task.compute),
            embed_texts(aligned, texts),
            texts,
        )
        for name, found in zip(("report", "record"), pairs, strict=True):
            add(name, found, store.subject_ids[reported].tolist())
        notes += (f"{len(set(texts))} different reports among {len(texts)}",)
    if not metrics:
        raise MedtsError(
            "there is nothing to retrieve: no subject has two test records, and the model reads "
            "no texts",
            field="folds",
            remedy="Test on more folds, or use a model with a text tower",
        )
    return Found(
        test=task.test,
        label_set=task.label_set,
        metrics=metrics,
        controls={"chance": chance},
        notes=notes,
        has_labels=False,
    )


def _recall(found: Retrieval, k: int, subjects: Sequence[str]) -> Estimate:
    """Returns recall@k with Wilson's interval over the subjects of the queries."""
    subject = subject_index(list(subjects), len(found.rank))
    right = subject_counts((found.rank <= k)[:, None], subject)[:, 0]
    cases = subject_counts(np.ones((len(subject), 1)), subject)[:, 0]
    return Estimate.of(proportion_interval(right, cases)).but(value=found.recall(k))


def _log_choose(n: Int[np.ndarray, "..."], k: int) -> Float[np.ndarray, "..."]:
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))
