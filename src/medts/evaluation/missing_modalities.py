"""Missing modalities (sensor dropout) at test: predictions without each set of streams.

Axes: R records, K classes, D embedding width, B windows in the batch.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from medts.core.errors import ConfigError
from medts.data.recordings import Recordings
from medts.evaluation.head_predictions import columns_of, own_set, predict_test
from medts.evaluation.missing_curve import Judged, Missing, missing_conditions
from medts.evaluation.probing import choose_operating_points
from medts.evaluation.protocols.missing_modalities import MissingModalitiesConfig
from medts.evaluation.result import Condition
from medts.evaluation.scoring import Found, Scored, score
from medts.evaluation.task import Task
from medts.inference.bundle import Bundle
from medts.inference.stored import Compute, map_windows
from medts.models.crossl import Crossl
from medts.tensors.batch import Batch, Prediction, mean_by_record
from medts.training.probe import Labelled, fit_probe, fit_scaling

TUNED_ON_ALL, TUNED_WITHOUT = "tuned on all", "tuned without"

Readout = Callable[[Float[np.ndarray, "R D"]], Float[np.ndarray, "R K"]]
"""From embeddings to probabilities."""


def run(model: Bundle, task: Task, settings: MissingModalitiesConfig, *, seed: int) -> Found:
    """Measures a model on its test records with every set of its streams missing.

    Raises:
        ConfigError: If the model reads one stream only, or a probe lacks training records.
        MedtsError: If the model's head predicts other classes than the task's.
    """
    notes: tuple[str, ...] = ()
    names = tuple(model.preprocessing.streams)
    sets, impossible = missing_sets(names), never_trained(model)
    lost = [each for each in sets if set(names) <= {*each, *impossible}]
    if lost:
        sets = [each for each in sets if each not in lost]
        notes += (
            f"never trained: {', '.join(impossible)}; {len(lost)} sets that leave nothing else "
            "were not measured",
        )
    if settings.readout == "head":
        scored = predict_test(model, task)
        regimes = {TUNED_ON_ALL: predict_without(model, task, scored, sets)}
    else:
        scored, regimes = _by_probe(model, task, sets, settings, seed)
    judged = judge(scored, settings, seed)
    full = judged.scores(scored.probability, scored.thresholds)
    conditions: list[Condition] = []
    for regime, found in regimes.items():
        scores = {m: judged.scores(p.probability, p.thresholds) for m, p in found.items()}
        conditions += missing_conditions(
            judged, full, scores, regime=regime, n_modalities=len(names)
        )
    return replace(
        score(scored),
        conditions=tuple(conditions),
        notes=notes,
        uses_head=settings.readout == "head",
    )


def judge(scored: Scored, settings: MissingModalitiesConfig, seed: int) -> Judged:
    """Returns by which metric and resamples predictions of some test records are compared."""
    return Judged(
        target=scored.test.target,
        subjects=np.array(scored.subjects),
        kind=scored.label_set.class_kind,
        prevalence=scored.prevalence,
        metric=settings.metric,
        n_resamples=settings.n_resamples,
        seed=seed,
    )


def missing_sets(names: tuple[str, ...]) -> list[Missing]:
    """Lists every set of streams that may be missing while one is left, the smallest first.

    >>> missing_sets(("ecg", "ppg"))
    [('ecg',), ('ppg',)]

    Raises:
        ConfigError: If there is one stream only.
    """
    if len(names) < 2:
        raise ConfigError(
            f"the model reads one stream, {', '.join(names)}",
            field="protocol",
            remedy="For missing channels of one stream use the protocol `robustness`",
        )
    return [each for n in range(1, len(names)) for each in combinations(names, n)]


def never_trained(model: Bundle) -> tuple[str, ...]:
    """Lists the streams whose encoders saw no training window, though others did."""
    encoder = model.encoder
    if not isinstance(encoder, Crossl) or not encoder.is_trained.any():
        return ()
    seen = zip(encoder.modalities, encoder.is_trained.tolist(), strict=True)
    return tuple(name for name, was_seen in seen if not was_seen)


def without(batch: Batch, names: Sequence[str]) -> Batch:
    """Returns the batch as if some streams had never been recorded."""
    absent = {
        name: stream.keep(torch.zeros_like(stream.is_recorded))
        for name, stream in batch.streams.items()
        if name in names
    }
    return replace(batch, streams=batch.streams | absent)


def over_sets(
    model: Bundle,
    store: Recordings,
    rows: Int[np.ndarray, "R"],
    sets: Sequence[Missing],
    function: Callable[[Batch], Float[Tensor, "B D"]],
    compute: Compute | None = None,
) -> list[tuple[Float[np.ndarray, "R D"], Bool[np.ndarray, "R"]]]:
    """Computes something for every record and set, averaged over windows that have a stream left.

    Returns:
        For each set a row per record, and whether the record had anything left.
    """

    def of_sets(batch: Batch) -> list[Tensor]:
        values = []
        for names in sets:
            rest = without(batch, names)
            is_left = torch.stack([each.is_present for each in rest.streams.values()]).any(dim=0)
            found = function(rest).double() * is_left[:, None]
            values.append(torch.cat([found, is_left[:, None].double()], dim=1).cpu())
        return values

    batches = map_windows(model, store, rows.tolist(), of_sets, compute)
    record_ids = [name for names, _ in batches for name in names]
    values = [torch.cat(each) for each in zip(*(found for _, found in batches), strict=True)]
    wanted, averaged = store.record_ids[rows], []
    for each in values:
        order, mean = mean_by_record(record_ids, each)
        position = {record: row for row, record in enumerate(order)}
        mean = mean[[position[record] for record in wanted]].numpy()
        share = mean[:, -1:]
        averaged.append((mean[:, :-1] / np.where(share > 0, share, 1.0), share[:, 0] > 0))
    return averaged


def predict_without(
    model: Bundle, task: Task, scored: Scored, sets: Sequence[Missing]
) -> dict[Missing, Scored]:
    """Predicts the test records by the model's head without each set of its streams.

    Args:
        model: Reads two streams or more.
        task: Test records.
        scored: Predictions with nothing missing.
        sets: Names of streams that are removed together.
    """
    own = own_set(model, task)
    columns = columns_of(own, scored.label_set)

    def probability(batch: Batch) -> Float[Tensor, "B K"]:
        return Prediction(model.logits(batch, own).float(), own).probability[:, columns]

    found = over_sets(model, task.store, task.test.rows, sets, probability, task.compute)
    return {
        missing: replace(scored, probability=_with_shares(values, is_left, scored.prevalence))
        for missing, (values, is_left) in zip(sets, found, strict=True)
    }


def _by_probe(
    model: Bundle,
    task: Task,
    sets: Sequence[Missing],
    settings: MissingModalitiesConfig,
    seed: int,
) -> tuple[Scored, dict[str, dict[Missing, Scored]]]:
    train, choosing = task.training(), task.choosing()
    everything: list[Missing] = [(), *sets]

    def embedded(rows: Int[np.ndarray, "R"]) -> list[tuple[np.ndarray, np.ndarray]]:
        return over_sets(
            model, task.store, rows, everything, lambda b: model.encode(b).pooled, task.compute
        )

    parts = [embedded(part.rows) for part in (train, choosing, task.test)]
    prevalence = train.target.mean(axis=0, dtype=np.float64)
    plain = Scored(
        store=task.store,
        label_set=task.label_set,
        test=task.test,
        probability=np.tile(prevalence, (len(task.test), 1)),
        thresholds=None,
        prevalence=prevalence,
    )

    def fit(place: int) -> tuple[Readout, Float[np.ndarray, "K"] | None]:
        (known, is_known), (chosen, is_chosen) = parts[0][place], parts[1][place]
        scale, kind = fit_scaling(known[is_known]), task.label_set.class_kind
        labelled = Labelled(scale(known[is_known]), train.target[is_known])
        validation = Labelled(scale(chosen[is_chosen]), choosing.target[is_chosen])
        probe = fit_probe(labelled, validation, kind, settings, seed=seed)
        thresholds = choose_operating_points(probe, validation, kind)
        return lambda values: probe(scale(values)), thresholds

    def read(readout: Readout, thresholds: np.ndarray | None, place: int) -> Scored:
        values, is_left = parts[2][place]
        probability = _with_shares(readout(values), is_left, prevalence)
        return replace(plain, probability=probability, thresholds=thresholds)

    fitted = [fit(place) for place in range(len(everything))]
    on_all = {each: read(*fitted[0], place) for place, each in enumerate(everything) if each}
    own = {each: read(*fitted[place], place) for place, each in enumerate(everything) if each}
    return read(*fitted[0], 0), {TUNED_ON_ALL: on_all, TUNED_WITHOUT: own}


def _with_shares(
    probability: Float[np.ndarray, "R K"],
    is_left: Bool[np.ndarray, "R"],
    prevalence: Float[np.ndarray, "K"],
) -> Float[np.ndarray, "R K"]:
    """Records of which nothing is left get the class shares of training."""
    return np.where(is_left[:, None], probability, prevalence).astype(np.float64)
