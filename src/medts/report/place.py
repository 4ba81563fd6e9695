"""Place: where a stretch of one channel stands on a sheet, and how its samples are drawn there.

Axes: T samples in time.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from markupsafe import Markup

from medts.core.records import Stream
from medts.report.svg import element, label, line, rectangles, stretches, thin


@dataclass(frozen=True)
class Place:
    """Where a stretch of one channel stands on a sheet.

    Args:
        channel: Its name.
        begin_s: First second shown, from the start of the record.
        end_s: Last second shown.
        left: Millimetres from the left edge to the first second.
        baseline: Millimetres from the top to the value ``centre``.
        height: Millimetres that belong to the channel, half of them above the baseline.
        mm_per_s: Scale in time.
        mm_per_unit: Scale of the values.
        centre: Value at the baseline.
    """

    channel: str
    begin_s: float
    end_s: float
    left: float
    baseline: float
    height: float
    mm_per_s: float
    mm_per_unit: float = 1.0
    centre: float = 0.0

    @property
    def length(self) -> float:
        """Millimetres in time."""
        return (self.end_s - self.begin_s) * self.mm_per_s

    def box(self, begin_s: float, end_s: float) -> tuple[float, float, float, float] | None:
        """Returns x, y, width and height of a stretch of time; None where it is not shown."""
        begin, end = max(begin_s, self.begin_s), min(end_s, self.end_s)
        if not end > begin:
            return None
        x = self.left + (begin - self.begin_s) * self.mm_per_s
        return x, self.baseline - self.height / 2, (end - begin) * self.mm_per_s, self.height


def is_recorded(stream: Stream, channel: str) -> bool:
    """Returns whether a channel has any sample at all."""
    if channel not in stream.channels:
        return False
    return bool(np.isfinite(stream.signal[stream.channels.index(channel)]).any())


def centred(place: Place, signal: Float[np.ndarray, "T"], stream: Stream) -> Place:
    """Returns the place with the median of what it shows on its baseline."""
    first, last = sample_range(place, signal.size, stream.sampling_rate, stream.start_s)
    piece = signal[first:last]
    finite = piece[np.isfinite(piece)]
    centre = float(np.median(finite)) if finite.size else 0.0
    return replace(place, centre=centre)


def draw_absence(place: Place, words: str) -> Markup:
    """Draws a grey box with words instead of a channel that was not recorded."""
    high = 0.6 * place.height
    box = element(
        "rect",
        class_="gap",
        x=place.left + 1,
        y=place.baseline - high / 2,
        width=max(place.length - 2, 0.0),
        height=high,
        fill="#9a9aa0",
        fill_opacity=0.22,
    )
    middle = place.left + place.length / 2
    style = {"fill": "#6f6f73", "class_": "grey", "text_anchor": "middle"}
    return box + label(words, middle, place.baseline, size=3.2, **style)


def draw_line(
    place: Place,
    signal: Float[np.ndarray, "T"],
    sampling_rate: float,
    start_s: float,
    **attributes: str | float,
) -> Markup:
    """Draws the samples of a channel that belong to a place, with ten points a millimetre."""
    first, last = sample_range(place, signal.size, sampling_rate, start_s)
    time_s = start_s + np.arange(first, last) / sampling_rate
    across, value = thin(time_s, signal[first:last], limit=max(200, round(10 * place.length)))
    return line(
        place.left + (across - place.begin_s) * place.mm_per_s,
        place.baseline - (value - place.centre) * place.mm_per_unit,
        **attributes,
    )


def draw_gaps(
    place: Place, signal: Float[np.ndarray, "T"], sampling_rate: float, start_s: float
) -> Markup:
    """Greys stretches of missing samples, from a twentieth of a second on."""
    first, last = sample_range(place, signal.size, sampling_rate, start_s)
    gaps = [
        place.box(
            start_s + (first + begin) / sampling_rate, start_s + (first + end) / sampling_rate
        )
        for begin, end in stretches(~np.isfinite(signal[first:last]))
        if end - begin >= max(2.0, 0.05 * sampling_rate)
    ]
    shown = [gap for gap in gaps if gap is not None]
    return rectangles(shown, class_="gap", fill="#9a9aa0", fill_opacity=0.22)


def sample_range(
    place: Place, n_samples: int, sampling_rate: float, start_s: float
) -> tuple[int, int]:
    """Returns the first sample of a place and the one after its last."""
    first = round((place.begin_s - start_s) * sampling_rate)
    last = round((place.end_s - start_s) * sampling_rate)
    return min(max(first, 0), n_samples), min(max(last, 0), n_samples)
