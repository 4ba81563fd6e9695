"""Which part of an ECG a sentence is drawn from, as a page of its own.

Every sentence gets a strip of the recording; the darker a stretch behind it, the more of the
sentence's attention went there. Attention tells where a model looked, not why, and a model that
looks at the right place may still be wrong.

Axes: S sentences, N signal tokens, T samples in time.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from medts.core.errors import ConfigError
from medts.core.records import Record, Stream
from medts.data.windowing import windows_of
from medts.data.windows import collate
from medts.evaluation.drawing import figure_svg, thin
from medts.evaluation.page import Section, page, text
from medts.inference.bundle import Bundle
from medts.models.melp import Melp
from medts.signal.preprocess import regroup

_WIDTH, _PITCH, _LEFT = 250.0, 26.0, 5.0
_INK, _GREY, _SHADE, _SHEET = "#1d1d1f", "#6f6f73", "#c2410c", "#fbfbfc"


def sentence_page(
    model: Bundle, record: Record, sentences: Sequence[str], *, title: str, lead: str = ""
) -> str:
    """Returns a self-contained HTML page with a strip per sentence.

    Args:
        model: A bundle of a `Melp`.
        record: Its first window is drawn.
        sentences: What to look for in it.
        title: Heading of the page.
        lead: A sentence under it.

    Raises:
        ConfigError: If the model has no beats, or reads no texts.
    """
    relevance = attention_of(model, record, sentences)
    assert isinstance(model.encoder, Melp)
    stream = regroup(record, model.preprocessing).streams[model.encoder.config.stream]
    # Tokens cover the whole window, also where the recording is shorter than it.
    window_s = model.config.windowing.window_s
    drawn = draw_attention(stream, sentences, relevance, window_s)
    rows = "".join(f"<li>{text(each)}</li>" for each in sentences)
    body = f'<div class="drawing">{figure_svg(drawn)}</div><ol>{rows}</ol>'
    return page(title, [Section("attention", "Where each sentence looked", body)], lead=lead)


def attention_of(
    model: Bundle, record: Record, sentences: Sequence[str]
) -> Float[np.ndarray, "S N"]:
    """Returns how much each sentence draws from each token of the first window; sums to 1.

    Raises:
        ConfigError: If the model has no beats, or reads no texts.
    """
    if not isinstance(model.encoder, Melp):
        raise ConfigError(
            f"{model.provenance.recipe!r} does not relate sentences to beats",
            field="model",
            remedy="Use a bundle of a recipe such as melp",
        )
    window = windows_of(record, model.preprocessing, model.config.windowing)[:1]
    batch = collate(window, model.preprocessing)
    return model.encoder.relevance(batch, sentences)[0].double().numpy()


def draw_attention(
    stream: Stream,
    sentences: Sequence[str],
    relevance: Float[np.ndarray, "S N"],
    window_s: float,
) -> Figure:
    """Draws lead II, or the first channel, once per sentence over its attention."""
    channel = "II" if "II" in stream.channels else stream.channels[0]
    n_samples = round(window_s * stream.sampling_rate)
    signal = stream.signal[stream.channels.index(channel), :n_samples].astype(np.float64)
    signal = signal - np.nanmedian(signal) if np.isfinite(signal).any() else signal
    time_s = np.arange(signal.size) / stream.sampling_rate
    across, upward = thin(time_s, signal, limit=4000)
    span = float(np.nanquantile(np.abs(signal), 0.998)) if np.isfinite(signal).any() else 0.0
    gain = 0.3 * _PITCH / span if span > 0 else 0.0

    height = _PITCH * len(sentences) + 8.0
    fig = Figure(figsize=(_WIDTH / 25.4, height / 25.4), facecolor=_SHEET)
    axes = fig.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(0, _WIDTH), ylim=(0, height))
    axes.set_axis_off()
    length = _WIDTH - 2 * _LEFT
    for row, (sentence, share) in enumerate(zip(sentences, relevance, strict=True)):
        top = height - _PITCH * row
        step = length / len(share)
        for n, strength in enumerate((share / share.max()).tolist()):
            place = (_LEFT + n * step, top - _PITCH + 2)
            axes.add_patch(
                Rectangle(
                    place, step, _PITCH - 8, facecolor=_SHADE, alpha=0.55 * strength, linewidth=0
                )
            )
        axes.text(_LEFT, top - 4, sentence[:120], fontsize=8.5, color=_INK, va="center")
        axes.plot(
            _LEFT + length * across / window_s,
            top - _PITCH / 2 - 1 + gain * upward,
            color=_INK,
            linewidth=0.7,
            gid=f"sentence {row}",
        )
    words = f"lead {channel} · {window_s:g} s"
    axes.text(_LEFT, 3.5, words, fontsize=7.5, color=_GREY, va="center")
    return fig
