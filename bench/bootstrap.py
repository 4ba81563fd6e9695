"""How much faster the vectorised bootstrap is than looping scikit-learn, and how far it differs.

1,000 resamples x 71 classes x 2,198 records, the shape of PTB-XL's test fold, with prevalences
from 44 % to 0.4 %. The loop is timed on a few of the same resamples and its time extrapolated
linearly, which is said in the output; the values of those resamples are compared.

Run: python bench/bootstrap.py
"""

import time

import numpy as np
from sklearn.metrics import roc_auc_score

from medts.metrics.bootstrap import bootstrap_blocks, bootstrap_scores
from medts.metrics.scores import make_scorer

N_RECORDS, N_CLASSES, N_RESAMPLES, N_LOOPED = 2198, 71, 1000, 10


def main() -> None:
    """Prints times, ratio and largest difference."""
    rng = np.random.default_rng(0)
    prevalence = np.geomspace(0.44, 0.004, N_CLASSES)
    target = (rng.random((N_RECORDS, N_CLASSES)) < prevalence).astype(float)
    noise = rng.normal(size=target.shape)
    probability = 1 / (1 + np.exp(-(noise + 1.5 * target - 2)))
    subjects = np.arange(N_RECORDS)
    scorer = make_scorer(target, probability, np.full(N_CLASSES, 0.3), "multi")

    started = time.perf_counter()
    scores = bootstrap_scores(scorer, subjects, N_RESAMPLES, seed=0)
    vectorised_s = time.perf_counter() - started

    weights = next(bootstrap_blocks(subjects, N_RESAMPLES, seed=0))[:N_LOOPED].astype(int)
    started = time.perf_counter()
    looped = np.full((N_LOOPED, N_CLASSES), np.nan)
    for n in range(N_LOOPED):
        rows = np.repeat(subjects, weights[n])
        for k in range(N_CLASSES):
            if 0 < target[rows, k].sum() < len(rows):
                looped[n, k] = roc_auc_score(target[rows, k], probability[rows, k])
    looped_s = (time.perf_counter() - started) * N_RESAMPLES / N_LOOPED

    difference = np.nanmax(np.abs(looped - scores.per_class["auroc"][:N_LOOPED]))
    same_gaps = (np.isnan(looped) == np.isnan(scores.per_class["auroc"][:N_LOOPED])).all()
    print(f"{N_RESAMPLES} resamples x {N_CLASSES} classes x {N_RECORDS} records")
    print(f"medts, all metrics (AUROC, AP, F1, ...)  {vectorised_s:8.2f} s")
    print(
        f"loop over roc_auc_score, AUROC alone     {looped_s:8.2f} s"
        f"  (extrapolated from {N_LOOPED} resamples)"
    )
    print(f"ratio                                    {looped_s / vectorised_s:8.0f} x")
    print(f"largest difference of an AUROC           {difference:8.1e}")
    print(f"same classes undefined                   {same_gaps!s:>8}")


if __name__ == "__main__":
    main()
