"""Robustness: which perturbations are tried, and how each one is scored.

What is done to a recording is in `medts.signal.perturb`.

Axes: R records, K classes.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, combinations

import numpy as np
import torch
from jaxtyping import Float, Int

from medts.core.arithmetic import arithmetic
from medts.core.errors import MedtsError
from medts.core.labels import LabelSet
from medts.core.montage import MONTAGES
from medts.core.records import Record
from medts.data.recordings import Recordings
from medts.data.windowing import Example, windows_of
from medts.data.windows import collate
from medts.evaluation.answers import answer, differences
from medts.evaluation.protocols.robustness import RobustnessConfig
from medts.evaluation.result import Condition
from medts.evaluation.scoring import Found, Scored, measure, measures_of, score
from medts.evaluation.task import Task
from medts.inference.bundle import Bundle
from medts.inference.stored import Compute
from medts.metrics.comparison import paired_bootstrap
from medts.metrics.scores import make_scorer
from medts.signal import perturb
from medts.signal.perturb import NoiseKind, change_streams
from medts.signal.preprocess import Preprocessing, regroup
from medts.tensors.batch import Prediction, mean_by_record

_VOLTAGES = ("ecg", "eeg", "eog", "emg")
_MOST_FOR_ALL = 6
"""Up to this many channels (or streams), every subset of them is tried."""

_BATCH_SIZE = 64


@dataclass(frozen=True)
class Perturbation:
    """One circumstance.

    Args:
        name: What was done, in words.
        change: Does it to a record; the generator is the record's own.
        draw: Which of several random choices this is.
    """

    name: str
    change: Callable[[Record, np.random.Generator], Record]
    draw: int | None = None


def run(model: Bundle, task: Task, settings: RobustnessConfig, *, seed: int) -> Found:
    """Scores the test records clean and under every condition.

    Raises:
        MedtsError: If the model answers other classes than the task asks.
    """
    notes: tuple[str, ...] = ()
    scored = answer(model, task)
    chosen = np.arange(len(task.test))
    if settings.n_records is not None and settings.n_records < len(chosen):
        rng = np.random.default_rng(seed)
        chosen = np.sort(rng.choice(len(chosen), settings.n_records, replace=False))
        notes += (f"conditions were measured on {len(chosen)} records drawn at random",)
    conditions = []
    for perturbation in perturbations(model, task.store, task.test.rows, settings, seed=seed):
        found = _measure(model, scored, chosen, perturbation, seed, task.compute)
        if isinstance(found, Condition):
            conditions.append(found)
        else:
            notes += (f"{perturbation.name}: not measured, {found}",)
    return replace(score(scored), conditions=tuple(conditions), notes=notes)


def perturbations(
    model: Bundle,
    store: Recordings,
    rows: Int[np.ndarray, "R"],
    settings: RobustnessConfig,
    *,
    seed: int = 0,
) -> Iterator[Perturbation]:
    """Yields the conditions that make sense for what the model reads and the records hold."""
    rng = np.random.default_rng(seed)
    specs = model.preprocessing.streams
    missing = [_channel_subsets(name, spec.channels, settings, rng) for name, spec in specs.items()]
    if len(specs) > 1:
        missing.append(_stream_subsets(tuple(specs), settings, rng))
    for each in chain.from_iterable(missing):
        yield replace(each, change=partial(_regrouped, model.preprocessing, each.change))
    modalities = {spec.modality for spec in specs.values()}
    for kind in settings.noise:
        only = [m for m in modalities if m in _VOLTAGES or kind in ("white", "wander")]
        for snr_db in settings.snr_db if only else ():
            yield Perturbation(
                f"{kind} noise at {snr_db:g} dB", partial(_noise, kind, snr_db, only)
            )
    highest = max(
        entry["sampling_rate"] for row in rows for entry in store.streams[int(row)].values()
    )
    for rate in settings.sampling_rates:
        if rate < highest:
            yield Perturbation(f"recorded at {rate:g} Hz", partial(_slower, rate))
    for duration_s in settings.durations_s:
        yield _plain(f"first {duration_s:g} s", partial(perturb.shorten, duration_s=duration_s))
    for gain in settings.gains:
        change = partial(perturb.scale_gain, gain=gain)
        yield _plain(f"amplitude × {gain:g}", partial(change_streams, change=change))
    if settings.inverted:
        yield _plain("all channels inverted", partial(change_streams, change=perturb.invert))
    for first, second in settings.swaps if "ecg" in modalities else ():
        change = partial(perturb.swap_electrodes, first=first, second=second)
        change = partial(change_streams, change=change, modality="ecg")
        yield _plain(f"{first} and {second} exchanged", change)


def _regrouped(
    config: Preprocessing,
    change: Callable[[Record, np.random.Generator], Record],
    record: Record,
    rng: np.random.Generator,
) -> Record:
    """Changes the streams that the model reads, which may be picked from others."""
    return change(regroup(record, config), rng)


def _plain(name: str, change: Callable[[Record], Record]) -> Perturbation:
    return Perturbation(name, lambda record, _: change(record))


def _noise(
    kind: NoiseKind,
    snr_db: float,
    modalities: Sequence[str],
    record: Record,
    rng: np.random.Generator,
) -> Record:
    for modality in modalities:
        record = change_streams(
            record, lambda stream: perturb.add_noise(stream, kind, snr_db, rng), modality=modality
        )
    return record


def _slower(rate: float, record: Record, _: np.random.Generator) -> Record:
    return change_streams(
        record,
        lambda stream: perturb.record_at(stream, rate) if rate < stream.sampling_rate else stream,
    )


def _channel_subsets(
    stream: str, channels: tuple[str, ...], settings: RobustnessConfig, rng: np.random.Generator
) -> Iterator[Perturbation]:
    for kept, draw in _subsets(channels, settings, rng):
        missing = tuple(name for name in channels if name not in kept)
        shown = f"only {', '.join(kept)}" if len(kept) < len(missing) else _without(missing)
        yield Perturbation(f"{stream}: {shown}", partial(_lose, stream, missing), draw)


def _stream_subsets(
    streams: tuple[str, ...], settings: RobustnessConfig, rng: np.random.Generator
) -> Iterator[Perturbation]:
    for kept, draw in _subsets(streams, settings, rng):
        missing = tuple(name for name in streams if name not in kept)
        change = partial(perturb.drop_streams, names=missing)
        yield replace(_plain(f"streams: {_without(missing)}", change), draw=draw)


def _without(names: Sequence[str]) -> str:
    return f"without {', '.join(names)}"


def _lose(stream: str, channels: tuple[str, ...], record: Record, _: np.random.Generator) -> Record:
    if stream not in record.streams:
        return record
    changed = perturb.drop_channels(record.streams[stream], channels)
    return replace(record, streams={**record.streams, stream: changed})


def _subsets(
    names: tuple[str, ...], settings: RobustnessConfig, rng: np.random.Generator
) -> Iterator[tuple[tuple[str, ...], int | None]]:
    """Yields what is kept: every proper subset of few names, or montages and random choices."""
    if not settings.missing_channels:
        return
    if len(names) <= _MOST_FOR_ALL:
        for n_missing in range(1, len(names)):
            for kept in combinations(names, len(names) - n_missing):
                yield kept, None
        return
    seen = {
        montage.channels: None
        for montage in MONTAGES.values()
        if set(montage.channels) < set(names)
    }
    yield from seen.items()
    for n_missing in settings.missing_channels:
        if not 0 < n_missing < len(names):
            continue
        for draw in range(settings.n_draws):
            is_kept = rng.permutation(len(names)) >= n_missing
            kept = tuple(name for name, keep in zip(names, is_kept, strict=True) if keep)
            if kept not in seen:
                seen[kept] = None
                yield kept, draw


def _measure(
    model: Bundle,
    scored: Scored,
    chosen: Int[np.ndarray, "n"],
    perturbation: Perturbation,
    seed: int,
    compute: Compute | None,
) -> Condition | str:
    """Scores a condition, or says why no two subjects could be."""
    store, rows = scored.store, scored.test.rows[chosen]
    own = model.resolve(
        scored.label_set.name if scored.label_set.name in model.label_sets else None
    )
    answered, probability, reason = _predict(model, store, rows, perturbation, seed, own, compute)
    subjects = store.subject_ids[rows[answered]]
    if len(set(subjects)) < 2:
        return reason or "fewer than two subjects could be scored"
    chosen = chosen[answered]
    columns = [own.classes.index(name) for name in scored.label_set.classes]
    worse = replace(scored, test=scored.test.take(chosen), probability=probability[:, columns])
    target, thresholds, kind = worse.test.target, scored.thresholds, scored.label_set.class_kind
    compared = paired_bootstrap(
        make_scorer(target, worse.probability, thresholds, kind),
        make_scorer(target, scored.probability[chosen], thresholds, kind),
        subjects,
    )
    table = measure(worse, worse.probability, worse.thresholds)
    n_lost = len(rows) - len(answered)
    return Condition(
        name=perturbation.name,
        metrics=measures_of(table) | differences(compared),
        n_records=len(answered),
        draw=perturbation.draw,
        seed=seed,
        notes=(f"{n_lost} records could not be read: {reason}",) if n_lost else (),
    )


def _predict(
    model: Bundle,
    store: Recordings,
    rows: Int[np.ndarray, "n"],
    perturbation: Perturbation,
    seed: int,
    label_set: LabelSet | None = None,
    compute: Compute | None = None,
) -> tuple[Int[np.ndarray, "a"], Float[np.ndarray, "a K"], str]:
    """Predicts the changed records; returns which could be read, and why the others not."""
    own = model.resolve(label_set)
    answered, reason = [], ""
    precision = "fp32" if compute is None else compute.precision
    waiting: list[Example] = []
    record_ids: list[str] = []
    values: list[torch.Tensor] = []

    def flush() -> None:
        if waiting:
            batch = collate(waiting, model.preprocessing)
            record_ids.extend(batch.record_ids)
            with arithmetic(precision, model.device.type):
                logits = model.logits(batch, own).float().cpu()
            values.append(Prediction(logits, own).probability)
            waiting.clear()

    for position, row in enumerate(rows):
        record = store.record(int(row))
        key = zlib.crc32(f"{perturbation.name} {record.record_id}".encode())
        try:
            changed = perturbation.change(record, np.random.default_rng([seed, key]))
            waiting += windows_of(changed, model.preprocessing, model.config.windowing)
        except MedtsError as error:
            reason = reason or error.problem
            continue
        answered.append(position)
        if len(waiting) >= _BATCH_SIZE:
            flush()
    flush()
    if not answered:
        return np.zeros(0, np.int64), np.zeros((0, len(own))), reason
    probability = mean_by_record(record_ids, torch.cat(values))[1]
    return np.array(answered), probability.numpy().astype(np.float64), reason
