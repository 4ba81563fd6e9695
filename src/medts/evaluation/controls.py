"""Controls: scores that know nothing about the signal, measured like the model's own.

A number is worth what it exceeds these by. `majority` answers with how frequent each class was in
training. `label_shuffle` gives the model's own scores to labels permuted between test records: it
shows how far from chance a score can stray on so few records. The stronger control, a model
trained on permuted labels, is a run of its own (``medts train --shuffle-labels``).

Other controls take the encoder's place in a probe: `random_encoder` is the same architecture,
untrained; `simple_features` is what one would measure with a ruler. They are listed in `CONTROLS`,
and every protocol that trains a probe can measure them beside the model.

Axes: R records, K classes, n records, D embedding width.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int

from medts.core.labels import LabelSet
from medts.data.recordings import Recordings
from medts.evaluation.embeddings import embed, remember
from medts.evaluation.result import Measure, Measures
from medts.inference.bundle import Bundle
from medts.inference.stored import Compute
from medts.metrics.scores import make_scorer
from medts.signal.features import signal_features
from medts.signal.preprocess import regroup
from medts.version import __version__


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
        scorer = make_scorer(shuffled, probability, thresholds, label_set.class_kind)
        for name, value in scorer(everyone).overall.items():
            drawn.setdefault(name, []).append(float(value[0]))
    measures = {}
    for name, values in drawn.items():
        low, high = np.quantile(values, [0.025, 0.975])
        measures[name] = Measure(value=float(np.mean(values)), low=float(low), high=float(high))
    return measures


def random_encoder(model: Bundle, seed: int) -> Bundle:
    """Returns the same architecture with weights that were drawn and never trained.

    What it reads and how stay the same; it has seen no one.
    """
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
    """Returns hand-made features of the channels that the model reads; NaN where unmeasurable.

    Args:
        model: Says which streams and channels.
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


def _random_embeddings(
    model: Bundle,
    store: Recordings,
    rows: Int[np.ndarray, "n"],
    folder: Path | None,
    seed: int,
    compute: Compute | None = None,
) -> Float[np.ndarray, "n D"]:
    return embed(random_encoder(model, seed), store, rows, folder, compute=compute)


def _simple_features(
    model: Bundle,
    store: Recordings,
    rows: Int[np.ndarray, "n"],
    folder: Path | None,
    seed: int,
    compute: Compute | None = None,
) -> Float[np.ndarray, "n D"]:
    return simple_features(model, store, rows, folder)


Represent = Callable[
    [Bundle, Recordings, Int[np.ndarray, "n"], Path | None, int, Compute | None],
    Float[np.ndarray, "n D"],
]
"""Turns records into vectors: model, store, rows, folder that keeps them, seed, and
where and how the encoder is computed."""

CONTROLS: dict[str, Represent] = {
    "random_encoder": _random_embeddings,
    "simple_features": _simple_features,
}
"""What may take the place of the encoder's embeddings in a probe, by the name in a result."""
