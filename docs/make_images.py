"""Makes the pictures of the documentation from a recording that nobody ever made.

    make demo
    .venv/bin/python docs/make_images.py runs/demo/bundle docs/images

The picture is an ordinary prediction: `medts.load` on a synthetic record, drawn by the function
that draws the examples of every report.
"""

import sys
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

import medts
from medts.data.sources.synthetic import synthetic_record
from medts.evaluation.drawing import draw_record, figure_svg

_INK, _GREY, _PALE, _STATED = "#1d1d1f", "#6f6f73", "#e3e5e8", "#24588f"
_BARS_MM = 58.0
_MM_PER_INCH = 25.4


def picture_of_prediction(bundle: str | Path, folder: str | Path) -> Path:
    """Draws a synthetic record with one electrode off, and what a bundle says of it."""
    truth = ("AFIB", "CLBBB")
    record = synthetic_record(
        rhythm=truth[0], findings=truth[1:], severity=0.8, electrodes_off=("V3",), seed=2
    )
    model = medts.load(bundle)
    said = model.predict(record)
    thresholds = model.bundle.thresholds

    fig = draw_record(record)
    axes = _room_below(fig, _BARS_MM)
    width = axes.get_xlim()[1]
    n_rows = -(-len(said.probability) // 2)
    for number, (name, probability) in enumerate(said.probability.items()):
        column, row = divmod(number, n_rows)
        meaning = model.bundle.label_set.phrase(name)
        x, y = 5.0 + column * width / 2, _BARS_MM - 12.0 - 7.0 * row
        _bar(axes, x, y, meaning, probability, thresholds[name], was_made=name in truth)
    words = (
        "Predicted probability; upright tick: operating point; •: drawn into this synthetic record"
    )
    axes.text(5.0, _BARS_MM - 4.5, words, fontsize=8.5, color=_GREY, va="center")

    path = Path(folder) / "prediction.svg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(figure_svg(fig) + "\n", encoding="utf-8")
    return path


def _room_below(fig: Figure, height_mm: float) -> Axes:
    """Adds a strip under the paper, in millimetres like the paper."""
    (paper,) = fig.axes
    width, height = (inch * _MM_PER_INCH for inch in fig.get_size_inches())
    total = height + height_mm
    fig.set_size_inches(width / _MM_PER_INCH, total / _MM_PER_INCH)
    fig.set_facecolor("white")
    paper.set_position((0.0, height_mm / total, 1.0, height / total))
    paper.set_frame_on(True)
    axes = fig.add_axes((0.0, 0.0, 1.0, height_mm / total))
    axes.set(xlim=(0, width), ylim=(0, height_mm))
    axes.set_axis_off()
    return axes


def _bar(
    axes: Axes,
    x: float,
    y: float,
    meaning: str,
    probability: float,
    threshold: float,
    *,
    was_made: bool,
) -> None:
    start, length = x + 57.0, 55.0
    is_stated = probability >= threshold
    weight = "bold" if is_stated else "normal"
    axes.text(x, y, ("• " if was_made else "   ") + meaning, fontsize=8.5, color=_INK, va="center")
    axes.barh(y, length, left=start, height=3.6, color=_PALE)
    color = _STATED if is_stated else "#9fb4c9"
    axes.barh(y, length * probability, left=start, height=3.6, color=color)
    tick = start + length * threshold
    axes.plot([tick, tick], [y - 2.6, y + 2.6], color=_INK, linewidth=1.0)
    axes.text(
        start + length + 1.5,
        y,
        f"{probability:.2f}",
        fontsize=8.5,
        color=_INK,
        va="center",
        fontweight=weight,
    )


if __name__ == "__main__":
    arguments = sys.argv[1:] or ["runs/demo/bundle", "docs/images"]
    picture_of_prediction(*arguments)
