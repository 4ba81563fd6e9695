"""Resampling subjects: how a score would vary had other people been tested.

Records of one subject resemble each other, so subjects are drawn and bring all their records
along. A resample is a row of weights (how often each record counts), and all metrics of all
resamples come out of `medts.metrics.scores.Scorer` in blocks that fit the processor's cache. A
class without positives or negatives in a resample is undefined there and left out of that
resample's macro; it is never set to 0.5.

What an interval is made of is decided in `medts.metrics.intervals`.

Axes: R records, K classes, S subjects, N resamples.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float, Int, Shaped

from medts.metrics.checks import subject_index
from medts.metrics.scores import Scorer, Scores

_BLOCK_VALUES = 400_000
"""Weights held at a time; several arrays of this many float64 exist at once (some 50 MB)."""


def draw_weights(
    subject: Int[np.ndarray, "R"], n_resamples: int, rng: np.random.Generator
) -> Float[np.ndarray, "N R"]:
    """Draws as many subjects as there are, with replacement; returns each record's count.

    Args:
        subject: Number of each record's subject, from zero without gaps.
        n_resamples: Rows to draw.
        rng: Source of chance.
    """
    n_subjects = int(subject.max()) + 1
    drawn = rng.integers(n_subjects, size=(n_resamples, n_subjects))
    drawn += n_subjects * np.arange(n_resamples)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=n_resamples * n_subjects)
    return counts.reshape(n_resamples, n_subjects)[:, subject].astype(float)


def bootstrap_blocks(
    subjects: Sequence[str] | Shaped[np.ndarray, "R"], n_resamples: int, seed: int
) -> Iterator[Float[np.ndarray, "n R"]]:
    """Yields the weights of all resamples, a block at a time; the seed alone decides them.

    Raises:
        MedtsError: If there are no records.
    """
    subject = subject_index(subjects, len(subjects))
    rng = np.random.default_rng(seed)
    size = max(1, _BLOCK_VALUES // len(subject))
    for start in range(0, n_resamples, size):
        yield draw_weights(subject, min(size, n_resamples - start), rng)


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
        n_resamples: Resamples to draw.
        seed: The same seed and subjects give the same resamples, whatever is scored.

    Raises:
        MedtsError: If there is not one subject per record.
    """
    subject_index(subjects, len(scorer.is_positive))
    return join_scores([scorer(w) for w in bootstrap_blocks(subjects, n_resamples, seed)])


def jackknife_scores(scorer: Scorer, subjects: Sequence[str] | Shaped[np.ndarray, "R"]) -> Scores:
    """Scores the test set with each subject left out in turn (N = S).

    Raises:
        MedtsError: If there is not one subject per record.
    """
    subject = subject_index(subjects, len(scorer.is_positive))
    n_subjects = int(subject.max()) + 1
    size = max(1, _BLOCK_VALUES // len(subject))
    blocks = [
        (np.arange(start, min(start + size, n_subjects))[:, None] != subject).astype(float)
        for start in range(0, n_subjects, size)
    ]
    return join_scores([scorer(weights) for weights in blocks])


def join_scores(parts: Sequence[Scores]) -> Scores:
    """Puts the resamples of several blocks one after the other."""
    first = parts[0]
    return Scores(
        {name: np.concatenate([part.overall[name] for part in parts]) for name in first.overall},
        {
            name: np.concatenate([part.per_class[name] for part in parts])
            for name in first.per_class
        },
    )


def derangement(n: int, rng: np.random.Generator) -> Int[np.ndarray, "n"]:
    """Draws a permutation that leaves nothing in place; with one item there is none."""
    order = rng.permutation(n)
    turned = np.empty(n, dtype=np.int64)
    turned[order] = np.roll(order, 1)
    return turned
