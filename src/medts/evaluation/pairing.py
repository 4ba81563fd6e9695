"""Paired comparison of recipes on the same test records, with Holm's correction.

A row is the mean over seeds with the interval of `medts.evaluation.averages`. A difference is
paired seed by seed (both recipes saw the same training records) and subject by subject (paired
bootstrap). Holm's step-down correction runs over the recipes within a label fraction.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from medts.evaluation.averages import average
from medts.evaluation.comparison import Cell, Difference, Row
from medts.evaluation.controls import majority
from medts.evaluation.result import Estimate
from medts.evaluation.scoring import Scored
from medts.metrics.comparison import Comparison as Paired
from medts.metrics.comparison import holm, paired_bootstrap


@dataclass(frozen=True)
class Measured:
    """A cell with the probabilities behind its numbers.

    Args:
        cell: What was trained.
        scored: Test records with its probabilities.
        untrained: The same of the probe on the untrained encoder, where there is one.
    """

    cell: Cell
    scored: Scored
    untrained: Scored | None = None


@dataclass(frozen=True)
class Group:
    """The seeds of one recipe at one label fraction.

    Args:
        recipe: Name of the recipe.
        label_fraction: Share or number of labelled records.
        n_train_records: How many records that is.
        trained: A cell per seed, in the order of seeds.
        shuffled: Cells trained on permuted labels.
    """

    recipe: str
    label_fraction: float
    n_train_records: int
    trained: Sequence[Measured]
    shuffled: Sequence[Measured] = field(default=())

    @property
    def by_seed(self) -> dict[int, Measured]:
        """Its cells by their seeds."""
        return {each.cell.seed: each for each in self.trained}


def row_of(group: Group) -> Row:
    """Returns the mean metrics over the seeds of a group, beside its controls."""
    scored = [each.scored for each in group.trained]
    # Seeds sample different training records, so the shares are averaged.
    shares = np.mean([each.prevalence for each in scored], axis=0)
    controls = {"majority": majority(replace(scored[0], prevalence=shares)).metrics()}
    untrained = [each.untrained for each in group.trained if each.untrained is not None]
    if untrained:
        controls["random_encoder"] = average(untrained)[0]
    if group.shuffled:
        controls["shuffled_training"] = average([each.scored for each in group.shuffled])[0]
    return Row(
        recipe=group.recipe,
        label_fraction=group.label_fraction,
        n_train_records=group.n_train_records,
        seeds=tuple(group.by_seed),
        metrics=average(scored)[0],
        by_seed=tuple(each.cell.metrics for each in group.trained),
        controls=controls,
    )


def differences_of(groups: Sequence[Group], reference: str) -> list[Difference]:
    """Paired differences to a reference, with Holm's correction over the recipes.

    Args:
        groups: Recipes at one label fraction.
        reference: Name of the recipe that the others are compared with; without it there are none.
    """
    base = next((each for each in groups if each.recipe == reference), None)
    if base is None:
        return []
    found: dict[str, tuple[tuple[int, ...], dict[str, Paired]]] = {}
    for group in groups:
        seeds = tuple(seed for seed in group.by_seed if seed in base.by_seed)
        if group.recipe != reference and seeds:
            found[group.recipe] = (seeds, _paired(group, base, seeds))
    metrics = list(dict.fromkeys(name for _, each in found.values() for name in each))
    differences = []
    for metric in metrics:
        p_values = np.array([compared[metric].p_value for _, compared in found.values()])
        for (recipe, (seeds, compared)), p_holm in zip(
            found.items(), holm(p_values).tolist(), strict=True
        ):
            one = compared[metric]
            differences.append(
                Difference(
                    recipe=recipe,
                    reference=reference,
                    label_fraction=base.label_fraction,
                    metric=metric,
                    measure=Estimate(value=one.difference, low=one.low, high=one.high),
                    p_value=_finite(one.p_value),
                    p_holm=_finite(p_holm),
                    seeds=seeds,
                )
            )
    return differences


def _paired(group: Group, base: Group, seeds: Sequence[int]) -> dict[str, Paired]:
    own, other = group.by_seed, base.by_seed
    return paired_bootstrap(
        [own[seed].scored.scorer() for seed in seeds],
        [other[seed].scored.scorer() for seed in seeds],
        base.trained[0].scored.subjects,
    )


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
