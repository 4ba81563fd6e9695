"""Side-by-side comparison of recipes, as plain values that need no torch.

Every recipe was trained on the same sample of records with the same seeds and measured on the same
test records, so differences to the reference recipe are paired. How they are computed is in
`medts.evaluation.pairing`.
"""

import csv
import math
from pathlib import Path
from typing import Literal

from pydantic import Field

from medts.core.config import Config
from medts.core.errors import unknown_name
from medts.core.files import write_whole
from medts.evaluation.result import Estimate, Estimates

PRIMARY = "macro_auroc"
"""Measure that tables and figures lead with."""

SMALLER_IS_BETTER = frozenset({"brier", "ece"})
"""Measures of error."""

Verdict = Literal["better", "worse", "not shown"]


class Trial(Config):
    """A recipe at one label fraction."""

    recipe: str
    """Name of the recipe."""

    label_fraction: float
    """Share of the training records whose labels were used, or their number where above 1."""


class Cell(Trial):
    """One recipe trained on one sample of the records with one seed, measured on test records."""

    seed: int
    """Seed of the weights and of the sample of records."""

    is_shuffled: bool = False
    """Whether labels were permuted before training: a control."""

    folder: str
    """Folder of its run, relative to that of the comparison."""

    prevalence: dict[str, float]
    """Share of each class among its training records."""

    thresholds: dict[str, float]
    """Operating points, chosen on validation; none for a ``single`` label set."""

    metrics: Estimates
    """Measures on the test records."""

    untrained: Estimates = Field(default_factory=dict)
    """Measures of a linear probe on the same encoder with random weights."""

    untrained_thresholds: dict[str, float] = Field(default_factory=dict)
    """Operating points of that probe."""

    seconds: float
    """Time of training and measuring."""

    notes: tuple[str, ...] = ()
    """Caveats, such as a control that could not be measured."""


class Failure(Trial):
    """A cell that could not be trained or measured."""

    seed: int
    """Seed."""

    problem: str
    """What went wrong."""


class Row(Trial):
    """One recipe at one label fraction: the mean over seeds, beside its controls."""

    n_train_records: int
    """Labelled records that it was trained on."""

    seeds: tuple[int, ...]
    """Seeds that are averaged."""

    metrics: Estimates
    """Mean over seeds; the interval covers test subjects and seeds."""

    by_seed: tuple[Estimates, ...]
    """Measures of each seed, in the order of ``seeds``."""

    controls: dict[str, Estimates]
    """The same measures for what learnt nothing, or less."""


class Difference(Trial):
    """Paired difference of a recipe to the reference at one label fraction."""

    reference: str
    """Name of the recipe that is subtracted."""

    metric: str
    """Name of the measure."""

    measure: Estimate
    """Mean difference over seeds with its paired 95 % interval by subject."""

    p_value: float | None
    """Two-sided, for no difference."""

    p_holm: float | None
    """The same after Holm's step-down correction over the recipes."""

    seeds: tuple[int, ...]
    """Seeds that both have."""

    @property
    def verdict(self) -> Verdict:
        """Better or worse only if the interval excludes zero and Holm's p-value is below 0.05."""
        low, high, p_value = self.measure.low, self.measure.high, self.p_holm
        if low is None or high is None or p_value is None or p_value >= 0.05:
            return "not shown"
        if not (low > 0 or high < 0):
            return "not shown"
        return "better" if (low > 0) != (self.metric in SMALLER_IS_BETTER) else "worse"


class Comparison(Config):
    """Recipes side by side on the same records."""

    label_set: str
    """Name of the label set."""

    recipes: tuple[str, ...]
    """Names of the recipes; the first is the reference."""

    label_fractions: tuple[float, ...]
    """Shares or numbers of labelled records."""

    folds: dict[str, tuple[str, ...]]
    """Folds that train, choose and test."""

    rows: tuple[Row, ...]
    """A row per recipe and label fraction that has a result."""

    differences: tuple[Difference, ...]
    """A difference per recipe but the reference, label fraction and measure."""

    failures: tuple[Failure, ...] = ()
    """What could not be trained or measured."""

    n_records: int
    """Test records."""

    n_subjects: int
    """Persons they belong to."""

    few_positives: tuple[str, ...] = ()
    """Classes with fewer than ten test positives; their intervals are wide."""

    data_digest: str
    """SHA-256 over ids, signals and labels of all records."""

    versions: dict[str, str]
    """Versions of medts and of what the numbers depend on."""

    synthetic: bool = False
    """True where no person was recorded."""

    notes: tuple[str, ...] = ()
    """Caveats for the reader."""

    @property
    def failed(self) -> tuple[str, ...]:
        """Recipes of which a cell failed, in their order."""
        return tuple(dict.fromkeys(each.recipe for each in self.failures))

    def row(self, recipe: str, label_fraction: float = 1.0) -> Row:
        """Returns the row of a recipe at a label fraction.

        Raises:
            UnknownNameError: If there is none.
        """
        rows = {f"{each.recipe} at {each.label_fraction:g}": each for each in self.rows}
        name = f"{recipe} at {label_fraction:g}"
        if name not in rows:
            raise unknown_name("row", name, rows)
        return rows[name]

    def difference(
        self, recipe: str, label_fraction: float = 1.0, metric: str = PRIMARY
    ) -> Difference | None:
        """Returns a recipe's difference to the reference; None for the reference itself."""
        wanted = (recipe, label_fraction, metric)
        for each in self.differences:
            if (each.recipe, each.label_fraction, each.metric) == wanted:
                return each
        return None

    def write(self, path: str | Path) -> None:
        """Writes the comparison as JSON, whole or not at all."""
        with write_whole(path) as target:
            target.write_text(self.model_dump_json(indent=1), encoding="utf-8")

    def write_csv(self, path: str | Path) -> None:
        """Writes a line per row, control and measure; whole or not at all."""
        with (
            write_whole(path) as target,
            target.open("w", encoding="utf-8", newline="") as file,
        ):
            writer = csv.writer(file)
            writer.writerow(CSV_COLUMNS)
            for row in self.rows:
                for kind, measures in {"recipe": row.metrics, **row.controls}.items():
                    for metric, measure in measures.items():
                        writer.writerow(self._csv_line(row, kind, metric, measure))

    def _csv_line(self, row: Row, kind: str, metric: str, own: Estimate) -> list[object]:
        cells: list[object] = [row.recipe, kind, f"{row.label_fraction:g}", row.n_train_records]
        cells += [len(row.seeds), metric, *_written(own.value, own.low, own.high)]
        found = None
        if kind == "recipe":
            found = self.difference(row.recipe, row.label_fraction, metric)
        if found is None:
            return cells + [""] * (len(CSV_COLUMNS) - len(cells))
        between = found.measure
        numbers = (between.value, between.low, between.high, found.p_value, found.p_holm)
        return [*cells, *_written(*numbers), found.verdict]


CSV_COLUMNS = (
    "recipe", "kind", "label_fraction", "n_train_records", "n_seeds", "metric", "value", "low",
    "high", "difference", "difference_low", "difference_high", "p_value", "p_holm", "verdict",
)  # fmt: skip
"""Columns of ``compare.csv``; ``kind`` is ``recipe`` or the name of a control."""


def fraction_name(fraction: float) -> str:
    """Returns a label fraction in words.

    >>> fraction_name(0.1), fraction_name(200)
    ('10 % of labels', '200 labelled records')
    """
    return f"{fraction:.4g} labelled records" if fraction > 1 else f"{100 * fraction:g} % of labels"


def _written(*numbers: float | None) -> list[str]:
    return ["" if x is None or not math.isfinite(x) else f"{x:.6g}" for x in numbers]
