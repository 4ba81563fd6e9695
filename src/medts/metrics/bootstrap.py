"""Cluster bootstrap by subject: how a score would vary had other people been tested.

Records of one subject resemble each other, so subjects are resampled with all their records. A
resample is a row of weights (how often each record counts); `medts.metrics.scores.Scorer` computes
all metrics of a block of resamples at once. A class without positives or negatives in a resample is
undefined there and left out of that resample's macro. Intervals: `medts.metrics.intervals`.

Axes: R records, K classes, N resamples.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float, Int, Shaped

from medts.metrics.checks import subject_index
from medts.metrics.scores import Scorer, Scores

_BLOCK_VALUES = 400_000
"""Weights held at a time; several arrays of this many float64 exist at once (some 50 MB)."""


def resample_weights(
    subject: Int[np.ndarray, "R"], n_resamples: int, rng: np.random.Generator
) -> Float[np.ndarray, "N R"]:
    """Samples as many subjects as there are, with replacement; returns each record's count.

    Args:
        subject: Number of each record's subject, from zero without gaps.
        n_resamples: Rows to sample.
        rng: Random generator.
    """
    n_subjects = int(subject.max()) + 1
    sampled = rng.integers(n_subjects, size=(n_resamples, n_subjects))
    sampled += n_subjects * np.arange(n_resamples)[:, None]
    counts = np.bincount(sampled.ravel(), minlength=n_resamples * n_subjects)
    return counts.reshape(n_resamples, n_subjects)[:, subject].astype(float)


def bootstrap_blocks(
    subjects: Sequence[str] | Shaped[np.ndarray, "R"], n_resamples: int, seed: int
) -> Iterator[Float[np.ndarray, "n R"]]:
    """Yields the weights of all resamples, a block at a time; the seed alone decides them."""
    subject = subject_index(subjects, len(subjects))
    rng = np.random.default_rng(seed)
    size = max(1, _BLOCK_VALUES // len(subject))
    for start in range(0, n_resamples, size):
        yield resample_weights(subject, min(size, n_resamples - start), rng)


def bootstrap_scores(
    scorer: Scorer,
    subjects: Sequence[str] | Shaped[np.ndarray, "R"],
    n_resamples: int = 1000,
    seed: int = 0,
) -> Scores:
    """Scores resamples of the subjects.

    Args:
        scorer: The predictions under test.
        subjects: The subject of each record.
        n_resamples: Number of resamples.
        seed: The same seed and subjects give the same resamples, whatever is scored.

    Raises:
        MedtsError: If there is not one subject per record.
    """
    subject_index(subjects, len(scorer.is_positive))
    parts = [scorer(weights) for weights in bootstrap_blocks(subjects, n_resamples, seed)]

    def joined(kind: str) -> dict[str, np.ndarray]:
        blocks = [getattr(part, kind) for part in parts]
        return {name: np.concatenate([each[name] for each in blocks]) for name in blocks[0]}

    return Scores(joined("overall"), joined("per_class"))


def derangement(n: int, rng: np.random.Generator) -> Int[np.ndarray, "n"]:
    """Samples a permutation that leaves nothing in place; with one item there is none."""
    order = rng.permutation(n)
    turned = np.empty(n, dtype=np.int64)
    turned[order] = np.roll(order, 1)
    return turned
