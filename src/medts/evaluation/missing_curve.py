"""Missing curve: what is left of a score when modalities are gone, as numbers.

Every set of missing modalities has a score; sets of one size are averaged. The share kept is
(score - chance) / (full score - chance), where chance is what the majority control scores on the
same records: 1 loses nothing, 0 is guessing. Intervals resample subjects, the same ones for the
score, the full score and chance, so what they share cancels.

Who answered, and how, is left to `medts.evaluation.missing_modalities`.

Axes: R records, K classes, N resamples.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped

from medts.evaluation.controls import majority
from medts.evaluation.result import Condition, Measure, Measures
from medts.metrics.bootstrap import bootstrap_blocks
from medts.metrics.scores import Kind, make_scorer

Missing = tuple[str, ...]
"""Names of the modalities that are gone."""


@dataclass(frozen=True)
class Judged:
    """Test records, what they are labelled, and how answers to them are scored.

    Args:
        target: Zeros and ones.
        subjects: The subject of each record.
        kind: Kind of the label set.
        prevalence: Share of each class in training, for the majority control.
        metric: Name of an overall metric.
        n_resamples: Of the subjects.
        seed: Of the resamples.
    """

    target: Float[np.ndarray, "R K"]
    subjects: Shaped[np.ndarray, "R"]
    kind: Kind
    prevalence: Float[np.ndarray, "K"]
    metric: str = "macro_auroc"
    n_resamples: int = 1000
    seed: int = 0

    def scores(
        self, probability: Float[np.ndarray, "R K"], thresholds: Float[np.ndarray, "K"] | None
    ) -> Float[np.ndarray, "N_and_1"]:
        """Returns the score on the records as they are, then on every resample."""
        scorer = make_scorer(self.target, probability, thresholds, self.kind)
        weights = [
            np.ones((1, len(self.target))),
            *bootstrap_blocks(self.subjects, self.n_resamples, self.seed),
        ]
        return np.concatenate([scorer(each).overall[self.metric] for each in weights])

    def chance(self) -> Float[np.ndarray, "N_and_1"]:
        """Returns what the majority control scores."""
        constant, half = majority(self.prevalence, len(self.target))
        return self.scores(constant, None if self.kind == "single" else half)


def missing_conditions(
    judged: Judged,
    full: Float[np.ndarray, "N_and_1"],
    scores: Mapping[Missing, Float[np.ndarray, "N_and_1"]],
    *,
    regime: str,
    n_modalities: int,
) -> tuple[Condition, ...]:
    """Returns a condition per set of missing modalities, and the mean of each size before them.

    Args:
        judged: What was scored.
        full: `Judged.scores` with nothing missing.
        scores: The same for each set of missing modalities.
        regime: How the answers came about, in words.
        n_modalities: How many there are.
    """
    chance = judged.chance()
    conditions = []
    for n_missing in sorted({len(missing) for missing in scores}):
        own = {missing: each for missing, each in scores.items() if len(missing) == n_missing}
        rows = [(f"{n_missing} of {n_modalities} missing", np.mean(list(own.values()), axis=0))]
        rows += [(f"without {', '.join(missing)}", each) for missing, each in own.items()]
        conditions += [
            Condition(
                name=f"{regime}: {words}",
                metrics=_measures(judged.metric, each, full, chance),
                n_records=len(judged.target),
                regime=regime,
                n_missing=n_missing if position == 0 else None,
                seed=judged.seed,
            )
            for position, (words, each) in enumerate(rows)
        ]
    return tuple(conditions)


def share_kept(
    judged: Judged,
    full: Float[np.ndarray, "N_and_1"],
    scores: Mapping[Missing, Float[np.ndarray, "N_and_1"]],
) -> dict[int, Float[np.ndarray, "N_and_1"]]:
    """Returns the share kept, on the records and on every resample, by the number missing."""
    chance = judged.chance()
    return {
        n: _share(np.mean([v for k, v in scores.items() if len(k) == n], axis=0), full, chance)
        for n in sorted({len(missing) for missing in scores})
    }


def _share(
    score: Float[np.ndarray, "N_and_1"],
    full: Float[np.ndarray, "N_and_1"],
    chance: Float[np.ndarray, "N_and_1"],
) -> Float[np.ndarray, "N_and_1"]:
    room = full - chance
    return np.divide(score - chance, room, out=np.full_like(room, np.nan), where=room > 0)


def _measures(
    metric: str,
    score: Float[np.ndarray, "N_and_1"],
    full: Float[np.ndarray, "N_and_1"],
    chance: Float[np.ndarray, "N_and_1"],
) -> Measures:
    return {metric: _measure(score), "share_kept": _measure(_share(score, full, chance))}


def _measure(drawn: Float[np.ndarray, "N_and_1"]) -> Measure:
    """Returns the first value with the 95 % interval of the others, where these are defined."""
    defined = drawn[1:][np.isfinite(drawn[1:])]
    low, high = np.quantile(defined, [0.025, 0.975]) if len(defined) > 1 else (np.nan, np.nan)
    return Measure(value=float(drawn[0]), low=float(low), high=float(high))
