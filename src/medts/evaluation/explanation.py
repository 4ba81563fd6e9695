"""Attributions of windows on the time axis of the record, for drawing.

Where windows overlap, their relevance is averaged. The result is the plain `Explained` that
`medts.report.explanation` draws over the recording.

Axes: W windows, C channels, T samples in time, n bins in time.
"""

import numpy as np
from jaxtyping import Float

from medts.core.errors import unknown_name
from medts.core.records import Record
from medts.evaluation.explained import Curves, Explained, StreamRelevance
from medts.inference.bundle import Bundle
from medts.inference.explain import Explanation
from medts.signal.preprocess import regroup

_BINS_PER_S = 16


def explained(
    explanation: Explanation, bundle: Bundle, record: Record, curves: dict[str, list[Curves]]
) -> Explained:
    """Collects an explanation and its faithfulness as plain values.

    Args:
        explanation: Of the record.
        bundle: The model that was explained.
        record: As it was read from its file.
        curves: By order, as `medts.evaluation.faithfulness.compare_orders` returns them.
    """
    return Explained(
        record=regroup(record, bundle.preprocessing),
        label=explanation.label,
        label_meaning=bundle.label_set.phrase(explanation.label),
        probability=explanation.probability,
        method=explanation.method,
        streams={name: on_time_axis(explanation, name) for name in explanation.batch.streams},
        n_tokens=explanation.n_tokens,
        curves=curves,
    )


def on_time_axis(explanation: Explanation, stream: str) -> StreamRelevance:
    """Lays the windows of a stream beside each other; the mean where they overlap.

    Raises:
        UnknownNameError: If the model reads no such stream.
    """
    if stream not in explanation.batch.streams:
        raise unknown_name("stream of the model", stream, explanation.batch.streams)
    part, relevance = explanation.batch.streams[stream], explanation.relevance[stream].numpy()
    begin = min(explanation.starts_s)
    firsts = [round((start - begin) * part.sampling_rate) for start in explanation.starts_s]
    n_windows, n_channels, n_samples = part.signal.shape
    total = np.zeros((n_channels, max(firsts) + n_samples))
    count = np.zeros(total.shape)
    for w in range(n_windows):
        place = slice(firsts[w], firsts[w] + n_samples)
        is_real = part.is_recorded[w].numpy()
        total[:, place] += relevance[w] * is_real
        count[:, place] += is_real
    mean = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    run = max(1, round(part.sampling_rate / _BINS_PER_S))
    bins = bin_means(mean, run)
    return StreamRelevance(
        channels=part.channels,
        relevance=bins,
        start_s=begin,
        end_s=begin + bins.shape[1] * run / part.sampling_rate,
        shares=explanation.of_channels()[stream],
    )


def bin_means(relevance: Float[np.ndarray, "C T"], run: int) -> Float[np.ndarray, "C n"]:
    """Averages over runs of samples, so that a drawing stays small; NaN is left out."""
    padded = np.pad(relevance, ((0, 0), (0, -relevance.shape[1] % run)), constant_values=np.nan)
    runs = padded.reshape(len(padded), -1, run)
    count = np.isfinite(runs).sum(axis=2)
    total = np.nansum(runs, axis=2)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
