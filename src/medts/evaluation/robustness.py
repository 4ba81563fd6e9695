"""Robustness to perturbed recordings: noise, missing channels, other recorders, swapped electrodes.

The perturbations themselves are in `medts.signal.perturb`.

Axes: R records, K classes.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, combinations

import numpy as np
from jaxtyping import Float, Int

from medts.core.errors import MedtsError
from medts.core.labels import LabelSet
from medts.core.montage import MONTAGES
from medts.core.records import Record
from medts.data.recordings import Recordings
from medts.data.windowing import Example, windows_of
from medts.evaluation.head_predictions import columns_of, own_set, paired_differences, predict_test
from medts.evaluation.protocols.robustness import RobustnessConfig
from medts.evaluation.result import Condition
from medts.evaluation.scoring import Found, Scored, score
from medts.evaluation.task import Task
from medts.inference.bundle import Bundle
from medts.inference.calibrate import record_probability
from medts.inference.stored import Compute
from medts.inference.torch_backend import TorchBackend
from medts.signal import perturb
from medts.signal.perturb import NoiseKind, change_streams
from medts.signal.preprocess import Preprocessing, regroup

_VOLTAGES = ("ecg", "eeg", "eog", "emg")
_MOST_FOR_ALL = 6
"""Up to this many channels (or streams), every subset of them is tried."""

_BATCH_SIZE = 64


@dataclass(frozen=True)
class Perturbation:
    """A corruption of recordings.

    Args:
        name: What is changed, in words.
        change: Changes a record; the generator is the record's own.
        draw: Number of the random choice, where there are several.
    """

    name: str
    change: Callable[[Record, np.random.Generator], Record]
    draw: int | None = None


def run(model: Bundle, task: Task, settings: RobustnessConfig, *, seed: int) -> Found:
    """Scores the test records clean and under every condition.

    Raises:
        MedtsError: If the model predicts other classes than the task's.
    """
    notes: tuple[str, ...] = ()
    scored = predict_test(model, task)
    chosen = np.arange(len(task.test))
    if settings.n_records is not None and settings.n_records < len(chosen):
        rng = np.random.default_rng(seed)
        chosen = np.sort(rng.choice(len(chosen), settings.n_records, replace=False))
        notes += (f"conditions were measured on {len(chosen)} records sampled at random",)
    conditions = []
    for perturbation in perturbations(model, task.store, task.test.rows, settings, seed=seed):
        found = _measure(model, task, scored, chosen, perturbation, seed)
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
    task: Task,
    scored: Scored,
    chosen: Int[np.ndarray, "n"],
    perturbation: Perturbation,
    seed: int,
) -> Condition | str:
    """Scores a condition; returns the reason if fewer than two subjects could be."""
    store, rows, own = scored.store, scored.test.rows[chosen], own_set(model, task)
    read, probability, reason = predict_changed(
        model, store, rows, perturbation, seed, own, task.compute
    )
    if len(set(store.subject_ids[rows[read]])) < 2:
        return reason or "fewer than two subjects could be scored"
    chosen = chosen[read]
    clean = replace(scored, test=scored.test.take(chosen), probability=scored.probability[chosen])
    worse = replace(clean, probability=probability[:, columns_of(own, scored.label_set)])
    n_lost = len(rows) - len(read)
    return Condition(
        name=perturbation.name,
        metrics=worse.metrics() | paired_differences(worse, clean),
        n_records=len(read),
        draw=perturbation.draw,
        seed=seed,
        notes=(f"{n_lost} records could not be read: {reason}",) if n_lost else (),
    )


def predict_changed(
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
    backend = TorchBackend(model, "fp32" if compute is None else compute.precision)
    calibration = model.labels.of(own).calibration
    read, probability, reason = [], [], ""
    waiting: list[list[Example]] = []

    def flush() -> None:
        logits = backend.logits(list(chain.from_iterable(waiting)), own)
        ends = np.cumsum([len(each) for each in waiting])[:-1]
        pieces = np.split(logits, ends)
        probability.extend(record_probability(each, own, calibration) for each in pieces)
        waiting.clear()

    for position, row in enumerate(rows):
        record = store.record(int(row))
        # A record is changed alike whatever others are tested, so the generator is its own.
        key = zlib.crc32(f"{perturbation.name} {record.record_id}".encode())
        try:
            changed = perturbation.change(record, np.random.default_rng([seed, key]))
            waiting.append(windows_of(changed, model.preprocessing, model.config.windowing))
        except MedtsError as error:
            reason = reason or error.problem
            continue
        read.append(position)
        if sum(map(len, waiting)) >= _BATCH_SIZE:
            flush()
    if waiting:
        flush()
    if not read:
        return np.zeros(0, np.int64), np.zeros((0, len(own))), reason
    return np.array(read), np.stack(probability), reason
