"""Variance components: how far results spread by seed, by training subsample and by test subjects.

Axes: U runs, N resamples of the test subjects.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped

from medts.core.errors import MedtsError


@dataclass(frozen=True)
class VarianceComponents:
    """Variances of one metric; NaN where the runs do not determine them.

    Args:
        seed: Between seeds on the same subsample.
        subsample: Between subsamples of the training records, beyond what their seeds explain.
        subject: Between test sets, common to all runs.
    """

    seed: float
    subsample: float
    subject: float


def split_variance(
    values: Float[np.ndarray, "U"],
    subsamples: Sequence[str | int] | Shaped[np.ndarray, "U"],
    resamples: Float[np.ndarray, "N U"] | None = None,
) -> VarianceComponents:
    """Nested analysis of variance (method of moments): seeds within training subsamples.

    Seed: mean square within subsamples. Subsample: mean square between them less that within,
    divided by the (harmonically adjusted) number of seeds in each, never below 0.

    Args:
        values: The metric of each run, on the same test set.
        subsamples: Which subsample of the training records each run used.
        resamples: The metric of each run on the same resamples of the test subjects, as by
            `medts.metrics.bootstrap.bootstrap_scores` with one seed.

    Raises:
        MedtsError: If lengths differ or a value is NaN.
    """
    n_runs = len(values)
    if n_runs != len(subsamples) or (resamples is not None and resamples.shape[1] != n_runs):
        raise MedtsError(f"{n_runs} values but {len(subsamples)} subsamples, or other resamples")
    if not np.isfinite(values).all():
        raise MedtsError(
            f"{(~np.isfinite(values)).sum()} of {n_runs} runs have no value",
            field="values",
            remedy="Leave out runs in which the metric is undefined",
        )
    names, group = np.unique(np.asarray(subsamples), return_inverse=True)
    size = np.bincount(group)
    mean = np.bincount(group, values) / size
    between = float(size @ (mean - values.mean()) ** 2)
    within = float(((values - mean[group]) ** 2).sum())
    seed = within / (n_runs - len(names)) if n_runs > len(names) else np.nan
    spread = np.nan
    if len(names) > 1 and np.isfinite(seed):
        per_group = (n_runs - (size**2).sum() / n_runs) / (len(names) - 1)
        spread = max(0.0, (between / (len(names) - 1) - seed) / per_group)
    subject = np.nan if resamples is None else float(np.nanvar(resamples.mean(axis=1), ddof=1))
    return VarianceComponents(seed=float(seed), subsample=float(spread), subject=subject)
