"""Label efficiency: linear probes trained on fractions of the labels.

Axes: R records, n records, K classes.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from pydantic import Field

from medts.core.errors import ConfigError
from medts.data.recordings import Recordings
from medts.data.splits import Part, stratified_order
from medts.evaluation.comparison import fraction_name
from medts.evaluation.protocols.base import Bundle, Found, Protocol, Task
from medts.evaluation.protocols.probed import ProbedConfig


class LabelFractionConfig(ProbedConfig):
    """Settings of the protocol `label_fraction`."""

    fractions: tuple[float, ...] = Field(default=(0.01, 0.1, 1.0), min_length=1)
    """Shares of the training records that keep their labels, or numbers of records where above 1;
    the result's metrics are those of the first."""

    draws: int = Field(default=3, ge=1)
    """Subsamples of labels for each fraction; all labels are taken once."""

    unit: Literal["record", "subject"] = "record"
    """What is sampled: single records, or subjects with all their records."""


class LabelFraction(Protocol):
    """Label efficiency: probes of a frozen encoder trained on fractions of the labels.

    Each subsample orders the training records so that every prefix is stratified by class, the
    rarest covered first; fractions are prefixes of that order, hence nested, and a class without an
    example is named. The subsample with seed s is the one that ``medts train --label-fraction …
    --draw s`` trains on, so probe and fine-tuning can be compared.

    Validation keeps all its labels, as it does in the literature.
    """

    name = "label_fraction"
    Config = LabelFractionConfig

    def measure(
        self, bundle: Bundle, task: Task, config: LabelFractionConfig, *, seed: int
    ) -> Found:
        """Trains probes on the embeddings of a bundle with several amounts of labels.

        Raises:
            ConfigError: If a fraction is none of the records or more than there are.
        """
        from medts.evaluation.probing import LabelSubset, measure_probes

        train = task.training()
        counts = [n_labelled(fraction, len(train)) for fraction in config.fractions]
        everyone = np.arange(len(task.choosing()))
        orders = [
            labelled_order(task.store, train, seed + number, config.unit)
            for number in range(config.draws)
        ]
        subsets = [
            LabelSubset(
                name=f"{fraction_name(fraction)}, draw {number + 1}",
                train=np.sort(order[:count]),
                validation=everyone,
                group=fraction_name(fraction),
                seed=seed + number,
                number=number,
                label_fraction=fraction,
                notes=missing_classes(train.target[order[:count]], task.label_set.classes),
            )
            for fraction, count in zip(config.fractions, counts, strict=True)
            for number, order in enumerate(orders[:1] if count == len(train) else orders)
        ]
        return measure_probes(bundle, task, subsets, config, seed=seed)


def labelled_order(
    store: Recordings, train: Part, seed: int, unit: Literal["record", "subject"] = "record"
) -> Int[np.ndarray, "R"]:
    """Orders training records so that every prefix is a stratified subsample."""
    if unit == "record":
        return stratified_order(train.target, seed)
    people, person = np.unique(store.subject_ids[train.rows].astype(str), return_inverse=True)
    target = np.zeros((len(people), train.target.shape[1]), dtype=train.target.dtype)
    np.maximum.at(target, person, train.target)
    place = np.empty(len(people), dtype=np.int64)
    place[stratified_order(target, seed)] = np.arange(len(people))
    return np.argsort(place[person], kind="stable")


def n_labelled(fraction: float, n_records: int) -> int:
    """Returns how many records a share, or a number above 1, stands for.

    Raises:
        ConfigError: If that is none, or more than there are.
    """
    count = round(fraction * n_records) if fraction <= 1 else round(fraction)
    if not 0 < count <= n_records:
        raise ConfigError(
            f"{fraction:g} of {n_records} training records is {count}",
            field="fractions",
            remedy=f"Give a share up to 1 or a number up to {n_records}",
        )
    return count


def missing_classes(target: Float[np.ndarray, "n K"], classes: Sequence[str]) -> tuple[str, ...]:
    """Returns a note that names the classes without an example, if there are any."""
    missing = [name for name, n in zip(classes, target.sum(axis=0), strict=True) if n == 0]
    return (f"no labelled example of {', '.join(missing)}",) if missing else ()
