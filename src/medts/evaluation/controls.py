"""Controls: scores that know nothing about the signal, measured like the model's own.

A number is worth what it exceeds these by. `majority` answers with how frequent each class was in
training. `label_shuffle` gives the model's own scores to labels permuted between test records: it
shows how far from chance a score can stray on so few records. The stronger control, a model
trained on permuted labels, is a run of its own (``medts finetune --shuffle-labels``).

Axes: R records, K classes.
"""

import numpy as np
from jaxtyping import Float

from medts.core.labels import LabelSet
from medts.evaluation.result import Measure, Measures
from medts.metrics.scores import make_scorer


def majority(
    prevalence: Float[np.ndarray, "K"], n_records: int
) -> tuple[Float[np.ndarray, "R K"], Float[np.ndarray, "K"]]:
    """Returns the training shares as every record's probability, and one half as threshold."""
    return np.tile(prevalence, (n_records, 1)), np.full(len(prevalence), 0.5)


def label_shuffle(
    target: Float[np.ndarray, "R K"],
    probability: Float[np.ndarray, "R K"],
    thresholds: Float[np.ndarray, "K"] | None,
    label_set: LabelSet,
    *,
    n_permutations: int = 200,
    seed: int = 0,
) -> Measures:
    """Returns the mean of each measure over permutations of the labels.

    The bounds hold 95 % of the permutations: what a model without knowledge may reach here.
    """
    generator = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {}
    everyone = np.ones((1, len(target)))
    for _ in range(n_permutations):
        shuffled = target[generator.permutation(len(target))]
        scorer = make_scorer(shuffled, probability, thresholds, label_set.kind)
        for name, value in scorer(everyone).overall.items():
            drawn.setdefault(name, []).append(float(value[0]))
    measures = {}
    for name, values in drawn.items():
        low, high = np.quantile(values, [0.025, 0.975])
        measures[name] = Measure(value=float(np.mean(values)), low=float(low), high=float(high))
    return measures
