"""Makes the pictures of the documentation from a recording that nobody ever made.

    make demo
    .venv/bin/python docs/make_images.py runs/demo/bundle docs/images

The picture is an ordinary prediction: `medts.load` on a synthetic record, drawn by the function
that draws the examples of every report.
"""

import sys
from pathlib import Path

from markupsafe import Markup

import medts
from medts.data.sources.synthetic import synthetic_record
from medts.report.paper import draw_record
from medts.report.svg import Sheet, element, label, rectangles

_INK, _GREY, _PALE, _STATED = "#1d1d1f", "#6f6f73", "#e3e5e8", "#24588f"
_BARS_MM = 58.0


def picture_of_prediction(bundle: str | Path, folder: str | Path) -> Path:
    """Draws a synthetic record with one electrode off, and what a bundle says of it."""
    truth = ("AFIB", "CLBBB")
    record = synthetic_record(
        rhythm=truth[0], findings=truth[1:], severity=0.8, electrodes_off=("V3",), seed=2
    )
    model = medts.load(bundle)
    said = model.predict(record)
    thresholds = model.bundle.thresholds()

    paper = draw_record(record)
    height = paper.height + _BARS_MM
    ground = element("rect", width=paper.width, height=height, fill="#ffffff")
    words = (
        "Predicted probability; upright tick: operating point; •: drawn into this synthetic record"
    )
    parts = [ground, paper.content, label(words, 5.0, paper.height + 4.5, fill=_GREY)]
    n_rows = -(-len(said.probability) // 2)
    for number, (name, probability) in enumerate(said.probability.items()):
        column, row = divmod(number, n_rows)
        meaning = model.bundle.label_set.phrase(name)
        x, y = 5.0 + column * paper.width / 2, paper.height + 12.0 + 7.0 * row
        parts.append(_bar(x, y, meaning, probability, thresholds[name], was_made=name in truth))

    path = Path(folder) / "prediction.svg"
    path.parent.mkdir(parents=True, exist_ok=True)
    description = f"{paper.description}; probabilities of {len(said.probability)} findings"
    sheet = Sheet(paper.width, height, Markup("").join(parts), description)
    path.write_text(f"{sheet}\n", encoding="utf-8")
    return path


def _bar(
    x: float, y: float, meaning: str, probability: float, threshold: float, *, was_made: bool
) -> Markup:
    start, length = x + 57.0, 55.0
    is_stated = probability >= threshold
    weight = "bold" if is_stated else "normal"
    color = _STATED if is_stated else "#9fb4c9"
    parts = [
        label("•", x, y) if was_made else Markup(""),
        label(meaning, x + 3.0, y),
        rectangles([(start, y - 1.8, length, 3.6)], fill=_PALE),
        rectangles([(start, y - 1.8, length * probability, 3.6)], fill=color),
        rectangles([(start + length * threshold - 0.17, y - 2.6, 0.35, 5.2)], fill=_INK),
        label(f"{probability:.2f}", start + length + 1.5, y, font_weight=weight),
    ]
    return Markup("").join(parts)


if __name__ == "__main__":
    arguments = sys.argv[1:] or ["runs/demo/bundle", "docs/images"]
    picture_of_prediction(*arguments)
