"""Protocol `missing_modalities`: what is left when sensors are gone, for every set of them.

Three regimes are told apart. Nothing is missing at all: the result's own metrics. The readout was
tuned on everything and meets records that lack modalities: ``tuned on all``. It was tuned on
records that lack the same ones: ``tuned without``. For the first two the readout may be the
model's own head; the third needs one for each set of modalities, so there it is a probe on the
frozen encoder. (For a fine-tuned model, train its recipe on fewer streams and compare.)

Streams are taken out of the windows after preprocessing, as a recording without them would look.
A record that has nothing left is answered with the class shares of training, and counted.

Axes: R records, K classes, D embedding width, B windows in the batch.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field
from torch import Tensor
from torch.utils.data import DataLoader

from medts.core.errors import ConfigError
from medts.data.store import Store
from medts.data.windows import PreparedRecords, WindowDataset, collate
from medts.evaluation.answers import answer, head_origin, own_set
from medts.evaluation.files import write_predictions
from medts.evaluation.missing_curve import Judged, Missing, missing_conditions
from medts.evaluation.result import Condition, Result
from medts.evaluation.scoring import Scored, score
from medts.evaluation.task import Task, origin_of
from medts.inference.bundle import Bundle
from medts.metrics.thresholds import choose_thresholds
from medts.models.crossl import Crossl
from medts.tensors.batch import Batch, Prediction, mean_by_record
from medts.training.probe import Labelled, ProbeConfig, fit_probe, fit_scaling

TUNED_ON_ALL, TUNED_WITHOUT = "tuned on all", "tuned without"

Readout = Callable[[Float[np.ndarray, "R D"]], Float[np.ndarray, "R K"]]
"""From embeddings to probabilities."""


class MissingModalitiesConfig(ProbeConfig):
    """Settings of the protocol `missing_modalities`."""

    readout: Literal["head", "probe"] = "head"
    """``head``: the model's own. ``probe``: trained here, on the frozen encoder."""

    metric: Literal["macro_auroc", "macro_f1", "balanced_accuracy"] = "macro_auroc"
    """Score that is followed."""

    n_resamples: int = Field(default=1000, ge=2)
    """Resamples of the subjects for intervals."""


def run(
    model: Bundle, task: Task, settings: MissingModalitiesConfig | None = None, *, seed: int = 0
) -> Result:
    """Measures a model on its test records with every set of its streams missing.

    Args:
        model: Reads two streams or more.
        task: With train and validation records where the readout is a probe.
        settings: Readout and metric.
        seed: Of the probe and of the resamples.

    Raises:
        LeakError: If the model has met test subjects.
        ConfigError: If the model reads one stream only, or a probe lacks records to learn from.
        MedtsError: If the model's head answers other classes than the task asks.
    """
    started, settings = time.monotonic(), settings or MissingModalitiesConfig()
    notes = task.check(model)
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
        scored, found = _by_head(model, task, sets)
        origin = head_origin(model, task, "missing_modalities", seed=seed)
        regimes = {TUNED_ON_ALL: found}
    else:
        scored, regimes = _by_probe(model, task, sets, settings, seed)
        origin = origin_of(model, task, "missing_modalities", seed=seed)
    if task.out is not None:
        write_predictions(task.out, "missing_modalities", [("test", 0, scored)])
    judged = judge(scored, settings, seed)
    full = judged.scores(scored.probability, scored.thresholds)
    conditions: list[Condition] = []
    for regime, found in regimes.items():
        scores = {m: judged.scores(p.probability, p.thresholds) for m, p in found.items()}
        conditions += missing_conditions(
            judged, full, scores, regime=regime, n_modalities=len(names)
        )
    return score(scored, origin, seconds=0.0).but(
        conditions=tuple(conditions),
        settings=settings.model_dump(mode="json"),
        notes=notes,
        seconds=time.monotonic() - started,
    )


def judge(scored: Scored, settings: MissingModalitiesConfig, seed: int) -> Judged:
    """Returns how the answers to some test records are scored."""
    return Judged(
        target=scored.test.target,
        subjects=np.array(scored.subjects),
        kind=scored.label_set.kind,
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
    """Names the streams whose encoders met no training window, though others did."""
    encoder = model.encoder
    if not isinstance(encoder, Crossl) or not encoder.is_trained.any():
        return ()
    met = zip(encoder.modalities, encoder.is_trained.tolist(), strict=True)
    return tuple(name for name, was_met in met if not was_met)


def without(batch: Batch, names: Sequence[str]) -> Batch:
    """Returns the batch as if some streams had never been recorded."""
    streams = {
        name: replace(
            stream,
            signal=torch.zeros_like(stream.signal),
            is_valid=torch.zeros_like(stream.is_valid),
            is_channel_present=torch.zeros_like(stream.is_channel_present),
            is_present=torch.zeros_like(stream.is_present),
        )
        if name in names
        else stream
        for name, stream in batch.streams.items()
    }
    return replace(batch, streams=streams)


def over_sets(
    model: Bundle,
    store: Store,
    rows: Int[np.ndarray, "R"],
    sets: Sequence[Missing],
    compute: Callable[[Batch], Float[Tensor, "B D"]],
) -> list[tuple[Float[np.ndarray, "R D"], Bool[np.ndarray, "R"]]]:
    """Computes something for every record and set, averaged over windows that have a stream left.

    Returns:
        For each set a row per record, and whether the record had anything left.
    """
    records = PreparedRecords(store, rows.tolist(), model.preprocessing, cache_gib=0.5)
    dataset = WindowDataset(records, model.config.windowing)
    loader = DataLoader(
        dataset, batch_size=64, collate_fn=partial(collate, config=model.preprocessing)
    )
    record_ids: list[str] = []
    values: list[list[Tensor]] = [[] for _ in sets]
    for batch in loader:
        record_ids += batch.record_ids
        for place, names in enumerate(sets):
            rest = without(batch, names)
            is_left = torch.stack([each.is_present for each in rest.streams.values()]).any(dim=0)
            found = compute(rest).double() * is_left[:, None]
            values[place].append(torch.cat([found, is_left[:, None].double()], dim=1))
    wanted = store.record_ids[rows]
    answers = []
    for each in values:
        order, mean = mean_by_record(record_ids, torch.cat(each))
        position = {record: row for row, record in enumerate(order)}
        mean = mean[[position[record] for record in wanted]].numpy()
        share = mean[:, -1:]
        answers.append((mean[:, :-1] / np.where(share > 0, share, 1.0), share[:, 0] > 0))
    return answers


def _by_head(
    model: Bundle, task: Task, sets: Sequence[Missing]
) -> tuple[Scored, dict[Missing, Scored]]:
    scored = answer(model, task)
    return scored, answers_without(model, task, scored, sets)


def answers_without(
    model: Bundle, task: Task, scored: Scored, sets: Sequence[Missing]
) -> dict[Missing, Scored]:
    """Returns what a model with a head answers without each set of its streams.

    Args:
        model: Reads two streams or more.
        task: Whose test records are answered.
        scored: What it answers with nothing missing.
        sets: Names of streams that are taken away together.
    """
    own = own_set(model, task)
    columns = [own.classes.index(name) for name in scored.label_set.classes]

    def compute(batch: Batch) -> Float[Tensor, "B K"]:
        return Prediction(model.logits(batch, own).cpu(), own).probability[:, columns]

    found = over_sets(model, task.store, task.test.rows, sets, compute)
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
            model, task.store, rows, everything, lambda b: model.encode(b).pooled.cpu()
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
        scale, kind = fit_scaling(known[is_known]), task.label_set.kind
        validation = Labelled(scale(chosen[is_chosen]), choosing.target[is_chosen])
        probe = fit_probe(
            Labelled(scale(known[is_known]), train.target[is_known]),
            validation,
            kind,
            settings,
            seed=seed,
        )
        thresholds = None
        if kind == "multi":
            found = choose_thresholds(validation.target, probe(validation.embedding))
            thresholds = found.values
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
    """Answers records of which nothing is left with the class shares of training."""
    return np.where(is_left[:, None], probability, prevalence).astype(np.float64)
