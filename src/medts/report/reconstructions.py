"""reconstructions.html: masked reconstruction over the recorded signal.

Shaded stretches were hidden from the encoder. The page shows recordings: it belongs to the run
folder of whoever may see them, not to a bundle.

Axes: C channels, T samples in time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from medts.core.records import Record, Stream
from medts.report.page import render, write_page
from medts.report.paper import draw_record
from medts.report.place import Overlay, Spans
from medts.report.svg import Sheet, stretches


@dataclass(frozen=True)
class RestoredWindow:
    """A window before and after, in the scale of the model's input.

    Args:
        name: What it is, such as its corpus.
        channels: Names of the leads.
        sampling_rate: Hz.
        signal: As recorded; a lead that never changes was not.
        restored: The model's where hidden.
        is_hidden: True for samples that the encoder did not see.
    """

    name: str
    channels: tuple[str, ...]
    sampling_rate: float
    signal: Float[np.ndarray, "C T"]
    restored: Float[np.ndarray, "C T"]
    is_hidden: Bool[np.ndarray, "C T"]

    @property
    def rows(self) -> list[int]:
        """Leads in which anything was recorded, or the first."""
        return [row for row, each in enumerate(self.signal) if np.ptp(each) > 0] or [0]

    @property
    def hidden_ratio(self) -> float:
        """Share of the recorded leads' samples that were hidden."""
        return float(self.is_hidden[self.rows].mean())


def write_reconstructions(
    path: str | Path, windows: Sequence[RestoredWindow], *, loss: float, predict_zero: float
) -> None:
    """Writes a page with every window, beside the masked loss and that of predicting zero."""
    drawings = [(window, draw_window(window)) for window in windows]
    numbers = {"loss": loss, "predict_zero": predict_zero}
    write_page(
        path, render("reconstructions", title="Reconstructions", drawings=drawings, **numbers)
    )


def page_of(examples: str | Path, path: str | Path) -> None:
    """Writes the page of the ``reconstructions.npz`` that a training run kept."""
    with np.load(examples, allow_pickle=False) as found:
        shared = tuple(found["channels"].tolist()), float(found["sampling_rate"])
        columns = zip(found["signal"], found["restored"], found["is_hidden"], strict=True)
        windows = [
            RestoredWindow(str(name), *shared, *each)
            for name, each in zip(found["names"], columns, strict=True)
        ]
        loss, predict_zero = float(found["loss"]), float(found["predict_zero"])
    write_reconstructions(path, windows, loss=loss, predict_zero=predict_zero)


def draw_window(window: RestoredWindow) -> Sheet:
    """Draws one window, a row per lead that was recorded, all at one gain."""
    rate = window.sampling_rate
    channels = tuple(window.channels[row] for row in window.rows)
    # Standardised values have no unit, so they stand on strips and not on paper in millivolts.
    signal = window.signal[window.rows].astype(np.float64)
    stream = Stream(signal, channels, rate, "other", "a.u.")
    names = dict(zip(stream.channels, window.rows, strict=True))
    hidden = {
        name: [(begin / rate, end / rate) for begin, end in stretches(window.is_hidden[row])]
        for name, row in names.items()
    }
    restored = {
        name: np.where(window.is_hidden[row], window.restored[row].astype(np.float64), np.nan)
        for name, row in names.items()
    }
    layers = [Spans(hidden, "hidden"), Overlay(restored, rate)]
    seconds = signal.shape[1] / rate
    return draw_record(Record("window", {"signal": stream}), seconds=seconds, layers=layers)
