"""`medts stream BUNDLE FILE`: online inference, by replaying a recording as if it arrived now."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from medts.cli.console import make_console
from medts.cli.flags import Computing, DeviceFlags, Reading, ReadingFlags
from medts.core.errors import ConfigError
from medts.core.records import Stream

if TYPE_CHECKING:
    import numpy as np

    import medts.inference.stream


@dataclass(frozen=True)
class Replay:
    """Replay a recording piece by piece, and print a prediction at every stride."""

    bundle: tyro.conf.Positional[str]
    """Bundle, the run folder that holds one, or the name of a shipped one."""

    file: tyro.conf.Positional[Path]
    """Recording in any format that `medts list formats` shows."""

    labels: str | None = None
    """Label set to predict, where the bundle has several; its first one if not given."""

    chunk_s: float = 0.5
    """Seconds of signal that arrive at a time; any size gives the same predictions."""

    stride_s: float | None = None
    """Seconds from one prediction to the next; the model's own stride if not given."""

    json: bool = False
    """Print JSON, one object per prediction."""

    compute: Computing = field(default_factory=DeviceFlags)

    reading: Reading = field(default_factory=ReadingFlags)


def run(arguments: Sequence[str]) -> None:
    """Parses and replays, as fast as the machine can."""
    flags = tyro.cli(Replay, prog="medts stream", args=arguments)
    import numpy as np

    from medts.formats import read
    from medts.inference.predictor import load
    from medts.inference.stream import StreamPredictor

    model = load(flags.bundle, device=flags.compute.device, precision=flags.compute.precision)
    record = read(flags.file, **flags.reading.hints())
    wanted, spec = next(iter(model.manifest.preprocessing.streams.items()))
    wanted = spec.source or wanted
    if wanted not in record.streams:
        remedy = f"It has {', '.join(record.streams)}"
        raise ConfigError(f"no stream {wanted!r}", path=flags.file, remedy=remedy)
    stream = record.streams[wanted]
    live = StreamPredictor(
        model,
        channels=stream.channels,
        sampling_rate=stream.sampling_rate,
        unit=stream.unit,
        label_set=flags.labels,
        stride_s=flags.stride_s,
        name=record.record_id,
    )
    console = make_console()
    if not flags.json:
        console.print(
            f"{flags.file} · {live.label_set.name}: windows of {live.window_s:g} s, "
            f"a prediction every {live.stride_s:g} s with the last sample of its window"
        )
    latencies = []
    for piece in pieces_of(stream, flags.chunk_s):
        for window in live.push(piece):
            latencies.append(1e3 * window.latency_s)
            line = json.dumps(window.as_json()) if flags.json else _in_one_line(window)
            console.print(line, markup=False, soft_wrap=True)
    if not latencies:
        problem = f"{stream.duration_s:g} s are shorter than one window of {live.window_s:g} s"
        raise ConfigError(problem, path=flags.file, remedy="medts predict pads a short recording")
    if not flags.json:
        middle, late = np.quantile(latencies, (0.5, 0.95))
        console.print(
            f"{len(latencies)} predictions; a prediction took {middle:.1f} ms (median), "
            f"{late:.1f} ms (95th centile)"
        )


def pieces_of(stream: "Stream", chunk_s: float) -> "Iterator[np.ndarray]":
    """Cuts a recording into pieces of ``chunk_s`` seconds, at least one sample each.

    Raises:
        ConfigError: If ``chunk_s`` is not positive.
    """
    if chunk_s <= 0:
        raise ConfigError(f"{chunk_s} is not positive", field="chunk_s")
    size = max(1, round(chunk_s * stream.sampling_rate))
    for start in range(0, stream.n_samples, size):
        yield stream.signal[:, start : start + size]


def _in_one_line(window: "medts.inference.stream.WindowPrediction") -> str:
    span = f"{window.start_s:8.2f} - {window.end_s:8.2f} s"
    if window.prediction is None:
        return f"{span}  too little recorded, or flat"
    if not window.prediction.is_judged:
        return f"{span}  {window.prediction.not_judged[0]}"
    latency = f"{1e3 * window.latency_s:.1f} ms"
    if window.prediction.value:
        numbers = (f"{k} {v.value:.4g} {v.unit}" for k, v in window.prediction.classes.items())
        return f"{span}  {'  '.join(numbers)}  {latency}"
    probability = window.prediction.probability
    likely = sorted(probability, key=probability.__getitem__, reverse=True)[:3]
    values = "  ".join(f"{name} {probability[name]:.3f}" for name in likely)
    stated = ", ".join(window.prediction.stated or ()) or "none"
    return f"{span}  {values}  stated: {stated}  {latency}"
