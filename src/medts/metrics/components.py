"""Where a spread of results comes from: the seed, the draw of training subjects, the test set.

A table that repeats runs over seeds alone knows nothing of the other two, which are often larger.

Axes: U runs, N resamples of the test subjects.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped

from medts.core.errors import MedtsError


@dataclass(frozen=True)
class VarianceComponents:
    """Variances of one metric; NaN where the runs cannot tell.

    Args:
        seed: Between seeds on the same draw, and how their ranking depends on the test subjects.
        draw: Between draws of training subjects, beyond what their seeds explain.
        subject: Between test sets, common to all runs.
        total: Of one new run tested on new people; the sum of what is known.
    """

    seed: float
    draw: float
    subject: float
    total: float


def split_variance(
    values: Float[np.ndarray, "U"],
    draws: Sequence[str | int] | Shaped[np.ndarray, "U"],
    resamples: Float[np.ndarray, "N U"] | None = None,
) -> VarianceComponents:
    """Splits the variance of a metric, by the method of moments for nested random effects.

    Seeds are nested in draws: with mean squares between and within draws, the seed's component
    is the latter, and the draw's is their difference divided by the (harmonically adjusted)
    number of seeds per draw, never below 0. Draws may have different numbers of seeds.

    Args:
        values: The metric of each run, on the same test set.
        draws: Which draw of the training subjects each run used.
        resamples: The metric of each run on the same resamples of the test subjects, as by
            `medts.metrics.bootstrap.bootstrap_scores` with one seed.

    Raises:
        MedtsError: If lengths differ or a value is NaN.
    """
    if len(values) != len(draws) or (resamples is not None and resamples.shape[1] != len(values)):
        raise MedtsError(f"{len(values)} values but {len(draws)} draws, or other resamples")
    if not np.isfinite(values).all():
        raise MedtsError(
            f"{(~np.isfinite(values)).sum()} of {len(values)} runs have no value",
            remedy="Leave out runs in which the metric is undefined",
        )
    names, draw = np.unique(np.asarray(draws), return_inverse=True)
    size = np.bincount(draw)
    n_runs, n_draws = len(values), len(names)
    mean = np.bincount(draw, values) / size
    between = float(size @ (mean - values.mean()) ** 2)
    within = float(((values - mean[draw]) ** 2).sum())

    seed = within / (n_runs - n_draws) if n_runs > n_draws else np.nan
    per_draw = (n_runs - (size**2).sum() / n_runs) / (n_draws - 1) if n_draws > 1 else np.nan
    spread = (between / (n_draws - 1) - seed) / per_draw if n_draws > 1 else np.nan
    spread = max(0.0, spread) if np.isfinite(spread) else np.nan
    subject = np.nan if resamples is None else float(np.nanvar(resamples.mean(axis=1), ddof=1))
    known = [part for part in (seed, spread, subject) if np.isfinite(part)]
    return VarianceComponents(
        seed=float(seed),
        draw=float(spread),
        subject=subject,
        total=float(sum(known)) if known else np.nan,
    )
