"""BLEU (sacrebleu), ROUGE-L (rouge-score) and F1 of stated findings for generated reports.

BLEU and ROUGE compare words: "no infarction" is nearly "infarction" to both. Precision, recall and
F1 of findings compare what is stated; the caller looks findings up in the ontology. Statistics are
kept per pair of texts, so that resamples and permutations cost one product with their weights.

Axes: n pairs of texts.
"""

import importlib
from collections.abc import Sequence, Set
from typing import Any

import numpy as np
from jaxtyping import Float

from medts.core.errors import ConfigError, MedtsError


def text_scores(
    generated: Sequence[str],
    written: Sequence[str],
    findings: tuple[Sequence[Set[str]], Sequence[Set[str]]],
    weights: Float[np.ndarray, "N n"] | None = None,
) -> dict[str, Float[np.ndarray, "N"]]:
    """Corpus BLEU-1 and BLEU-4, mean ROUGE-L F1, and pooled precision, recall and F1 of findings.

    BLEU is corpus BLEU (Papineni et al. 2002), not smoothed, in lower case with the 13a tokens of
    sacrebleu; ROUGE-L (Lin 2004) is without stemming. All lie in [0, 1].

    Args:
        generated: Texts of the model.
        written: The reference of each.
        findings: Findings that each generated and each written text states.
        weights: How often each pair counts; once each if None.

    Returns:
        A value per row of weights; NaN where there is nothing to divide by.

    Raises:
        MedtsError: If the lists differ in length or are empty.
        ConfigError: If sacrebleu or rouge-score is not installed.
    """
    if not len(generated) == len(written) == len(findings[0]) == len(findings[1]) > 0:
        raise MedtsError(
            f"{len(generated)} generated and {len(written)} written reports",
            field="reports",
            remedy="Give one generated text for every written report, and at least one",
        )
    weights = np.ones((1, len(written))) if weights is None else weights
    sides = list(zip(*findings, strict=True))
    counts = np.array([(len(g & w), len(g), len(w)) for g, w in sides], dtype=float)
    common, n_generated, n_written = (weights @ counts).T
    return {
        "bleu_1": _bleu(generated, written, weights, order=1),
        "bleu_4": _bleu(generated, written, weights, order=4),
        "rouge_l": weights @ _rouge_l(generated, written) / weights.sum(axis=1),
        "finding_precision": _share(common, n_generated),
        "finding_recall": _share(common, n_written),
        "finding_f1": _share(2 * common, n_generated + n_written),
    }


def _bleu(
    generated: Sequence[str], written: Sequence[str], weights: Float[np.ndarray, "N n"], order: int
) -> Float[np.ndarray, "N"]:
    bleu = _needed("sacrebleu.metrics").BLEU
    # Only its counts are used; `effective_order` keeps it from warning of single sentences.
    metric = bleu(lowercase=True, max_ngram_order=order, effective_order=True)
    pairs = [metric.sentence_score(g, [w]) for g, w in zip(generated, written, strict=True)]
    counted = np.array([[*each.counts, *each.totals, each.sys_len, each.ref_len] for each in pairs])
    found = []
    for row in (weights @ counted).round().astype(int).tolist():
        correct, total = row[:order], row[order : 2 * order]
        score = bleu.compute_bleu(
            correct, total, row[-2], row[-1], smooth_method="none", max_ngram_order=order
        )
        found.append(score.score / 100)
    return np.array(found)


def _rouge_l(generated: Sequence[str], written: Sequence[str]) -> Float[np.ndarray, "n"]:
    scorer = _needed("rouge_score.rouge_scorer").RougeScorer(["rougeL"])
    pairs = zip(generated, written, strict=True)
    return np.array([scorer.score(w, g)["rougeL"].fmeasure for g, w in pairs], dtype=float)


def _share(part: np.ndarray, whole: np.ndarray) -> Float[np.ndarray, "N"]:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def _needed(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"scores of texts need the package {error.name}",
            field="protocol",
            remedy="Install it with `pip install 'medts[text]'`",
        ) from error
