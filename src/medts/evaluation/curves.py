"""The curves of a report, as plotly figures: ranking, precision, calibration and learning.

Each function returns the plain dictionary that plotly.js draws, so that building a report needs
no browser and its points can be tested as numbers. Colours of text and grid belong to the page,
which knows whether it is light, dark or printed.

Axes: R records, K classes, Q points of a curve.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from medts.evaluation.wording import metric_name

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1")
"""Told apart with any colour vision (Okabe and Ito's, without yellow and black)."""

ALL_CLASSES = -1
"""What ``meta`` of a trace says when it belongs to no single class."""

_MAX_POINTS = 240
_N_BINS = 10


@dataclass(frozen=True)
class Reliability:
    """Predicted probability against observed frequency, in bins of equal width.

    Args:
        predicted: Mean probability of each bin that is not empty.
        observed: Share of positives there.
        count: How many decisions fell there.
        error: Mean gap between the two, each bin counting as often as it was hit.
    """

    predicted: Float[np.ndarray, "Q"]
    observed: Float[np.ndarray, "Q"]
    count: Float[np.ndarray, "Q"]
    error: float


def color_of(k: int, n_classes: int) -> str:
    """Returns the colour of a class; one grey for all where they are too many to tell apart."""
    return PALETTE[k] if n_classes <= len(PALETTE) else "#8d969e"


def roc_figure(
    target: Float[np.ndarray, "R K"],
    probability: Float[np.ndarray, "R K"],
    classes: tuple[str, ...],
    thresholds: dict[str, float],
) -> dict[str, Any]:
    """Draws sensitivity against one minus specificity; a dot marks each operating point."""
    from sklearn.metrics import roc_curve

    traces: list[dict[str, Any]] = []
    for k, name in enumerate(classes):
        is_positive = target[:, k] > 0.5
        if is_positive.all() or not is_positive.any():
            continue
        wrong, found, cut = roc_curve(is_positive, probability[:, k])
        color = color_of(k, len(classes))
        traces.append(_line(wrong, found, cut, name, k, color, "false alarms", "sensitivity"))
        if name in thresholds:
            is_stated = probability[:, k] >= thresholds[name]
            point = (is_stated[~is_positive].mean(), is_stated[is_positive].mean())
            traces.append(_dot(*point, thresholds[name], name, k, color))
    layout = _square_layout("False alarms (1 − specificity)", "Sensitivity")
    layout["shapes"] = [_diagonal()]
    return {"data": traces, "layout": layout}


def precision_figure(
    target: Float[np.ndarray, "R K"],
    probability: Float[np.ndarray, "R K"],
    classes: tuple[str, ...],
    thresholds: dict[str, float],
) -> dict[str, Any]:
    """Draws precision against sensitivity; a dot marks each operating point."""
    from sklearn.metrics import precision_recall_curve

    traces: list[dict[str, Any]] = []
    for k, name in enumerate(classes):
        is_positive = target[:, k] > 0.5
        if is_positive.all() or not is_positive.any():
            continue
        precision, found, cut = precision_recall_curve(is_positive, probability[:, k])
        color = color_of(k, len(classes))
        # Of equal sensitivities the highest threshold counts: its steps hold the average precision.
        is_step = np.append(found[:-1] > found[1:], True)
        found, precision, cut = found[is_step], precision[is_step], np.append(cut, 1.0)[is_step]
        line = _line(found, precision, cut, name, k, color, "sensitivity", "precision")
        line["line"]["shape"] = "hv"
        traces.append(line)
        if name in thresholds:
            is_stated = probability[:, k] >= thresholds[name]
            if is_stated.any():
                point = (is_stated[is_positive].mean(), is_positive[is_stated].mean())
                traces.append(_dot(*point, thresholds[name], name, k, color))
    return {"data": traces, "layout": _square_layout("Sensitivity", "Precision")}


def reliability(
    is_positive: Bool[np.ndarray, "Q"], probability: Float[np.ndarray, "Q"]
) -> Reliability:
    """Compares probabilities with frequencies in ten bins of equal width."""
    place = np.minimum((probability * _N_BINS).astype(int), _N_BINS - 1)
    count = np.bincount(place, minlength=_N_BINS).astype(float)
    is_hit = count > 0
    total = np.bincount(place, weights=probability, minlength=_N_BINS)[is_hit]
    positive = np.bincount(place, weights=is_positive, minlength=_N_BINS)[is_hit]
    count = count[is_hit]
    gap = np.abs(total - positive).sum() / max(count.sum(), 1.0)
    return Reliability(total / count, positive / count, count, float(gap))


def reliability_figure(
    target: Float[np.ndarray, "R K"], probability: Float[np.ndarray, "R K"]
) -> dict[str, Any]:
    """Draws reliability over a histogram; all classes together are shown, the others wait."""
    traces: list[dict[str, Any]] = []
    groups = [(ALL_CLASSES, target.ravel(), probability.ravel())]
    if target.shape[1] > 1:
        groups += [(k, target[:, k], probability[:, k]) for k in range(target.shape[1])]
    for group, truth, score in groups:
        bins = reliability(truth > 0.5, score)
        low, high = _wilson(bins.observed, bins.count)
        common = {"x": _rounded(bins.predicted), "meta": group, "showlegend": False}
        common["visible"] = group == ALL_CLASSES
        count = [int(n) for n in bins.count]
        traces.append(
            common
            | {
                "type": "scatter",
                "mode": "lines+markers",
                "y": _rounded(bins.observed),
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": _rounded(high - bins.observed),
                    "arrayminus": _rounded(bins.observed - low),
                    "thickness": 1.2,
                    "width": 0,
                },
                "customdata": count,
                "line": {"color": PALETTE[0], "width": 1.6},
                "marker": {"color": PALETTE[0], "size": 7},
                "cliponaxis": False,
                "hovertemplate": "predicted %{x:.3f}<br>observed %{y:.3f}<br>"
                "%{customdata} decisions<extra></extra>",
            }
        )
        edges = np.minimum((bins.predicted * _N_BINS).astype(int), _N_BINS - 1)
        traces.append(
            common
            | {
                "type": "bar",
                "x": _rounded((edges + 0.5) / _N_BINS),
                "y": count,
                "yaxis": "y2",
                "width": 0.9 / _N_BINS,
                "marker": {"color": "#9fb6c6"},
                "text": [f"{n:,}" for n in count],
                "textposition": "outside",
                "textfont": {"size": 11},
                "cliponaxis": False,
                "hovertemplate": "%{y} decisions<extra></extra>",
            }
        )
    layout = _square_layout("Predicted probability", "Observed frequency")
    layout["yaxis"]["domain"] = [0.27, 1.0]
    layout["yaxis2"] = _axis("Decisions") | {
        "domain": [0.0, 0.19],
        "rangemode": "tozero",
        "showticklabels": False,
        "showgrid": False,
    }
    layout["xaxis"]["anchor"] = "y2"
    layout["shapes"] = [_diagonal()]
    return {"data": traces, "layout": layout}


def best_epoch(history: Sequence[dict[str, float]]) -> tuple[int, str] | None:
    """Returns the epoch that validation likes best and the name of what it was judged by."""
    score = next((name for row in history for name in row if _is_score(name)), None)
    name, sign = (score, 1.0) if score else ("validation_loss", -1.0)
    judged = [
        (sign * row[name], -i)
        for i, row in enumerate(history)
        if name in row and math.isfinite(row[name])
    ]
    if not judged:
        return None
    i = -max(judged)[1]
    return int(history[i].get("epoch", i)), name


def learning_figure(history: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Draws losses and validation scores over the epochs; a line marks the best epoch."""
    scores = list(dict.fromkeys(name for row in history for name in row if _is_score(name)))
    curves = [("train_loss", "Training loss", "y", "dot")]
    curves += [("validation_loss", "Validation loss", "y", "solid")]
    curves += [(name, score_name(name), "y2", "solid") for name in scores]
    traces: list[dict[str, Any]] = []
    for i, (name, words, axis, dash) in enumerate(curves):
        pairs = [
            (row.get("epoch", j), row[name])
            for j, row in enumerate(history)
            if name in row and math.isfinite(row[name])
        ]
        if not pairs:
            continue
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers" if len(pairs) < 60 else "lines",
                "x": [epoch for epoch, _ in pairs],
                "y": [_short(value) for _, value in pairs],
                "yaxis": axis,
                "name": escape(words),
                "line": {"color": PALETTE[i % len(PALETTE)], "width": 1.8, "dash": dash},
                "marker": {"size": 4},
                "hovertemplate": "epoch %{x}: %{y:.4f}<extra>%{fullData.name}</extra>",
            }
        )
    layout = _base_layout() | {
        "xaxis": _axis("Epoch") | {"domain": [0.0, 0.45] if scores else [0.0, 1.0]},
        "yaxis": _axis("Loss"),
        "showlegend": True,
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
    }
    if scores:
        layout["xaxis2"] = _axis("Epoch") | {"domain": [0.57, 1.0], "anchor": "y2"}
        layout["yaxis2"] = _axis("Validation score") | {"anchor": "x2"}
        for trace in traces:
            trace["xaxis"] = "x2" if trace["yaxis"] == "y2" else "x"
    best = best_epoch(history)
    if best is not None:
        places = [("x", "y domain")] + ([("x2", "y2 domain")] if scores else [])
        layout["shapes"] = [
            _segment(best[0], 0, best[0], 1) | {"xref": across, "yref": upward}
            for across, upward in places
        ]
    return {"data": traces, "layout": layout}


def score_name(name: str) -> str:
    """Returns what a column of the history is called.

    >>> score_name("validation_macro_auroc")
    'Validation macro AUROC'
    """
    words = metric_name(name.removeprefix("validation_"))
    return f"Validation {words[0].lower()}{words[1:]}"


def _is_score(name: str) -> bool:
    return name.startswith("validation_") and "loss" not in name


def _line(
    x: np.ndarray,
    y: np.ndarray,
    cut: np.ndarray,
    name: str,
    k: int,
    color: str,
    x_name: str,
    y_name: str,
) -> dict[str, Any]:
    keep = np.unique(np.linspace(0, len(x) - 1, min(len(x), _MAX_POINTS)).round().astype(int))
    return {
        "type": "scatter",
        "mode": "lines",
        "x": _rounded(x[keep]),
        "y": _rounded(y[keep]),
        "customdata": _rounded(np.clip(cut[keep], 0.0, 1.0)),
        "name": escape(name),
        "meta": k,
        "line": {"color": color, "width": 2 if color in PALETTE else 1.1},
        "opacity": 1.0 if color in PALETTE else 0.5,
        "hovertemplate": f"{x_name} %{{x:.3f}}<br>{y_name} %{{y:.3f}}"
        "<br>threshold %{customdata:.3f}<extra>%{fullData.name}</extra>",
    }


def _dot(x: float, y: float, cut: float, name: str, k: int, color: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": _rounded(np.array([x])),
        "y": _rounded(np.array([y])),
        "name": escape(name),
        "meta": k,
        "marker": {"color": color, "size": 9, "line": {"color": "#ffffff", "width": 1.5}},
        "opacity": 1.0 if color in PALETTE else 0.0,
        "cliponaxis": False,
        "hovertemplate": f"operating point, threshold {cut:.3f}<br>%{{x:.3f}}, %{{y:.3f}}"
        "<extra>%{fullData.name}</extra>",
    }


def _wilson(share: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns 95 % intervals of shares."""
    z2 = 1.959963984540054**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = np.sqrt(z2 * (share * (1 - share) / count + z2 / (4 * count**2))) / (1 + z2 / count)
    return np.clip(middle - half, 0.0, share), np.clip(middle + half, share, 1.0)


def _square_layout(x_title: str, y_title: str) -> dict[str, Any]:
    unit = {"range": [-0.01, 1.01], "tickvals": [0, 0.25, 0.5, 0.75, 1], "zeroline": False}
    return _base_layout() | {"xaxis": _axis(x_title) | unit, "yaxis": _axis(y_title) | unit}


def _base_layout() -> dict[str, Any]:
    return {
        "margin": {"l": 58, "r": 12, "t": 12, "b": 48},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "Inter, Helvetica Neue, Segoe UI, Liberation Sans, sans-serif"},
        "hoverlabel": {"bgcolor": "#1c2126", "font": {"color": "#ffffff", "size": 12}},
        "hovermode": "closest",
        "showlegend": False,
        "dragmode": False,
    }


def _axis(title: str) -> dict[str, Any]:
    return {
        "title": {"text": title, "font": {"size": 12.5}, "standoff": 10},
        "tickfont": {"size": 11.5},
        "gridcolor": "#e2e5e8",
        "zeroline": False,
        "fixedrange": True,
        "automargin": True,
    }


def _diagonal() -> dict[str, Any]:
    return _segment(0, 0, 1, 1)


def _segment(x0: float, y0: float, x1: float, y1: float) -> dict[str, Any]:
    style = {"color": "#8d969e", "width": 1, "dash": "dot"}
    return {"type": "line", "x0": x0, "y0": y0, "x1": x1, "y1": y1, "line": style, "layer": "below"}


def _rounded(values: np.ndarray) -> list[float | None]:
    return [_short(float(value)) for value in values]


def _short(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None
