"""Values of jobs: what stands for a record before a probe.

Embeddings of a frozen encoder, simple features, or the convolutions of MiniRocket and MultiRocket,
whose biases come from the training records alone.

Axes: R records, F features.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float

from medts.data.splits import Part, take_part
from medts.data.store import Store
from medts.evaluation.embeddings import embed
from medts.evaluation.leaks import refuse_leaks
from medts.models.baselines.minirocket import MiniRocketFeatures
from medts.models.baselines.multirocket import MultiRocketFeatures
from medts.recipes import find_recipe
from medts.signal.features import signal_features
from medts.signal.preprocess import Preprocessing, preprocess
from research.job_models import shared
from research.suites import Job, Question


def values_of(
    job: Job, question: Question, store: Store, train: Part, out: Path
) -> Callable[[Part], Float[np.ndarray, "R F"]]:
    """Returns what turns records into the values that a probe reads.

    Raises:
        LeakError: If the encoder has met test subjects.
    """
    if job.method.kind == "probe":
        model = shared(job, question, store, out)
        test = take_part(store, question.label_set, question.test_folds)
        refuse_leaks(model.provenance, store, test.rows, test.folds)
        return lambda part: embed(model, store, part.rows, out / "embeddings")
    if job.method.kind == "features":
        return lambda part: _features(store, part)
    kernels = MultiRocketFeatures if job.method.kind == "multirocket" else MiniRocketFeatures
    config = find_recipe(job.method.recipe).preprocessing if job.method.recipe else Preprocessing()
    seconds = min(10.0, max(store.record(int(row)).duration_s for row in train.rows))
    rocket = kernels(seed=job.seed).fit(_signals(store, train, config, seconds))
    return lambda part: rocket.transform(_signals(store, part, config, seconds)).astype(np.float64)


def _features(store: Store, part: Part) -> Float[np.ndarray, "R F"]:
    channels = {name: spec.channels for name, spec in Preprocessing().streams.items()}
    rows = [signal_features(store.record(int(row)), channels) for row in part.rows]
    return np.array([list(row.values()) for row in rows])


def _signals(store: Store, part: Part, config: Preprocessing, seconds: float) -> np.ndarray:
    """Returns the beginnings of all prepared streams, one above the other, ``(n, C, T)``.

    What is shorter ends in zeros.
    """
    n_samples = round(seconds * max(each.sampling_rate for each in config.streams.values()))
    signals = []
    for row in part.rows:
        streams = preprocess(store.record(int(row)), config)
        n_channels = sum(len(spec.channels) for spec in config.streams.values())
        whole, first = np.zeros((n_channels, n_samples), dtype=np.float32), 0
        for name, spec in config.streams.items():
            if name in streams:
                signal = streams[name].signal[:, :n_samples]
                whole[first : first + len(signal), : signal.shape[1]] = signal
            first += len(spec.channels)
        signals.append(whole)
    return np.stack(signals)
