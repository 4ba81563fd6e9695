"""The page of a benchmark: tables with intervals and tests, label efficiency, score against cost.

It is given plain rows and draws them; what a row means is decided where the benchmark is run.
What did not run stands on the page too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medts.evaluation.result import Measure
from medts.report.chart import Series, chart, fitting_axis
from medts.report.figures import color_of
from medts.report.page import render_file, write_page
from medts.report.svg import Sheet

_TEMPLATE = Path(__file__).with_name("bench_report.html.j2")


@dataclass(frozen=True)
class BenchRow:
    """One method with so many labels on one label set.

    Args:
        label_set: What was asked.
        label_fraction: Share of the training records with labels, or their number above 1.
        labels: The same in words.
        method: Name of the method.
        is_control: Knows nothing that it could be credited for.
        score: Macro AUROC over its runs, with its interval.
        n_labelled: Number of labelled records, where it was kept.
        n_runs: Draws times seeds.
        difference: To the reference on the same resamples; none for the reference itself.
        p_value: Of the difference, after correction.
        latency_ms: Median time for one record on one thread.
        recipe_digest: Of the resolved settings.
        data_digest: Of the test records.
    """

    label_set: str
    label_fraction: float
    labels: str
    method: str
    is_control: bool
    score: Measure
    n_labelled: int | None = None
    n_runs: int = 1
    difference: Measure | None = None
    p_value: float | None = None
    latency_ms: float | None = None
    recipe_digest: str = ""
    data_digest: str = ""

    @property
    def p_words(self) -> str:
        """The p-value as it is written; nothing where there is none."""
        if self.p_value is None:
            return ""
        return "< 0.001" if self.p_value < 0.001 else f"{self.p_value:.3f}"


@dataclass(frozen=True)
class _Group:
    """What the page shows of one label set."""

    label_set: str
    anchor: str
    tables: list[tuple[str, list[BenchRow]]]
    by_labels: Sheet
    by_cost: Sheet | None


def write_bench_report(
    path: str | Path,
    name: str,
    rows: Sequence[BenchRow],
    *,
    reference: str,
    notes: Sequence[tuple[str, str, str]] = (),
    skipped: Sequence[tuple[str, str]] = (),
    synthetic: bool = False,
    command: str = "",
) -> None:
    """Writes the page of a benchmark, whole or not at all.

    Args:
        path: Where to.
        name: Name of the suite.
        rows: Every cell of its tables.
        reference: Method that the others are compared with.
        notes: Label set and method with what was noted in measuring it.
        skipped: Jobs that did not run, each with the reason.
        synthetic: True puts the banner on the page.
        command: How it was made.
    """
    groups = []
    for label_set in dict.fromkeys(row.label_set for row in rows):
        own = [row for row in rows if row.label_set == label_set]
        anchor = label_set.replace("/", "-")
        groups.append(_Group(label_set, anchor, _tables(own), _by_labels(own), _by_cost(own)))
    html = render_file(
        _TEMPLATE,
        title=f"Benchmark {name}",
        groups=groups,
        reference=reference,
        notes=notes,
        skipped=skipped,
        measured=[row for row in rows if row.recipe_digest],
        synthetic=synthetic,
        command=command,
    )
    write_page(path, html)


def _tables(rows: Sequence[BenchRow]) -> list[tuple[str, list[BenchRow]]]:
    tables = []
    for fraction in sorted({row.label_fraction for row in rows}, key=_order):
        own = [row for row in rows if row.label_fraction == fraction]
        own.sort(key=lambda row: -(row.score.value or 0.0))
        tables.append((own[0].labels.capitalize(), own))
    return tables


def _by_labels(rows: Sequence[BenchRow]) -> Sheet:
    rows = [row for row in rows if row.recipe_digest]
    names = list(dict.fromkeys(row.method for row in rows))
    is_counted = all(row.n_labelled is not None for row in rows)
    series = []
    for index, name in enumerate(names):
        own = sorted(
            (r for r in rows if r.method == name), key=lambda row: _order(row.label_fraction)
        )
        across = [row.n_labelled if is_counted else 100 * row.label_fraction for row in own]
        series.append(
            Series(
                name,
                np.array(across, dtype=np.float64),
                _scores(own),
                color_of(index, len(names)),
                is_dotted=True,
                words=tuple(f"{name}: {row.score} with {row.labels}" for row in own),
            )
        )
    return _chart(series, "Labelled records" if is_counted else "Labels used, %", has_legend=True)


def _by_cost(rows: Sequence[BenchRow]) -> Sheet | None:
    most = max((row.label_fraction for row in rows), key=_order)
    own = [row for row in rows if row.latency_ms is not None and row.label_fraction == most]
    if not own:
        return None
    latency = np.array([row.latency_ms for row in own], dtype=np.float64)
    words = tuple(f"{row.method}: {row.score} at {row.latency_ms:.1f} ms" for row in own)
    tags = tuple(row.method for row in own)
    points = Series("methods", latency, _scores(own), kind="points", is_dotted=True, words=words,
                    tags=tags)  # fmt: skip
    return _chart([points], "Time for one record on one thread, ms")


def _chart(series: Sequence[Series], title: str, *, has_legend: bool = False) -> Sheet:
    across = [x for each in series for x in each.x.tolist()]
    upward = [y for each in series for y in each.y.tolist()]
    return chart(
        series,
        fitting_axis(title, across, is_log=True),
        fitting_axis("Macro AUROC", upward),
        width=150.0,
        has_legend=has_legend,
    )


def _scores(rows: Sequence[BenchRow]) -> np.ndarray:
    return np.array([np.nan if row.score.value is None else row.score.value for row in rows])


def _order(label_fraction: float) -> tuple[bool, float]:
    """Puts shares and counts in order, all labels last."""
    return label_fraction == 1, label_fraction
