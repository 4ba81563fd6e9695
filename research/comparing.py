"""Cells of a table: means over label samples and seeds, and paired differences to a reference.

Runs of one cell differ in label sample and seed; methods are compared on common resamples of the
test subjects, with p-values after Holm's step-down correction within a block.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from medts.evaluation.result import Estimate, Estimates
from medts.metrics.comparison import holm
from medts.metrics.components import split_variance
from research.ledger import Run
from research.suites import Suite

Block = tuple[str, float]
"""Label set and number of labels: what one printed table is about."""


@dataclass(frozen=True)
class Cell:
    """A method's score over its label samples and seeds, on common resamples of test subjects."""

    score: Estimate
    beside: Estimate | None
    n_runs: int
    is_control: bool
    resamples: np.ndarray
    spread: float
    difference: Estimate | None = None
    p_value: float | None = None


def table_of(suite: Suite, runs: Iterable[Run]) -> dict[Block, dict[str, Cell]]:
    """Returns every block of a suite's table: cells by method, best first."""
    groups: dict[Block, dict[str, list[Run]]] = {}
    for run in runs:
        if run.rate_factor is None and suite.metric in run.metrics:
            block = groups.setdefault((run.label_set, run.label_fraction), {})
            block.setdefault(run.method, []).append(run)
    table = {}
    for block in sorted(groups):
        found = {method: _cell(own, suite) for method, own in groups[block].items()}
        compared = _compared(found, suite.reference)
        table[block] = dict(sorted(compared.items(), key=lambda each: -_value(each[1])))
        if majority := _majority(groups[block], suite):
            table[block]["majority"] = majority
    return table


def parts_of(suite: Suite, runs: Iterable[Run]) -> dict[Block, dict[tuple[str, str], Estimates]]:
    """Returns what runs measured beside their own scores, as means over label samples and seeds.

    By method and name: every control, and every condition of a protocol with its difference to the
    whole and the share of the score that it keeps, where these were measured.
    """
    shown = (suite.metric, suite.beside, f"{suite.metric}_difference", "share_kept")
    groups: dict[Block, dict[tuple[str, str], dict[str, list[Estimate]]]] = {}
    for run in runs:
        block = groups.setdefault((run.label_set, run.label_fraction), {})
        for name, measures in (run.controls | run.conditions).items():
            found = block.setdefault((run.method, name), {})
            for each in shown:
                if each in measures:
                    found.setdefault(each, []).append(measures[each])
    return {
        block: {
            part: {each: mean for each, own in found.items() if (mean := _mean(own))}
            for part, found in groups[block].items()
        }
        for block in sorted(groups)
        if groups[block]
    }


def _value(cell: Cell) -> float:
    assert cell.score.value is not None
    return cell.score.value


def _cell(runs: list[Run], suite: Suite) -> Cell:
    """Joins runs; the interval holds the spread of subjects, label samples and seeds.

    The interval of one run is of subjects alone, since nothing shows the spread of the
    others. So is that of a score which was not resampled; its ends are the means of those of the
    runs.
    """
    score = _mean([run.metrics[suite.metric] for run in runs])
    assert score is not None
    assert score.value is not None
    values = np.array([run.metrics[suite.metric].value for run in runs], float)
    n_runs, n_draws, of_runs = len(runs), len({run.draw for run in runs}), 0.0
    resampled = [run.resamples.get(("", suite.metric)) for run in runs]
    resamples = np.zeros((0, n_runs))
    if all(resampled):
        resamples = np.array(resampled, dtype=float).T
        parts = split_variance(values, [run.draw for run in runs], resamples)
        within = sum(run.spread for run in runs) / n_runs**2
        of_runs = float(np.nansum([parts.seed / n_runs, parts.subsample / n_draws, within]))
        reach = float(stats.norm.ppf(0.975) * np.sqrt(parts.subject + of_runs))
        score = score.but(low=score.value - reach, high=min(1.0, score.value + reach))
    return Cell(
        score=score,
        beside=_mean([run.metrics.get(suite.beside) for run in runs]),
        n_runs=n_runs,
        is_control=runs[0].is_control,
        resamples=resamples.mean(axis=1),
        spread=of_runs,
    )


def _mean(measures: Sequence[Estimate | None]) -> Estimate | None:
    """Returns the mean of values and of the ends of their intervals, which are of subjects."""
    columns = [(each.value, each.low, each.high) for each in measures if each is not None]
    if not columns:
        return None
    value, low, high = np.array(columns, dtype=float).mean(axis=0).tolist()
    return Estimate(value=value, low=low, high=high)


def _majority(groups: dict[str, list[Run]], suite: Suite) -> Cell | None:
    """Returns what the commonest class scores everywhere; it is the same for every run."""
    found = [
        run.controls["majority"][suite.metric]
        for own in groups.values()
        for run in own
        if suite.metric in run.controls.get("majority", {})
    ]
    if not found:
        return None
    return Cell(found[-1], None, 1, is_control=True, resamples=np.zeros(0), spread=0.0)


def _compared(cells: dict[str, Cell], reference: str) -> dict[str, Cell]:
    """Adds the differences to the reference, where both were resampled."""
    if reference not in cells or not len(cells[reference].resamples):
        return dict(cells)
    base = cells[reference]
    others = {m: each for m, each in cells.items() if m != reference and len(each.resamples)}
    if not others:
        return dict(cells)
    found = {method: _difference(cell, base) for method, cell in others.items()}
    adjusted = holm(np.array([p for _, p in found.values()]))
    compared = dict(cells)
    for (method, (difference, _)), p_value in zip(found.items(), adjusted, strict=True):
        compared[method] = replace(others[method], difference=difference, p_value=float(p_value))
    return compared


def _difference(cell: Cell, reference: Cell) -> tuple[Estimate, float]:
    differences = cell.resamples - reference.resamples
    error = float(np.sqrt(np.nanvar(differences, ddof=1) + cell.spread + reference.spread))
    value = _value(cell) - _value(reference)
    p_value = 2 * float(stats.norm.sf(abs(value) / error)) if error > 0 else 1.0
    return Estimate(value=value, low=value - 1.96 * error, high=value + 1.96 * error), p_value
