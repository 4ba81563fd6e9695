"""An explanation to look at: relevance drawn behind the signal, and how far it can be believed.

One strip per channel, as the model reads it: filtered, resampled and scaled. The darker the
ground behind the line, the larger the share of relevance; each strip ends in the share of its
channel. Where windows overlap, their relevance is averaged. The page also says how faithful the
explanation is, beside gradient times input and random orders, and needs no network.

Axes: W windows, C channels, T samples in time, n bins in time.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from medts.core.errors import unknown_name
from medts.core.files import write_whole
from medts.evaluation.drawing import figure_svg, thin
from medts.evaluation.faithfulness import Curves
from medts.evaluation.page import Section, page, table, text
from medts.inference.explain import Explanation

_INK, _GREY, _PALE, _PLAIN = "#1d1d1f", "#6f6f73", "#e3e5e8", "#fbfbfc"
_GROUND = LinearSegmentedColormap.from_list("relevance", [_PLAIN, "#ffd9a0", "#e8743b"])
_MAX_BINS, _MAX_CHANNELS, _MAX_POINTS = 160, 32, 4_000
_WORDS = {
    "attention": "Attention: what the surviving tokens were read from, the same for every class.",
    "gradient": "Gradient times input: how the class's score changes with each sample.",
    "random": "Random orders of the same pieces.",
}


@dataclass(frozen=True)
class Timeline:
    """The windows of one stream laid beside each other in time.

    Args:
        signal: As the model reads it; NaN where no window has a sample.
        relevance: Mean over the windows that cover a sample; NaN where none does.
        start_s: Seconds from the start of the record to the first sample.
    """

    signal: Float[np.ndarray, "C T"]
    relevance: Float[np.ndarray, "C T"]
    start_s: float


def lay_out(explanation: Explanation, stream: str) -> Timeline:
    """Puts the windows of a stream where they belong in the record.

    Raises:
        UnknownNameError: If the model reads no such stream.
    """
    if stream not in explanation.batch.streams:
        raise unknown_name("stream of the model", stream, explanation.batch.streams)
    part, relevance = explanation.batch.streams[stream], explanation.relevance[stream].numpy()
    begin = min(explanation.starts_s)
    firsts = [round((start - begin) * part.sampling_rate) for start in explanation.starts_s]
    n_windows, n_channels, n_samples = part.signal.shape
    total = np.zeros((2, n_channels, max(firsts) + n_samples))
    count = np.zeros(total.shape[1:])
    for w in range(n_windows):
        place = slice(firsts[w], firsts[w] + n_samples)
        is_real = part.is_channel_present[w][:, None] & part.is_valid[w]
        total[0, :, place] += part.signal[w].numpy() * is_real.numpy()
        total[1, :, place] += relevance[w] * is_real.numpy()
        count[:, place] += is_real.numpy()
    mean = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    return Timeline(mean[0], mean[1], begin)


def draw_explanation(
    explanation: Explanation, stream: str | None = None, *, seconds: float = 10.0
) -> Figure:
    """Draws the first seconds of a stream over their relevance.

    Args:
        explanation: What to draw.
        stream: Name of the stream; the first that the model reads if None.
        seconds: Length shown, at most.

    Raises:
        UnknownNameError: If the model reads no such stream.
    """
    name = next(iter(explanation.batch.streams)) if stream is None else stream
    timeline, part = lay_out(explanation, name), explanation.batch.streams[name]
    n_shown = max(1, min(timeline.signal.shape[1], round(seconds * part.sampling_rate)))
    shares = explanation.of_channels()[name]
    channels = part.channels[:_MAX_CHANNELS]
    pitch = 16.0 if len(channels) <= 12 else 9.0
    left, length, height = 22.0, 210.0, 14.0 + pitch * len(channels)
    width = left + length + 20.0
    fig = Figure(figsize=(width / 25.4, height / 25.4), facecolor=_PLAIN)
    axes = fig.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()

    bins = bin_means(timeline.relevance[:, :n_shown])
    top = float(np.nanquantile(bins, 0.98)) if np.isfinite(bins).any() else 0.0
    finite = timeline.signal[np.isfinite(timeline.signal)]
    reach = float(np.quantile(np.abs(finite), 0.995)) if finite.size else 1.0
    edges = np.linspace(left, left + length, bins.shape[1] + 1)
    for c, channel in enumerate(channels):
        middle = height - 4.0 - pitch * (c + 0.5)
        row = np.ma.masked_invalid(bins[c : c + 1])
        sides = np.array([middle - 0.46 * pitch, middle + 0.46 * pitch])
        axes.pcolormesh(edges, sides, row, cmap=_GROUND, vmin=0.0, vmax=top or 1.0, linewidth=0)
        axes.text(3.0, middle, channel[:12], fontsize=8.5, color=_INK, va="center")
        share = f"{100 * shares[channel]:.0f} %"
        axes.text(left + length + 3, middle, share, fontsize=8, color=_GREY, va="center")
        time_s = np.arange(n_shown) / part.sampling_rate
        across, upward = thin(time_s, timeline.signal[c, :n_shown], limit=_MAX_POINTS)
        across = left + length * across * part.sampling_rate / n_shown
        upward = middle + 0.42 * pitch * np.clip(upward / (reach or 1.0), -1.1, 1.1)
        axes.plot(across, upward, color=_INK, linewidth=0.55, gid=f"channel {channel}")
    _draw_time(axes, left, length, timeline.start_s, n_shown / part.sampling_rate)
    return fig


def bin_means(relevance: Float[np.ndarray, "C T"]) -> Float[np.ndarray, "C n"]:
    """Averages relevance over runs of samples, so that a page stays small; NaN is left out."""
    run = max(1, -(-relevance.shape[1] // _MAX_BINS))
    padded = np.pad(relevance, ((0, 0), (0, -relevance.shape[1] % run)), constant_values=np.nan)
    runs = padded.reshape(len(padded), -1, run)
    count = np.isfinite(runs).sum(axis=2)
    total = np.nansum(runs, axis=2)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def _draw_time(axes: Axes, left: float, length: float, start_s: float, shown_s: float) -> None:
    for tick in np.linspace(0.0, shown_s, 6).tolist():
        x = left + length * tick / shown_s
        axes.plot([x, x], [7.5, 9.0], color=_GREY, linewidth=0.5)
        words = f"{start_s + tick:.3g} s"
        axes.text(x, 4.0, words, fontsize=7, color=_GREY, ha="center", va="center")


def write_explanation(
    out: str | Path,
    explanation: Explanation,
    curves: dict[str, list[Curves]],
    *,
    label_meaning: str = "",
    seconds: float = 10.0,
) -> list[Path]:
    """Writes ``explanation.html`` and ``explanation.json``, and returns their paths.

    Args:
        out: Folder.
        explanation: Of one record.
        curves: By method, as `medts.evaluation.faithfulness.compare_orders` returns them.
        label_meaning: The class in words.
        seconds: Length drawn, at most.
    """
    out = Path(out)
    meaning = f" ({label_meaning})" if label_meaning not in ("", explanation.label) else ""
    lead = (
        f"{explanation.label}{meaning}: probability {explanation.probability:.3f}, "
        f"explained by {explanation.method}."
    )
    signal = "".join(
        f'<h3>{text(name)}</h3><div class="drawing">'
        f"{figure_svg(draw_explanation(explanation, name, seconds=seconds))}</div>"
        for name in explanation.batch.streams
    )
    words = f"<p>{text(_WORDS[explanation.method])} Numbers are shares of whole channels.</p>"
    if explanation.n_tokens:
        counts = ", ".join(f"{n} after {stage}" for stage, n in explanation.n_tokens.items())
        words += f"<p>Tokens of a window: {text(counts)}.</p>"
    sections = [
        Section("signal", "Where it looks", words + signal),
        Section("faithfulness", "How far it can be believed", _faithfulness(curves)),
    ]
    html = page(f"Explanation of {explanation.record_id}", sections, lead=lead)
    content = {
        "record_id": explanation.record_id,
        "label": explanation.label,
        "probability": explanation.probability,
        "method": explanation.method,
        "channels": explanation.of_channels(),
        "n_tokens": explanation.n_tokens,
        "faithfulness": {
            name: {
                "score": [each.score for each in several],
                "deletion": np.mean([each.deletion for each in several], axis=0).tolist(),
                "insertion": np.mean([each.insertion for each in several], axis=0).tolist(),
            }
            for name, several in curves.items()
        },
    }
    written = [out / "explanation.html", out / "explanation.json"]
    for path, body in zip(written, (html, json.dumps(content, indent=1)), strict=True):
        with write_whole(path) as target:
            target.write_text(body, encoding="utf-8")
    return written


def _faithfulness(curves: dict[str, list[Curves]]) -> str:
    rows = []
    for name, several in curves.items():
        scores = [each.score for each in several]
        between = f" ({min(scores):.3f} to {max(scores):.3f})" if len(scores) > 1 else ""
        rows.append([text(name), text(_WORDS[name]), f"{np.mean(scores):.3f}{between}"])
    intro = (
        "<p>Pieces of 0.1 s of single channels are taken away, the most relevant first, or put "
        "back into an empty window. The score is the mean probability while putting back less "
        "that while taking away: the higher, the more the model relies on what is marked. An "
        "explanation that does no better than random orders says nothing about this record.</p>"
    )
    head = ["order", "what it is", "score (range over random orders)"]
    drawing = f'<div class="drawing">{figure_svg(_draw_curves(curves))}</div>'
    return intro + table(head, rows, numbers_from=2) + drawing


def _draw_curves(curves: dict[str, list[Curves]]) -> Figure:
    fig = Figure(figsize=(7.2, 2.7), facecolor=_PLAIN, layout="constrained")
    for kind, axes in zip(("deletion", "insertion"), fig.subplots(1, 2), strict=True):
        for name, several in curves.items():
            mean = np.mean([getattr(each, kind) for each in several], axis=0)
            style = {"color": _GREY, "linestyle": ":"} if name == "random" else {}
            axes.plot(several[0].shares, mean, label=name, linewidth=1.4, **style)
        axes.set(title=kind, xlabel="share of pieces changed", ylabel="probability", ylim=(0, 1))
        axes.set_facecolor(_PLAIN)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
    return fig
