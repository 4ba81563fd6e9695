"""Attention of report sentences over an ECG, drawn sentence by sentence.

Every sentence gets a strip of paper; the darker a stretch behind the line, the more of the
sentence's attention went there.

Axes: S sentences, N signal tokens.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from medts.core.records import Record, Stream
from medts.report.page import render
from medts.report.paper import draw_record
from medts.report.place import Heat


def sentence_page(
    stream: Stream,
    sentences: Sequence[str],
    attention: Float[np.ndarray, "S N"],
    window_s: float,
    *,
    title: str,
    lead: str = "",
) -> str:
    """Returns a page with a strip per sentence: lead II, or the first channel.

    Args:
        stream: The recording.
        sentences: In order.
        attention: Of each sentence to each token; tokens cover the window in equal parts.
        window_s: Length of the window, which may be longer than the recording.
        title: Heading of the page.
        lead: A sentence under it.
    """
    channel = "II" if "II" in stream.channels else stream.channels[0]
    shown = Record("shown", {"shown": stream.pick((channel,))})
    rows = []
    for sentence, share in zip(sentences, attention, strict=True):
        top = share.max(initial=0.0)
        strength = share / top if top > 0 else share
        heat = Heat({channel: strength}, 0.0, window_s)
        rows.append((sentence, draw_record(shown, seconds=window_s, layers=[heat])))
    return render("sentences", title=title, lead=lead, rows=rows)
