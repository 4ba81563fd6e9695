"""Regression metrics: R², MAE, RMSE, Pearson correlation, bias and Bland-Altman limits.

A missing target (NaN) takes no part in the measures of its number. What is undefined, such as R²
where the target does not vary, is NaN.

Axes: R records, K numbers, N resamples.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Shaped

from medts.core.errors import MedtsError
from medts.metrics.bootstrap import bootstrap_blocks
from medts.metrics.intervals import Interval, Z, percentile_interval

MEASURES = ("r2", "mae", "rmse", "pearson_r", "bias", "limit_low", "limit_high")
"""Names of the measures of one number, the most telling first."""

WITHOUT_UNIT = ("r2", "pearson_r")
"""Measures that can be averaged over numbers of different units."""

_LEAST_SPREAD = 1e-10
"""Share of the largest squared deviation below which a variance is rounding error."""


def regression_measures(
    target: Float[np.ndarray, "R K"],
    predicted: Float[np.ndarray, "R K"],
    weights: Float[np.ndarray, "N R"],
) -> dict[str, Float[np.ndarray, "N K"]]:
    """Every regression metric of each number, under weights of the records.

    ``bias`` is the mean of predicted minus true. The limits of agreement (Bland and Altman 1986)
    are bias ± 1.96 standard deviations of that difference: 95 % of records lie between them where
    differences are normal.

    Raises:
        MedtsError: If shapes differ, there are no records, or a prediction is not finite.
    """
    if target.shape != predicted.shape:
        raise MedtsError(f"targets have shape {target.shape}, predictions {predicted.shape}")
    if not len(target):
        raise MedtsError("there are no records to score")
    if not np.isfinite(predicted).all():
        raise MedtsError(
            "a predicted number is NaN or infinite", remedy="Look for a diverged training"
        )
    is_known = np.isfinite(target)
    n = weights @ is_known
    error = np.where(is_known, predicted - target, 0.0)
    y, p = _centred(target, is_known), _centred(predicted, is_known)
    with np.errstate(invalid="ignore", divide="ignore"):
        mse, bias = weights @ error**2 / n, weights @ error / n
        mean_y, mean_p = weights @ y / n, weights @ p / n
        variance_y = _spread(weights @ y**2 / n - mean_y**2, y)
        variance_p = _spread(weights @ p**2 / n - mean_p**2, p)
        covariance = weights @ (y * p) / n - mean_y * mean_p
        deviation = np.sqrt(np.maximum(mse - bias**2, 0.0) * n / (n - 1))
        return {
            "r2": 1 - mse / variance_y,
            "mae": weights @ np.abs(error) / n,
            "rmse": np.sqrt(mse),
            "pearson_r": np.clip(covariance / np.sqrt(variance_y * variance_p), -1.0, 1.0),
            "bias": bias,
            "limit_low": bias - Z * deviation,
            "limit_high": bias + Z * deviation,
        }


def r_squared(
    target: Float[np.ndarray, "R K"], predicted: Float[np.ndarray, "R K"]
) -> Float[np.ndarray, "K"]:
    """Returns the coefficient of determination (R²) of each number; NaN where it does not vary."""
    return regression_measures(target, predicted, np.ones((1, len(target))))["r2"][0]


def averaged(measures: dict[str, Float[np.ndarray, "N K"]]) -> dict[str, Float[np.ndarray, "N"]]:
    """Returns each measure over all numbers: of one its own, of several means without a unit.

    Numbers whose measure is undefined are left out of the mean.
    """
    n_numbers = measures["r2"].shape[1]
    names = MEASURES[:5] if n_numbers == 1 else WITHOUT_UNIT
    found = {}
    for name in names:
        is_defined = np.isfinite(measures[name])
        total = np.where(is_defined, measures[name], 0.0).sum(axis=1)
        with np.errstate(invalid="ignore"):
            found[name] = total / is_defined.sum(axis=1)
    return found


def regression_intervals(
    target: Float[np.ndarray, "R K"],
    predicted: Float[np.ndarray, "R K"],
    subjects: Sequence[str] | Shaped[np.ndarray, "R"],
    *,
    n_resamples: int = 1000,
    seed: int = 0,
) -> tuple[dict[str, Interval], list[dict[str, Interval]]]:
    """Returns measures over all numbers and of each, with 95 % intervals by subject bootstrap.

    Args:
        target: True values; NaN where missing.
        predicted: Predicted values.
        subjects: The subject of each record.
        n_resamples: Resamples of the subjects.
        seed: Of the resamples; the same subjects give the same ones.
    """
    own = regression_measures(target, predicted, np.ones((1, len(target))))
    blocks = [
        regression_measures(target, predicted, weights)
        for weights in bootstrap_blocks(subjects, n_resamples, seed)
    ]
    sampled = {name: np.concatenate([block[name] for block in blocks]) for name in MEASURES}
    resamples = averaged(sampled)
    overall = {
        name: percentile_interval(float(values[0]), resamples[name])
        for name, values in averaged(own).items()
    }
    by_number = [
        {
            name: percentile_interval(float(own[name][0, k]), sampled[name][:, k])
            for name in MEASURES
        }
        for k in range(target.shape[1])
    ]
    return overall, by_number


def _centred(
    values: Float[np.ndarray, "R K"], is_known: Shaped[np.ndarray, "R K"]
) -> Float[np.ndarray, "R K"]:
    """Returns deviations from the mean of what is known, zero elsewhere."""
    # Not centred, a variance would be the small difference of two large sums.
    total = np.where(is_known, values, 0.0).sum(axis=0)
    mean = total / np.maximum(is_known.sum(axis=0), 1)
    return np.where(is_known, values - mean, 0.0)


def _spread(
    variance: Float[np.ndarray, "N K"], deviation: Float[np.ndarray, "R K"]
) -> Float[np.ndarray, "N K"]:
    """Returns a variance, NaN where it is no more than rounding error."""
    least = _LEAST_SPREAD * (deviation**2).max(axis=0)
    return np.where(variance > least, variance, np.nan)
