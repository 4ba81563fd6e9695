"""How often each kind of interval holds the truth, by simulation.

Scores are binormal, so the true values are known. The default must hold 95 % intervals between
93 and 97 % for one AUROC of 0.87 on 263 records with 125, 30 and 10 positives; the table also has
subjects with several records, macros over five classes, and differences between two models.

Run: python -m research.bench.coverage [number of test sets]    (1,000 take a minute or two)

Axes: R records, K classes, N resamples.
"""

import sys
import time
from collections import defaultdict
from collections.abc import Callable
from functools import cache

import numpy as np
from scipy.special import expit
from scipy.stats import norm

from medts.metrics.bootstrap import bootstrap_scores
from medts.metrics.comparison import paired_bootstrap
from medts.metrics.delong import auroc_interval, delong_variance
from medts.metrics.intervals import logit_interval, percentile_interval
from medts.metrics.scores import Scorer, make_scorer
from medts.metrics.table import interval_table

N_RECORDS, N_RESAMPLES, TRUE_AUROC = 263, 400, 0.87
MACROS = ("macro_auroc", "macro_auprc", "macro_f1")
Bounds = dict[str, tuple[float, float, float]]
"""For each method: lower bound, truth, upper bound."""


def shift(auroc: float | np.ndarray) -> np.ndarray:
    """Distance between the two normals, in standard deviations, that gives an AUROC."""
    return norm.ppf(auroc) * np.sqrt(2)


def scorer_of(target: np.ndarray, score: np.ndarray) -> Scorer:
    """Prepares normal scores, stated above 0.7 standard deviations."""
    return make_scorer(target, expit(score), np.full(target.shape[1], expit(0.7)), "multi")


def one_class(rng: np.random.Generator, n_positive: int, per_subject: int = 1) -> Bounds:
    """One class; with several records per subject, half the variance is the subject's."""
    n_subjects = N_RECORDS // per_subject
    subject = np.repeat(np.arange(n_subjects), per_subject)
    is_positive = subject < n_positive
    shared = rng.normal(size=n_subjects)[subject]
    own = rng.normal(size=len(subject))
    noise = own if per_subject == 1 else np.sqrt(0.5) * (shared + own)
    score = noise + shift(TRUE_AUROC) * is_positive
    seen = delong_variance(is_positive, score, subject)
    scorer = scorer_of(is_positive[:, None].astype(float), score[:, None])
    resampled = bootstrap_scores(scorer, subject, N_RESAMPLES, int(rng.integers(2**31)))
    resamples = resampled.per_class["auroc"][:, 0]
    found = {
        "default": auroc_interval(seen),
        "logit DeLong": logit_interval(seen.value, np.sqrt(seen.total)),
        "percentile": percentile_interval(seen.value, resamples),
    }
    return {name: (i.low, TRUE_AUROC, i.high) for name, i in found.items()}


def five_classes(rng: np.random.Generator, prevalence: tuple[float, ...]) -> Bounds:
    """Macros over five correlated classes; prevalences are those of the population."""
    share = np.array(prevalence)
    target = (rng.random((N_RECORDS, len(share))) < share).astype(float)
    common, own = rng.normal(size=(N_RECORDS, 1)), rng.normal(size=target.shape)
    score = np.sqrt(0.3) * common + np.sqrt(0.7) * own + shift(TRUE_AUROC) * target
    probability, thresholds = expit(score), np.full(len(share), expit(0.7))
    arguments = (target, probability, thresholds, "multi")
    every, seed = np.arange(N_RECORDS), int(rng.integers(2**31))
    table = interval_table(*arguments, every, n_resamples=N_RESAMPLES, seed=seed)
    resamples = bootstrap_scores(make_scorer(*arguments), every, N_RESAMPLES, seed).overall
    found = {}
    for metric in MACROS:
        default, truth = table.metrics[metric], true_macro(prevalence, metric)
        plain = percentile_interval(default.value, resamples[metric])
        for method, interval in (("default", default), ("percentile", plain)):
            found[f"{metric} {method}"] = (interval.low, truth, interval.high)
    return found


@cache
def true_macro(prevalence: tuple[float, ...], metric: str) -> float:
    """Population value of a macro for classes of AUROC `TRUE_AUROC`."""
    share = np.array(prevalence)
    threshold = np.linspace(-8, 8 + float(shift(TRUE_AUROC)), 20001)[:, None]
    sensitivity, false = norm.sf(threshold - shift(TRUE_AUROC)), norm.sf(threshold)
    precision = share * sensitivity / (share * sensitivity + (1 - share) * false + 1e-300)
    if metric == "macro_auroc":
        return TRUE_AUROC
    if metric == "macro_auprc":
        area = -(np.diff(sensitivity, axis=0) * (precision[1:] + precision[:-1]) / 2).sum(axis=0)
        return float(area.mean())
    hit, stated_false = norm.sf(0.7 - shift(TRUE_AUROC)), norm.sf(0.7)
    return float(np.mean(2 * share * hit / (share + share * hit + (1 - share) * stated_false)))


def two_models(rng: np.random.Generator, n_positive: int, second_auroc: float) -> Bounds:
    """The difference between two models that share most of their errors."""
    target = (np.arange(N_RECORDS) < n_positive).astype(float)[:, None]
    common = np.sqrt(0.7) * rng.normal(size=target.shape)
    first, second = (
        scorer_of(target, common + np.sqrt(0.3) * rng.normal(size=target.shape) + gap * target)
        for gap in (shift(TRUE_AUROC), shift(second_auroc))
    )
    seed = int(rng.integers(2**31))
    every = np.arange(N_RECORDS)
    compared = paired_bootstrap(first, second, every, n_resamples=N_RESAMPLES, seed=seed)
    found = compared["macro_auroc"]
    return {"default": (found.low, TRUE_AUROC - second_auroc, found.high)}


COMMON, RARE = (0.45, 0.25, 0.2, 0.15, 0.12), (0.45, 0.2, 0.1, 0.05, 0.04)
SITUATIONS: dict[str, Callable[[np.random.Generator], Bounds]] = {
    "AUROC, 125 positives": lambda rng: one_class(rng, 125),
    "AUROC, 30 positives": lambda rng: one_class(rng, 30),
    "AUROC, 10 positives": lambda rng: one_class(rng, 10),
    "AUROC, 16 of 65 subjects, 4 records each": lambda rng: one_class(rng, 16, 4),
    "5 common classes": lambda rng: five_classes(rng, COMMON),
    "5 classes, rarest 4 %": lambda rng: five_classes(rng, RARE),
    "AUROC 0.87 - 0.80, 30 positives": lambda rng: two_models(rng, 30, 0.80),
}


def cover(situation: str, n_sets: int, seed: int = 0) -> dict[str, tuple[float, float, float]]:
    """Simulates test sets; returns share covered, share too high, and mean width by method.

    A set whose interval is undefined counts as not covered.
    """
    rng = np.random.default_rng(seed)
    rows: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for _ in range(n_sets):
        for method, bounds in SITUATIONS[situation](rng).items():
            rows[method].append(bounds)
    summary = {}
    for method, bounds in rows.items():
        low, truth, high = np.array(bounds).T
        is_covered = (low <= truth) & (truth <= high)
        summary[method] = (
            float(is_covered.mean()),
            float((low > truth).mean()),
            float(np.nanmean(high - low)),
        )
    return summary


def main() -> None:
    """Prints a line per situation and method."""
    n_sets = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    started = time.perf_counter()
    print(f"{n_sets} test sets of {N_RECORDS} records; nominal 95 %")
    for situation in SITUATIONS:
        for method, (covered, above, width) in cover(situation, n_sets).items():
            print(
                f"{situation:42} {method:22} covered {covered:6.1%}"
                f"   interval above truth {above:5.1%}   width {width:.3f}",
                flush=True,
            )
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
