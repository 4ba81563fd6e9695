"""report.html of regression: predicted against true numbers, and Bland-Altman plots.

Axes: R records, K numbers, n points of a drawing.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from medts.evaluation.details import Details
from medts.evaluation.result import Estimates, Result
from medts.report.chart import Series, chart, fitting_axis
from medts.report.evaluation import shared_parts
from medts.report.page import render
from medts.report.svg import Sheet
from medts.report.wording import metric_definition, metric_name

_MAX_POINTS = 1500


@dataclass(frozen=True)
class NumberPanel:
    """A number with its unit (empty where it has none), its metrics by name, and its drawings."""

    name: str
    unit: str
    measures: Estimates
    scatter: Sheet
    agreement: Sheet


def numbers_page(result: Result, details: Details, *, command: str = "") -> str:
    """Returns ``report.html`` of a result of regression.

    Args:
        result: Every number of the tables.
        details: True and predicted values, and the history of training.
        command: What to type to get this result again.
    """
    names = [*result.metrics, "bias"]
    return render(
        "numbers",
        **shared_parts(result, details, command),
        definitions={metric_name(each): metric_definition(each, "multi") for each in names},
        panels=[_panel(result, details, k) for k in range(len(details.classes))],
        max_points=_MAX_POINTS,
        cards=[],
    )


def _panel(result: Result, details: Details, k: int) -> NumberPanel:
    name, unit = details.classes[k], (details.units or {}).get(details.classes[k], "")
    true, predicted = details.target[:, k].astype(float), details.probability[:, k].astype(float)
    is_known = np.isfinite(true)
    true, predicted, estimates = true[is_known], predicted[is_known], result.per_class.get(name, {})
    return NumberPanel(
        name=name,
        unit=unit,
        measures=estimates,
        scatter=scatter_figure(true, predicted, unit),
        agreement=agreement_figure(true, predicted, unit, estimates),
    )


def scatter_figure(
    true: Float[np.ndarray, "n"], predicted: Float[np.ndarray, "n"], unit: str
) -> Sheet:
    """Draws predicted against true values on axes of one range: the diagonal is the identity."""
    axis = fitting_axis(f"True{_in(unit)}", [*true.tolist(), *predicted.tolist()])
    upward = replace(axis, title=f"Predicted{_in(unit)}")
    return chart([_points(true, predicted)], axis, upward, has_diagonal=True)


def agreement_figure(
    true: Float[np.ndarray, "n"], predicted: Float[np.ndarray, "n"], unit: str, measures: Estimates
) -> Sheet:
    """Draws a Bland-Altman plot: difference against mean, with bias and limits of agreement."""
    middle, difference = (true + predicted) / 2, predicted - true
    across = fitting_axis(f"Mean of predicted and true{_in(unit)}", middle.tolist())
    ends, lines = np.array([across.low, across.high]), []
    for name in ("bias", "limit_low", "limit_high"):
        value = measures[name].value if name in measures else None
        if value is not None and np.isfinite(value):
            words = f"{metric_name(name)} {value:.3f}"
            style = {"is_dashed": name != "bias", "words": (words,) * 2}
            lines.append(Series(words, ends, np.full(2, float(value)), "#d55e00", **style))
    levels = [y for each in lines for y in each.y.tolist()]
    upward = fitting_axis(f"Predicted minus true{_in(unit)}", [*difference.tolist(), *levels])
    return chart([_points(middle, difference), *lines], across, upward)


def _points(x: Float[np.ndarray, "n"], y: Float[np.ndarray, "n"]) -> Series:
    kept = np.unique(np.linspace(0, len(x) - 1, min(len(x), _MAX_POINTS)).round().astype(int))
    return Series("records", x[kept], y[kept], kind="points", is_dotted=True, is_faint=True)


def _in(unit: str) -> str:
    return f" ({unit})" if unit else ""
