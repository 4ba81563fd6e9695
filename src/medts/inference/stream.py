"""Streaming: samples in as they arrive, a prediction out at every stride.

The last window of raw samples is kept, and when a stride is complete that window alone goes the
way of every recording, `Predictor.predict`. So a prediction equals the offline one of a record that
holds exactly these samples, bit by bit, filter and resampling included. It is not the same as
cutting the window out of the whole recording after filtering: a zero-phase filter reads what comes
after a sample too, which has not arrived yet, so the two differ near the ends of a window, within
about one period of the lower band edge.

*Delay.* Nothing is waited for: a prediction comes with the last sample of its window. A sample is
in a prediction at most one stride after it arrived, plus the time to compute, which every
prediction states. The first one comes when a whole window has arrived.

*What is missing.* NaN samples and gaps in time are samples never recorded, as in a file; a window
with too few others gets no prediction. After a gap of a window or more the next window
starts anew. Memory is two windows of samples in single precision, whatever arrives.

Axes: C channels, T samples in time.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from medts.core.answer import Answer
from medts.core.errors import ConfigError, MedtsError, NoSignalError
from medts.core.labels import LabelSet
from medts.core.records import Record, Stream
from medts.inference.predictor import Predictor


@dataclass(frozen=True)
class WindowPrediction:
    """Prediction for one window of a stream.

    Args:
        start_s: Seconds from the first sample of the stream to the first of the window.
        end_s: Seconds from the first sample of the stream to the end of the window.
        recorded_ratio: Share of the time in which some channel that the model reads was recorded.
        latency_s: Seconds that preprocessing and model took.
        prediction: None where too little was recorded, or no channel is usable.
    """

    start_s: float
    end_s: float
    recorded_ratio: float
    latency_s: float
    prediction: Answer | None

    def as_json(self) -> dict[str, Any]:
        """Returns plain dictionaries and numbers, the prediction as `Answer.as_json` gives it."""
        answer = None if self.prediction is None else self.prediction.as_json()
        return {**vars(self), "prediction": answer}


class StreamPredictor:
    """Takes the samples of one stream in pieces of any size.

    >>> live = StreamPredictor(  # doctest: +SKIP
    ...     model, channels=("I", "II", "V2"), sampling_rate=500, unit="mV"
    ... )
    >>> for piece in device:  # doctest: +SKIP
    ...     for window in live.push(piece):
    ...         print(window.end_s, window.prediction.stated)

    Args:
        model: One with a head, which reads one stream of a recording, whole or regrouped.
        channels: Name of each row that will be pushed; leads that the model reads and that are
            not among them are missing in every prediction.
        sampling_rate: Samples per second that arrive, Hz.
        unit: Unit of the values that arrive, such as ``mV``.
        label_set: What is predicted; the leading label set if none.
        stride_s: Seconds from one prediction to the next; the model's own stride if none.
        min_recorded_ratio: Least share of a window's time that must have been recorded.
        name: Put before the time as the record's id in predictions.

    Raises:
        BundleError: If the model has no head.
        ConfigError: If the model reads several streams or none of the channels, or the stride is
            longer than a window or shorter than a sample.
        MedtsError: If names, rate or unit make no stream of the model's modality.
    """

    def __init__(
        self,
        model: Predictor,
        *,
        channels: Sequence[str],
        sampling_rate: float,
        unit: str,
        label_set: str | LabelSet | None = None,
        stride_s: float | None = None,
        min_recorded_ratio: float = 0.5,
        name: str = "stream",
    ) -> None:
        specs = model.manifest.preprocessing.streams
        sources = list(dict.fromkeys(spec.source or key for key, spec in specs.items()))
        if len(sources) != 1:
            raise ConfigError(
                f"the model reads {', '.join(sources)}; streaming takes one stream",
                field="model",
                remedy="Predict records with medts predict",
            )
        self.model, self.label_set = model, model.backend.resolve(label_set)
        self.name, self.source, self.min_recorded_ratio = name, sources[0], min_recorded_ratio
        spec = next(iter(specs.values()))
        empty = np.zeros((len(channels), 0), dtype=np.float32)
        self._like = Stream(empty, tuple(channels), sampling_rate, spec.modality, unit)
        self._like.to_unit(spec.unit)
        wanted = list(dict.fromkeys(each for spec in specs.values() for each in spec.channels))
        self._rows_read = [
            row for row, channel in enumerate(self._like.channels) if channel in wanted
        ]
        if not self._rows_read:
            raise ConfigError(
                f"none of {', '.join(self._like.channels)} is read by the model",
                field="channels",
                remedy=f"It reads {', '.join(wanted)}",
            )
        windowing = model.manifest.model.windowing
        self.window_s = windowing.window_s
        self.stride_s = windowing.stride_s if stride_s is None else stride_s
        if not 1 / sampling_rate <= self.stride_s <= self.window_s:
            raise ConfigError(
                f"{self.stride_s} s is not between one sample and the window of {self.window_s} s",
                field="stride_s",
            )
        # Rounded down, so that after resampling a record of this length is one window, not two.
        self._n_window = max(1, int(self.window_s * sampling_rate + 1e-6))
        self._kept = np.zeros((len(channels), 2 * self._n_window), dtype=np.float32)
        self._origin = 0
        self._forget(next_sample=0)

    @property
    def delay_s(self) -> float:
        """Longest time from a sample's arrival to a prediction with it, without computing."""
        return self.stride_s

    @property
    def n_samples(self) -> int:
        """Samples that have passed since the stream began, gaps included."""
        return self._n_seen

    def push(
        self, piece: Float[np.ndarray, "C T"] | Stream, *, start_s: float | None = None
    ) -> list[WindowPrediction]:
        """Takes the next samples and returns the predictions that they complete.

        Args:
            piece: Rows as named at the start; or a stream, whose names, rate and unit are checked
                and whose channels are taken by name.
            start_s: Seconds from the first sample of the stream to the first of this piece; given
                where samples were lost, left out where they follow each other. Less than half a
                sample is taken for jitter.

        Raises:
            MedtsError: If channels, rate or modality have changed, or the piece begins before the
                end of the last one. Nothing of the piece is taken then.
        """
        signal = self._rows_of(piece)
        predictions = [] if start_s is None else self._jump(start_s)
        taken = 0
        while taken < signal.shape[1]:
            n = min(signal.shape[1] - taken, self._next_end - self._n_seen)
            predictions += self._append(signal[:, taken : taken + n])
            taken += n
        return predictions

    def _rows_of(self, piece: np.ndarray | Stream) -> np.ndarray:
        """Returns the values of a piece in the unit and order given at the start."""
        like = self._like
        if isinstance(piece, Stream):
            for field in ("sampling_rate", "modality"):
                old, new = getattr(like, field), getattr(piece, field)
                if old != new:
                    raise _changed(field, old, new)
            if set(piece.channels) != set(like.channels):
                raise _changed("channels", ", ".join(like.channels), ", ".join(piece.channels))
            return piece.to_unit(like.unit).pick(like.channels).signal
        if piece.shape[0] != len(like.channels):
            raise _changed("channels", f"{len(like.channels)} rows", f"{piece.shape[0]} rows")
        return piece

    def _jump(self, start_s: float) -> list[WindowPrediction]:
        """Moves to a time: over a short gap with NaN, over a long one by starting anew."""
        rate = self._like.sampling_rate
        missing = round(start_s * rate) - self._n_seen
        if missing == 0:
            return []
        if missing < 0:
            raise MedtsError(
                f"samples begin at {start_s:g} s, before the end of the last ones at "
                f"{self._n_seen / rate:g} s",
                field="start_s",
                remedy="Pieces come in the order of time; drop what was sent twice",
            )
        if missing >= self._n_window or self._n_kept == 0:
            self._forget(next_sample=self._n_seen + missing)
            return []
        predictions = []
        while missing > 0:
            n = min(missing, self._next_end - self._n_seen)
            gap = np.full((len(self._kept), n), np.nan, dtype=np.float32)
            predictions += self._append(gap)
            missing -= n
        return predictions

    def _forget(self, *, next_sample: int) -> None:
        """Empties the buffer; the next window begins with ``next_sample``."""
        self._n_seen = self._origin = next_sample
        self._n_kept = self._n_strides = 0

    @property
    def _next_end(self) -> int:
        """Sample at which the next window ends; strides are rounded one by one, not added up."""
        shift = round(self._n_strides * self.stride_s * self._like.sampling_rate)
        return self._origin + shift + self._n_window

    def _append(self, signal: np.ndarray) -> list[WindowPrediction]:
        """Keeps samples up to the end of the next window at most, and predicts if it is there."""
        self._n_seen += signal.shape[1]
        signal = signal[:, -self._n_window :]
        n = signal.shape[1]
        if self._n_kept + n > self._kept.shape[1]:
            n_stay = self._n_window
            self._kept[:, :n_stay] = self._kept[:, self._n_kept - n_stay : self._n_kept]
            self._n_kept = n_stay
        self._kept[:, self._n_kept : self._n_kept + n] = signal
        self._n_kept += n
        if self._n_seen < self._next_end:
            return []
        self._n_strides += 1
        return [self._predict(self._kept[:, self._n_kept - self._n_window : self._n_kept])]

    def _predict(self, signal: np.ndarray) -> WindowPrediction:
        rate = self._like.sampling_rate
        start_s, end_s = (self._n_seen - self._n_window) / rate, self._n_seen / rate
        began = time.perf_counter()
        read = signal[self._rows_read]
        recorded_ratio = float(np.isfinite(read).any(axis=0).mean())
        prediction = None
        if recorded_ratio >= self.min_recorded_ratio:
            with suppress(NoSignalError):
                prediction = self.model.predict(self.record_of(signal, start_s), self.label_set)
        latency_s = time.perf_counter() - began
        return WindowPrediction(start_s, end_s, recorded_ratio, latency_s, prediction)

    def record_of(self, signal: Float[np.ndarray, "C T"], start_s: float) -> Record:
        """Makes the record that a window of raw samples is predicted as."""
        stream = replace(self._like, signal=signal.copy())
        return Record(f"{self.name}@{start_s:.3f}s", {self.source: stream})


def _changed(field: str, old: object, new: object) -> MedtsError:
    return MedtsError(
        f"was {old}, is now {new}",
        field=field,
        remedy="A stream keeps its form; make a new StreamPredictor for another",
    )
