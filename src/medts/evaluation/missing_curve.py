"""Share of a score kept when modalities are missing, for every set and on average by set size.

The share kept is (score − chance) / (full score − chance), where chance is the majority control on
the same records: 1 loses nothing, 0 is guessing. Intervals resample subjects, the same ones for the
score, the full score and chance, so what they share cancels.

Axes: R records, K classes, N resamples.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped

from medts.evaluation.result import Condition, Estimate
from medts.metrics.bootstrap import bootstrap_blocks
from medts.metrics.scores import Kind, make_scorer

Missing = tuple[str, ...]
"""Names of the modalities that are missing."""

Samples = Float[np.ndarray, "N_and_1"]
"""A metric on the records as they are, then on every resample of the subjects."""


@dataclass(frozen=True)
class Judged:
    """Test records, their labels, and the metric by which predictions are compared.

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
    ) -> Samples:
        """Computes the metric on the records as they are, then on every resample."""
        scorer = make_scorer(self.target, probability, thresholds, self.kind)
        weights = [
            np.ones((1, len(self.target))),
            *bootstrap_blocks(self.subjects, self.n_resamples, self.seed),
        ]
        return np.concatenate([scorer(each).overall[self.metric] for each in weights])

    def chance(self) -> Samples:
        """Computes the metric of the majority control."""
        constant = np.tile(self.prevalence, (len(self.target), 1))
        half = np.full(len(self.prevalence), 0.5)
        return self.scores(constant, None if self.kind == "single" else half)


def missing_conditions(
    judged: Judged,
    full: Samples,
    scores: Mapping[Missing, Samples],
    *,
    regime: str,
    n_modalities: int,
) -> tuple[Condition, ...]:
    """Returns a condition per set of missing modalities, and the mean of each size before them.

    Args:
        judged: What was scored.
        full: `Judged.scores` with nothing missing.
        scores: The same for each set of missing modalities.
        regime: On which records the readout was trained, in words.
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
                metrics={
                    judged.metric: _estimate(each),
                    "share_kept": _estimate(_share(each, full, chance)),
                },
                n_records=len(judged.target),
                regime=regime,
                n_missing=n_missing if position == 0 else None,
                seed=judged.seed,
            )
            for position, (words, each) in enumerate(rows)
        ]
    return tuple(conditions)


def share_kept(
    judged: Judged, full: Samples, scores: Mapping[Missing, Samples]
) -> dict[int, Samples]:
    """Returns the share kept by the number of missing modalities."""
    chance = judged.chance()
    return {
        n: _share(np.mean([v for k, v in scores.items() if len(k) == n], axis=0), full, chance)
        for n in sorted({len(missing) for missing in scores})
    }


def _share(score: Samples, full: Samples, chance: Samples) -> Samples:
    room = full - chance
    return np.divide(score - chance, room, out=np.full_like(room, np.nan), where=room > 0)


def _estimate(samples: Samples) -> Estimate:
    """Returns the first value with the percentile interval of the others."""
    if np.isfinite(samples[1:]).sum() < 2:
        return Estimate(value=float(samples[0]))
    return Estimate.of_samples(samples[1:]).but(value=float(samples[0]))
