"""Writes the tables of `docs/evidence.md` from the ledgers: `python -m research.pages`.

A place in the page names suites and, after a bar, what of them is shown in place of the score of
every question. Whatever stands from there to ``<!-- end -->`` is replaced::

    <!-- table: SUITE + SUITE -->
    <!-- table: SUITE | of LABEL_SET -->
    <!-- table: SUITE | metrics NAME; NAME -->
    <!-- table: SUITE | METRIC under CONDITION; CONDITION -->
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from research.comparing import Block, Cell, parts_of, table_of
from research.ledger import FIRST_ROUND, Run, ledger_path, read_ledger
from research.suites import Suite, labels_in_words
from research.tables import find_suite

PAGE = Path(__file__).parents[1] / "docs" / "evidence.md"
_PLACE = re.compile(r"(<!-- table: (.*?) -->\n).*?(<!-- end -->)", re.DOTALL)


@dataclass(frozen=True)
class Column:
    """One column of a table: a heading, and a text for every method, best first."""

    heading: str
    cells: dict[str, str]


def with_tables(page: str) -> str:
    """Returns the page with every table as its ledger has it."""
    return _PLACE.sub(lambda each: f"{each[1]}\n{markdown(each[2])}\n\n{each[3]}", page)


def markdown(what: str) -> str:
    """Returns one table, and under it the commands that print its figures."""
    names, _, view = what.partition(" | ")
    suites = [find_suite(name) for name in names.split(" + ")]
    found = {suite.name: read_ledger(ledger_path(suite.name)) for suite in suites}
    columns = [each for suite in suites for each in _columns(suite, found[suite.name], view)]
    fullest = max(columns, key=lambda each: len(each.cells))
    methods = dict.fromkeys((*fullest.cells, *(name for each in columns for name in each.cells)))
    controls = {run.method for runs in found.values() for run in runs if run.is_control}
    lines = [
        f"| method | {' | '.join(each.heading for each in columns)} |",
        "|---|" + "--:|" * len(columns),
    ]
    for name in sorted(methods, key=lambda each: each == "majority"):
        title = f"**`{name}`**" if name == suites[0].reference else f"`{name}`"
        title += " (control)" if name in controls | {"majority"} else ""
        lines.append(f"| {title} | {' | '.join(each.cells.get(name, '–') for each in columns)} |")
    flag = " --parts" if " under " in view else ""
    counts = [
        f"`python -m research {name}{flag}` ({len(runs)} runs, "
        f"{sum(run.commit == FIRST_ROUND for run in runs)} of the first round)"
        for name, runs in found.items()
    ]
    return "\n".join([*lines, "", "; ".join(counts) + "."])


def _columns(suite: Suite, runs: list[Run], view: str) -> list[Column]:
    if view.startswith("metrics "):
        names = view.removeprefix("metrics ").split("; ")
        tables = [next(iter(table_of(suite.but(metric=name), runs).values())) for name in names]
        return [
            _column(name.replace("_", " "), each) for name, each in zip(names, tables, strict=True)
        ]
    if " under " in view:
        metric, _, conditions = view.partition(" under ")
        return list(_under(suite, runs, metric, conditions.split("; ")))
    if view:
        runs = [run for run in runs if run.label_set == view.removeprefix("of ")]
    table = table_of(suite, runs)
    return [_column(_heading(suite, block), table[block]) for block in _in_order(table)]


def _under(suite: Suite, runs: list[Run], metric: str, conditions: list[str]) -> Iterable[Column]:
    """Yields what protocols measured under conditions, means over draws and seeds."""
    parts = parts_of(suite, runs)
    for condition in conditions:
        for block in _in_order(parts):
            heading = condition if len(parts) == 1 else labels_in_words(block[1], suite.label_unit)
            found = {m: each for (m, name), each in parts[block].items() if name == condition}
            yield Column(heading, {m: str(each[metric]) for m, each in found.items()})


def _in_order(blocks: Iterable[Block]) -> list[Block]:
    return sorted(blocks, key=lambda each: (each[0], each[1] == 1.0, each[1]))


def _heading(suite: Suite, block: Block) -> str:
    label_set, fraction = block
    labels = f", {labels_in_words(fraction, suite.label_unit)}" if fraction else ""
    return f"`{label_set}`{labels}"


def _column(heading: str, cells: dict[str, Cell]) -> Column:
    return Column(heading, {method: _text(cell) for method, cell in cells.items()})


def _text(cell: Cell) -> str:
    is_different = cell.p_value is not None and cell.p_value < 0.05
    is_measured = cell.beside is not None or len(cell.resamples) > 0
    runs = f" ({cell.n_runs})" if is_measured else ""
    return f"{cell.score}{runs}" + (" \\*" if is_different else "")


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
