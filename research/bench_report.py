"""The page of a benchmark: tables with intervals and tests, label efficiency, score against cost.

It is given plain rows and draws them; what a row means is decided where the benchmark is run.
What did not run stands on the page too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medts.core.files import write_whole
from medts.evaluation.curves import color_of
from medts.evaluation.page import Section, badge, forest, forest_axis, page, plot, table, text
from medts.evaluation.page import measure_cell as cell
from medts.evaluation.result import Measure


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
    sections = []
    for label_set in dict.fromkeys(row.label_set for row in rows):
        own = [row for row in rows if row.label_set == label_set]
        sections += [_tables(label_set, own, reference), _curves(label_set, own)]
        if any(row.latency_ms is not None for row in own):
            sections.append(_cost(label_set, own))
    if notes:
        body = [[text(part) for part in note] for note in notes]
        sections.append(
            Section("notes", "Notes", table(["Labels", "Method", "Note"], body, numbers_from=3))
        )
    sections += [_provenance(rows, command), _skipped(skipped)]
    banner = '<p class="banner">Synthetic recordings: says nothing about patients.</p>'
    html = page(f"Benchmark {name}", sections, top=banner if synthetic else "")
    with write_whole(path) as target:
        target.write_text(html, encoding="utf-8")


def _tables(label_set: str, rows: Sequence[BenchRow], reference: str) -> Section:
    start = 0.4
    head = ["Method", "Macro AUROC", forest_axis(start), "Runs", f"Minus {text(reference)}", "p"]
    parts = []
    for fraction in sorted({row.label_fraction for row in rows}, key=_order):
        own = [row for row in rows if row.label_fraction == fraction]
        own.sort(key=lambda row: -(row.score.value or 0.0))
        body = [
            [
                text(row.method) + (badge("control") if row.is_control else ""),
                cell(row.score),
                forest(row.score, start),
                str(row.n_runs),
                cell(row.difference) if row.difference else "",
                _p_value(row.p_value),
            ]
            for row in own
        ]
        parts.append(f"<h3>{text(own[0].labels.capitalize())}</h3>{table(head, body)}")
    note = (
        "<p>Mean over runs; the interval holds the spread of test subjects, draws of the labelled "
        "records and seeds, or of test subjects alone where there is one run. Differences are on "
        "the same resampled subjects, with p-values after Holm's correction.</p>"
    )
    return Section(f"table-{_anchor(label_set)}", label_set, note + "".join(parts))


def _curves(label_set: str, rows: Sequence[BenchRow]) -> Section:
    rows = [row for row in rows if row.recipe_digest]
    names = list(dict.fromkeys(row.method for row in rows))
    is_counted = all(row.n_labelled is not None for row in rows)
    traces: list[dict[str, Any]] = []
    for index, name in enumerate(names):
        own = sorted(
            (r for r in rows if r.method == name), key=lambda row: _order(row.label_fraction)
        )
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": name,
                "x": [row.n_labelled if is_counted else 100 * row.label_fraction for row in own],
                "y": [row.score.value for row in own],
                "line": {"color": color_of(index, len(names))},
                "text": [row.labels for row in own],
                "hovertemplate": name + ": %{y:.3f} with %{text}<extra></extra>",
            }
        )
    layout = {
        "xaxis": {
            "title": {"text": "Labelled records" if is_counted else "Labels used, %"},
            "type": "log",
        },
        "yaxis": {"title": {"text": "Macro AUROC"}},
        "showlegend": True,
    }
    anchor = f"labels-{_anchor(label_set)}"
    figure = plot(anchor, {"data": traces, "layout": layout}, "Score by share of labels.")
    return Section(f"{anchor}-section", f"Label efficiency, {label_set}", figure)


def _cost(label_set: str, rows: Sequence[BenchRow]) -> Section:
    most = max((row.label_fraction for row in rows), key=_order)
    own = [row for row in rows if row.latency_ms is not None and row.label_fraction == most]
    trace = {
        "type": "scatter",
        "mode": "markers+text",
        "text": [row.method for row in own],
        "textposition": "top center",
        "x": [row.latency_ms for row in own],
        "y": [row.score.value for row in own],
        "hovertemplate": "%{text}: %{y:.3f} at %{x:.1f} ms<extra></extra>",
    }
    layout = {
        "xaxis": {"title": {"text": "Time for one record on one thread, ms"}, "type": "log"},
        "yaxis": {"title": {"text": "Macro AUROC"}},
        "showlegend": False,
    }
    anchor = f"cost-{_anchor(label_set)}"
    figure = plot(anchor, {"data": [trace], "layout": layout}, "Score against time.")
    return Section(f"{anchor}-section", f"Score and latency, {label_set}", figure)


def _provenance(rows: Sequence[BenchRow], command: str) -> Section:
    head = ["Method", "Labels", "Recipe", "Test data"]
    body = [
        [
            text(row.method),
            f"{text(row.label_set)}, {text(row.labels)}",
            f"<code>{row.recipe_digest[:12]}</code>",
            f"<code>{row.data_digest[:12]}</code>",
        ]
        for row in rows
        if row.recipe_digest
    ]
    made = f"<p>Made by <code>{text(command)}</code></p>" if command else ""
    return Section("provenance", "Provenance", made + table(head, body, numbers_from=4))


def _skipped(skipped: Sequence[tuple[str, str]]) -> Section:
    if not skipped:
        return Section("skipped", "Skipped", "<p>Nothing: every job has run.</p>")
    body = [[text(name), text(reason)] for name, reason in skipped]
    return Section("skipped", "Skipped", table(["Job", "Reason"], body, numbers_from=2))


def _p_value(p_value: float | None) -> str:
    if p_value is None:
        return ""
    return "&lt; 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def _order(label_fraction: float) -> tuple[bool, float]:
    """Puts shares and counts in order, all labels last."""
    return label_fraction == 1, label_fraction


def _anchor(name: str) -> str:
    return name.replace("/", "-")
