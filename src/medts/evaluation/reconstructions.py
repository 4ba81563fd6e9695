"""Reconstructions: what a model draws where it could not see, over what was there.

A masked loss is one number; whether beats stand where they should is seen at a glance. Shaded
stretches were hidden from the encoder in all leads, a shaded row is a lead that it lost whole.

The page shows recordings: it belongs to the run folder of whoever may see them, not to a bundle.

Axes: B windows in the batch, C channels, T samples in time.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from matplotlib.figure import Figure

from medts.core.files import write_whole
from medts.evaluation.drawing import figure_svg
from medts.evaluation.page import Section, page, table
from medts.objectives.masked_reconstruction import Reconstruction

INK, DRAWN, SHADE = "#8b8d94", "#c2410c", "#f1e8dd"


def write_reconstructions(
    path: str | Path,
    examples: Reconstruction,
    names: Sequence[str],
    *,
    loss: float,
    predict_zero: float,
) -> None:
    """Writes a page with every window of ``examples``, whole or not at all.

    Args:
        path: Where to.
        examples: Windows before and after.
        names: What each window is, such as its corpus.
        loss: Masked loss over the validation records.
        predict_zero: What predicting zero scores on the same.
    """
    rows = [["Masked loss, validation", f"{loss:.3f}"], ["Predicting zero", f"{predict_zero:.3f}"]]
    sections = [Section("loss", "Loss", table(["", ""], rows))]
    for window, name in enumerate(names):
        rows_shown = recorded_rows(examples, window)
        share = float(examples.is_hidden[window][rows_shown].float().mean())
        caption = f"<p>{share:.0%} of the samples were hidden (shaded).</p>"
        drawing = figure_svg(draw_reconstruction(examples, window))
        sections.append(Section(f"window-{window}", name, f"{caption}<figure>{drawing}</figure>"))
    lead = (
        "Grey: as recorded. Orange: drawn by the model from what it could see; mean and size of "
        "each hidden stretch are taken from the recording, its shape is the model's."
    )
    note = "Shows recordings: keep it where those may be seen."
    html = page("Reconstructions", sections, lead=lead, footer=note)
    with write_whole(Path(path)) as target:
        target.write_text(html, encoding="utf-8")


def draw_reconstruction(examples: Reconstruction, window: int) -> Figure:
    """Draws one window, a row per lead that was recorded, all at one gain."""
    signal = examples.signal[window].numpy()
    restored = examples.restored[window].numpy()
    is_hidden = examples.is_hidden[window].numpy()
    rows = recorded_rows(examples, window)
    reach = max(1e-6, float(np.quantile(np.abs(signal[rows]), 0.998)))
    time_s = np.arange(signal.shape[1]) / examples.sampling_rate

    height = 0.55 * len(rows) + 0.6
    fig = Figure(figsize=(9.5, height), facecolor="#fbfbfc")
    axes = fig.add_axes((0.06, 0.5 / height, 0.93, 0.97 - 0.5 / height))
    for place, row in enumerate(rows):
        middle = -2.2 * reach * place
        for begin, end in stretches(is_hidden[row]):
            axes.fill_between(
                [begin / examples.sampling_rate, end / examples.sampling_rate],
                middle - 1.1 * reach,
                middle + 1.1 * reach,
                color=SHADE,
                linewidth=0,
            )
        clipped = np.clip(signal[row], -1.1 * reach, 1.1 * reach)
        axes.plot(time_s, middle + clipped, color=INK, linewidth=0.8)
        drawn = np.where(is_hidden[row], np.clip(restored[row], -1.1 * reach, 1.1 * reach), np.nan)
        axes.plot(time_s, middle + drawn, color=DRAWN, linewidth=0.9)
    axes.set_yticks(
        [-2.2 * reach * place for place in range(len(rows))],
        [examples.channels[row] for row in rows],
        fontsize=8,
    )
    axes.set_xlim(0, time_s[-1])
    axes.set_xlabel("s", fontsize=8)
    axes.tick_params(length=0, labelsize=8)
    axes.spines[:].set_visible(False)
    return fig


def recorded_rows(examples: Reconstruction, window: int) -> list[int]:
    """Returns the leads of a window in which anything was recorded, or the first."""
    signal = examples.signal[window].numpy()
    return [row for row in range(len(signal)) if np.ptp(signal[row]) > 0] or [0]


def stretches(is_hidden: Bool[np.ndarray, "T"]) -> list[tuple[int, int]]:
    """Returns where each run of hidden samples begins, and where it has ended.

    >>> stretches(np.array([False, True, True, False, True]))
    [(1, 3), (4, 5)]
    """
    change = np.diff(np.concatenate([[0], is_hidden.astype(np.int8), [0]]))
    begins, ends = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
    return list(zip(begins.tolist(), ends.tolist(), strict=True))
