"""Control baselines: untrained encoder, simple features, shuffled labels, commonest class.

Without the signal: `majority` predicts how frequent each class was in training; `label_shuffle`
gives the model's own scores to labels permuted between test records, and shows how far from chance
a score can stray on so few records. A model trained on permuted labels is a run of its own
(``medts train --shuffle-labels``).

In place of the encoder (`CONTROLS`, for every protocol that trains a probe): `random_encoder` is
the same architecture, untrained; `simple_features` are intervals, amplitudes and rates.

Axes: R records, K classes, n records, D embedding width.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Int

from medts.data.recordings import Recordings
from medts.evaluation.embeddings import embed, remember
from medts.evaluation.result import Estimates, estimates_of_samples
from medts.inference.bundle import Bundle
from medts.inference.stored import Compute
from medts.metrics.scores import make_scorer
from medts.signal.features import signal_features
from medts.signal.preprocess import regroup
from medts.version import __version__

if TYPE_CHECKING:
    import medts.evaluation.scoring

Scored: TypeAlias = "medts.evaluation.scoring.Scored"
# By name, because that module imports this one.


def majority(scored: Scored) -> Scored:
    """Majority baseline: the class shares of training as every record's probability."""
    thresholds = np.full(len(scored.label_set), 0.5)
    return replace(
        scored,
        probability=np.tile(scored.prevalence, (len(scored.test), 1)),
        thresholds=None if scored.label_set.class_kind == "single" else thresholds,
    )


def label_shuffle(scored: Scored, *, n_permutations: int = 200, seed: int = 0) -> Estimates:
    """Permutation baseline: mean of each metric over permuted labels, with 95 % of them."""
    generator, target = np.random.default_rng(seed), scored.test.target
    everyone, kind, repeats = np.ones((1, len(target))), scored.label_set.class_kind, []
    for _ in range(n_permutations):
        permuted = target[generator.permutation(len(target))]
        overall = make_scorer(permuted, scored.probability, scored.thresholds, kind)(everyone)
        repeats.append({name: float(value[0]) for name, value in overall.overall.items()})
    return estimates_of_samples(repeats)


def random_encoder(model: Bundle, seed: int) -> Bundle:
    """Untrained control: the same architecture with random weights, which has seen no subject."""
    untrained = {"recipe": f"{model.provenance.recipe} (untrained)", "init_digest": ""}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        untrained_model = Bundle(
            model.config,
            preprocessing=model.preprocessing,
            labels=model.labels,
            provenance=model.provenance.but(
                **untrained, seed=seed, splits={}, seen=(), data_digest="", selection={}
            ),
        )
    return untrained_model.to(model.device)


def simple_features(
    model: Bundle, store: Recordings, rows: Int[np.ndarray, "n"], folder: Path | None = None
) -> Float[np.ndarray, "n D"]:
    """Hand-crafted features of the channels that the model reads; NaN where unmeasurable.

    Args:
        model: Whose streams and channels are measured.
        store: Where the records are.
        rows: Which records.
        folder: Where they are kept between calls, as for `embed`.
    """
    channels = {name: spec.channels for name, spec in model.preprocessing.streams.items()}

    def compute(missing: Int[np.ndarray, "m"]) -> Float[np.ndarray, "m D"]:
        records = (regroup(store.record(row), model.preprocessing) for row in missing.tolist())
        found = [signal_features(record, channels) for record in records]
        return np.array([list(each.values()) for each in found])

    named = hashlib.sha256(f"{__version__} {json.dumps(channels)}".encode()).hexdigest()
    return remember(compute, store, rows, folder / f"features-{named[:24]}" if folder else None)


Represent = Callable[
    [Bundle, Recordings, Int[np.ndarray, "n"], Path | None, int, Compute | None],
    Float[np.ndarray, "n D"],
]
"""From records to vectors: model, store, rows, folder that keeps them, seed, and compute."""

CONTROLS: dict[str, Represent] = {
    "random_encoder": lambda model, store, rows, folder, seed, compute: embed(
        random_encoder(model, seed), store, rows, folder, compute=compute
    ),
    "simple_features": lambda model, store, rows, folder, seed, compute: simple_features(
        model, store, rows, folder
    ),
}
"""What may take the place of the encoder's embeddings in a probe, by the name in a result."""
