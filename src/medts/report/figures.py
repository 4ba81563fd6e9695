"""Figures of a report: ROC, precision-recall, reliability, learning curves, missing modalities.

Axes: R records, K classes.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from medts.evaluation.curves import (
    Curve,
    best_epoch,
    has_both,
    is_score,
    precision_recall,
    rates_at,
    roc,
)
from medts.evaluation.result import Condition, Estimate
from medts.report.chart import (
    GREY,
    Axis,
    Series,
    bounds,
    chart,
    ends_of,
    fitting_axis,
    stack,
    unit_axis,
)
from medts.report.svg import Sheet
from medts.report.wording import metric_name

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#c98a00", "#56b4e9", "#8c6bb1")
"""Distinct with any colour vision (Okabe and Ito's, without yellow and black)."""

ALL_CLASSES = -1
"""Group of a series that belongs to no single class."""

N_BINS = 10
"""Bins of equal width of a reliability diagram."""

_MAX_POINTS = 240
_N_HINTS = 24


def color_of(k: int, n_classes: int) -> str:
    """Returns the colour of a class; one grey for all where they are too many to tell apart."""
    return PALETTE[k] if n_classes <= len(PALETTE) else GREY


def curve_classes(target: Float[np.ndarray, "R K"]) -> list[int]:
    """Returns the classes that have a positive and a negative record, and so a curve."""
    return [k for k in range(target.shape[1]) if has_both(target[:, k] > 0.5)]


def roc_figure(
    target: Float[np.ndarray, "R K"],
    probability: Float[np.ndarray, "R K"],
    classes: tuple[str, ...],
    thresholds: dict[str, float],
) -> Sheet:
    """Draws ROC curves; a dot marks each operating point."""
    names = ("false alarms", "sensitivity")
    series = _curves(target, probability, classes, thresholds, roc, names)
    across = unit_axis("False alarms (1 − specificity)")
    return chart(series, across, unit_axis("Sensitivity"), has_diagonal=True)


def precision_figure(
    target: Float[np.ndarray, "R K"],
    probability: Float[np.ndarray, "R K"],
    classes: tuple[str, ...],
    thresholds: dict[str, float],
) -> Sheet:
    """Draws precision-recall curves; a dot marks each operating point."""
    names = ("sensitivity", "precision")
    series = _curves(target, probability, classes, thresholds, precision_recall, names)
    return chart(series, unit_axis("Sensitivity"), unit_axis("Precision"))


def reliability_figure(
    target: Float[np.ndarray, "R K"], probability: Float[np.ndarray, "R K"]
) -> Sheet:
    """Draws a reliability diagram over a histogram; all classes together are shown at first."""
    # Not at the top: scipy takes as long to import as everything else together.
    from medts.metrics.calibration import bin_of, reliability
    from medts.metrics.intervals import wilson_interval

    curves, bars = [], []
    groups = [(ALL_CLASSES, target.ravel(), probability.ravel())]
    if target.shape[1] > 1:
        groups += [(k, target[:, k], probability[:, k]) for k in range(target.shape[1])]
    for group, truth, score in groups:
        bins = reliability(truth > 0.5, score, N_BINS)
        shares = zip(bins.observed.tolist(), bins.count.tolist(), strict=True)
        intervals = [Estimate.of(wilson_interval(share, n)) for share, n in shares]
        words = tuple(
            f"predicted {p:.3f}, observed {o:.3f}, {n:,.0f} decisions"
            for p, o, n in zip(bins.probability, bins.observed, bins.count, strict=True)
        )
        common = {"group": group, "is_shown": group == ALL_CLASSES, "name": "reliability"}
        given = {"words": words, "is_dotted": True, **bounds(intervals), **common}
        curves.append(Series(x=bins.probability, **given))
        # Each group's bars are as high as they go: a class has fewer decisions than all together.
        share = bins.count / bins.count.max(initial=1)
        middle = (bin_of(bins.probability, N_BINS) + 0.5) / N_BINS
        tags = tuple(f"{n:,.0f}" for n in bins.count)
        style = {"kind": "bars", "color": "#9fb6c6", "tags": tags}
        bars.append(Series(x=middle, y=share, **style, **common))
    upper = chart(curves, unit_axis(""), unit_axis("Observed frequency"), has_diagonal=True)
    across = unit_axis("Predicted probability")
    return stack(upper, chart(bars, across, Axis("Decisions", 0.0, 1.2, ()), height=38.0))


def learning_figures(history: Sequence[dict[str, float]]) -> list[Sheet]:
    """Draws losses, and validation scores, over the epochs; a line marks the best epoch."""
    scores = list(dict.fromkeys(name for row in history for name in row if is_score(name)))
    losses = {"train_loss": "Training loss", "validation_loss": "Validation loss"}
    panels = [("Loss", losses), ("Validation score", {name: score_name(name) for name in scores})]
    best = best_epoch(history)
    sheets = []
    for title, columns in panels:
        series = []
        for i, (name, words) in enumerate(columns.items()):
            epochs, values = _column(history, name)
            hints = tuple(
                f"{words}, epoch {e:g}: {v:.4f}" for e, v in zip(epochs, values, strict=True)
            )
            style = {"is_dashed": name == "train_loss", "words": hints}
            if len(values):
                series.append(Series(words, epochs, values, PALETTE[i % len(PALETTE)], **style))
        if not series:
            continue
        across = fitting_axis("Epoch", [x for each in series for x in each.x.tolist()])
        upward = fitting_axis(title, ends_of(series))
        mark = None if best is None else float(best[0])
        sheets.append(chart(series, across, upward, height=62.0, has_legend=True, mark_x=mark))
    return sheets


def missing_figure(conditions: Sequence[Condition]) -> Sheet:
    """Draws the share kept against the number missing, a line for each regime."""
    means = [each for each in conditions if each.n_missing is not None]
    series = []
    for index, regime in enumerate(dict.fromkeys(each.regime for each in means)):
        own = sorted((e for e in means if e.regime == regime), key=lambda e: e.n_missing or 0)
        kept = bounds([Estimate(value=1.0), *(each.metrics["share_kept"] for each in own)])
        n_missing = np.array([0.0, *(float(each.n_missing or 0) for each in own)])
        words = tuple(
            f"{n:.0f} missing: {v:.3f} kept" for n, v in zip(n_missing, kept["y"], strict=True)
        )
        style = {"color": PALETTE[index % len(PALETTE)], "is_dotted": True, "words": words}
        series.append(Series(name=regime or "", x=n_missing, **kept, **style))
    highest = max([float(each.n_missing or 0) for each in means] or [1.0])
    across = Axis("Modalities missing", 0.0, highest, tuple(np.arange(highest + 1).tolist()))
    upward = fitting_axis("Share of the score kept", [0.0, 1.0, *ends_of(series)])
    return chart(series, across, upward, width=150.0, has_legend=True)


def score_name(name: str) -> str:
    """Returns what a column of the history is called.

    >>> score_name("validation_macro_auroc")
    'Validation macro AUROC'
    """
    words = metric_name(name.removeprefix("validation_"))
    return f"Validation {words[0].lower()}{words[1:]}"


def _curves(
    target: Float[np.ndarray, "R K"],
    probability: Float[np.ndarray, "R K"],
    classes: tuple[str, ...],
    thresholds: dict[str, float],
    curve_of: Callable[..., Curve],
    names: tuple[str, str],
) -> list[Series]:
    """Returns the line of each class, unseen points that show thresholds, and operating points."""
    series = []
    for k in curve_classes(target):
        is_positive, own, color = target[:, k] > 0.5, probability[:, k], color_of(k, len(classes))
        curve = curve_of(is_positive, own)
        common = {"name": classes[k], "color": color, "group": k}
        kind = "steps" if curve_of is precision_recall else "line"
        keep, hint = _spread(len(curve.x), _MAX_POINTS), _spread(len(curve.x), _N_HINTS)
        x, y, is_faint = curve.x[keep], curve.y[keep], color == GREY
        series.append(Series(x=x, y=y, kind=kind, is_faint=is_faint, **common))
        if is_faint:
            continue
        words = tuple(
            f"{classes[k]}: {names[0]} {x:.3f}, {names[1]} {y:.3f}, threshold {cut:.3f}"
            for x, y, cut in zip(curve.x[hint], curve.y[hint], curve.threshold[hint], strict=True)
        )
        series.append(
            Series(x=curve.x[hint], y=curve.y[hint], kind="points", words=words, **common)
        )
        if classes[k] not in thresholds:
            continue
        cut = thresholds[classes[k]]
        at = vars(rates_at(is_positive, own, cut))
        x, y = (at[name.replace(" ", "_")] for name in names)
        if y is not None:
            words = (f"{classes[k]}: operating point, threshold {cut:.3f}",)
            dot = {"kind": "points", "words": words, "is_dotted": True}
            series.append(Series(x=np.array([x]), y=np.array([y]), **dot, **common))
    return series


def _spread(n: int, limit: int) -> np.ndarray:
    return np.unique(np.linspace(0, n - 1, min(n, limit)).round().astype(int))


def _column(history: Sequence[dict[str, float]], name: str) -> tuple[np.ndarray, np.ndarray]:
    pairs = [
        (float(row.get("epoch", i)), float(row[name]))
        for i, row in enumerate(history)
        if name in row and math.isfinite(row[name])
    ]
    table = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]
