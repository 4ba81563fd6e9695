"""explanation.html: relevance drawn behind the recording, and how far it can be believed.

The recording is drawn as it was made, an ECG on its paper; the darker the ground behind the line,
the larger the share of relevance. The page also shows how faithful the explanation is, beside
gradient times input and random orders.

Axes: C channels, n bins in time.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medts.core.files import write_whole
from medts.evaluation.explained import Curves, Explained, StreamRelevance
from medts.report.chart import GREY, Axis, Series, chart, unit_axis
from medts.report.figures import PALETTE
from medts.report.page import render, write_page
from medts.report.paper import draw_record
from medts.report.place import Heat
from medts.report.svg import Sheet

METHODS = {
    "attention": "Attention: what the surviving tokens were read from, the same for every class.",
    "gradient": "Gradient times input: how the class's score changes with each sample.",
    "random": "Random orders of the same pieces.",
}


@dataclass(frozen=True)
class Spread:
    """Scores of several orders: their mean, ends and number."""

    mean: float
    low: float
    high: float
    n: int


def write_explanation(out: str | Path, found: Explained, *, seconds: float = 10.0) -> list[Path]:
    """Writes ``explanation.html`` and ``explanation.json``, and returns their paths.

    Args:
        out: Folder.
        found: Of one record.
        seconds: Length drawn, at most.
    """
    out = Path(out)
    page = write_page(out / "explanation.html", explanation_page(found, seconds=seconds))
    with write_whole(out / "explanation.json") as target:
        target.write_text(json.dumps(content_of(found), indent=1), encoding="utf-8")
    return [page, out / "explanation.json"]


def explanation_page(found: Explained, *, seconds: float = 10.0) -> str:
    """Returns the page of one explanation."""
    return render(
        "explanation",
        title=f"Explanation of {found.record.record_id}",
        found=found,
        methods=METHODS,
        drawings={
            name: draw_relevance(found, name, seconds=seconds)
            for name in found.streams
            if name in found.record.streams
        },
        scores={name: _spread(several) for name, several in found.curves.items()},
        curves={kind: _draw_curves(found.curves, kind) for kind in ("deletion", "insertion")},
    )


def draw_relevance(found: Explained, stream: str, *, seconds: float = 10.0) -> Sheet:
    """Draws a stream of the record over its relevance, with the share of every channel."""
    part = found.streams[stream]
    return draw_record(
        found.record,
        stream=stream,
        seconds=seconds,
        layers=[heat_of(part)],
        notes={channel: f"{100 * share:.0f} %" for channel, share in part.shares.items()},
    )


def heat_of(part: StreamRelevance) -> Heat:
    """Scales relevance to [0, 1]: the strongest fiftieth of the bins is fully coloured."""
    is_known = np.isfinite(part.relevance)
    top = float(np.quantile(part.relevance[is_known], 0.98)) if is_known.any() else 0.0
    scaled = part.relevance / (top or 1.0)
    return Heat(dict(zip(part.channels, scaled, strict=True)), part.start_s, part.end_s)


def content_of(found: Explained) -> dict[str, object]:
    """Returns the numbers of an explanation for programs."""
    return {
        "record_id": found.record.record_id,
        "label": found.label,
        "probability": found.probability,
        "method": found.method,
        "channels": {name: part.shares for name, part in found.streams.items()},
        "n_tokens": found.n_tokens,
        "faithfulness": {
            name: {
                "score": [each.score for each in several],
                "deletion": np.mean([each.deletion for each in several], axis=0).tolist(),
                "insertion": np.mean([each.insertion for each in several], axis=0).tolist(),
            }
            for name, several in found.curves.items()
        },
    }


def _spread(several: list[Curves]) -> Spread:
    scores = [each.score for each in several]
    return Spread(float(np.mean(scores)), min(scores), max(scores), len(scores))


def _draw_curves(curves: dict[str, list[Curves]], kind: str) -> Sheet:
    series = [
        Series(
            name,
            several[0].shares,
            np.mean([getattr(each, kind) for each in several], axis=0),
            GREY if name == "random" else PALETTE[index % len(PALETTE)],
            is_dashed=name == "random",
        )
        for index, (name, several) in enumerate(curves.items())
    ]
    across = Axis("Share of pieces changed", 0.0, 1.0, (0.0, 0.25, 0.5, 0.75, 1.0))
    return chart(series, across, unit_axis("Probability"), height=66.0, has_legend=True)
