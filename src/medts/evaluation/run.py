"""Runs a protocol: leak check, device, timing, predictions on disk, provenance of the result."""

import time
from dataclasses import replace

from medts.core.config import Config
from medts.core.errors import ConfigError
from medts.core.versions import versions
from medts.data.splits import describe
from medts.evaluation.files import write_predictions
from medts.evaluation.head_predictions import head_origin
from medts.evaluation.protocols.base import Protocol
from medts.evaluation.result import Result, Splits
from medts.evaluation.scoring import Found
from medts.evaluation.task import Origin, Task, origin_of
from medts.inference.bundle import Bundle
from medts.inference.stored import on_device


def run_protocol(
    name: str, bundle: Bundle, task: Task, config: Config | None = None, *, seed: int = 0
) -> Result:
    """Measures a model by a protocol.

    Args:
        name: Of the protocol.
        bundle: Encoder, with its head where it has one.
        task: Records; where it has a folder, ``predictions.parquet`` is written there.
        config: Settings of the protocol; its defaults if None.
        seed: Of whatever the protocol samples.

    Raises:
        UnknownNameError: If there is no such protocol.
        ConfigError: If the settings are those of another protocol, it measures no such label set,
            or the task lacks a part.
        LeakError: If the model has seen test records and the task does not allow it.
    """
    started, protocol = time.monotonic(), Protocol.find(name)
    config = protocol.Config() if config is None else config
    if not isinstance(config, protocol.Config):
        raise ConfigError(
            f"{type(config).__name__} are not the settings of the protocol {name!r}",
            field="settings",
            remedy=f"Give a {protocol.Config.__name__}",
        )
    if task.label_set.has_numbers and not protocol.takes_numbers:
        raise ConfigError(
            f"the protocol {name!r} measures classes, and {task.label_set.name} has numbers",
            field="protocol",
            remedy="Use held_out",
        )
    leaks = task.check(bundle)
    with on_device(bundle, task.compute):
        found = protocol().measure(bundle, task, config, seed=seed)
    if task.out is not None and found.predictions:
        write_predictions(task.out, name, found.predictions)
    measured = found.task or task
    seed = seed if found.seed is None else found.seed
    origin = (head_origin if found.uses_head else origin_of)(bundle, measured, name, seed=seed)
    found = replace(
        found,
        settings=config.model_dump(mode="json", exclude={"cache"}) | found.settings,
        notes=(*leaks, *found.notes, *origin.notes),
    )
    return as_result(found, measured, origin, seconds=time.monotonic() - started)


def as_result(found: Found, task: Task, origin: Origin, *, seconds: float) -> Result:
    """Returns what was found with the model, records, versions and time it came from."""
    store = task.store
    rows = found.test.rows if found.rows is None else found.rows
    cards = {str(each): store.corpora[each].card for each in set(store.corpus_of_row[rows])}
    caveats = [f"{each}: {card.caveat}" for each, card in sorted(cards.items()) if card.caveat]
    return Result(
        metrics=found.metrics,
        per_class=found.per_class,
        controls=found.controls,
        conditions=found.conditions,
        n_records=len(rows),
        n_subjects=len(set(store.subject_ids[rows])),
        excluded_classes=found.excluded_classes,
        few_positives=found.few_positives,
        excluded_records=found.excluded_records,
        thresholds=found.thresholds,
        splits=Splits(**{**origin.splits, "test": describe(store, found.test)}),
        label_set=found.label_set.name,
        protocol=origin.protocol,
        recipe=origin.recipe,
        tuning_trials=origin.tuning_trials,
        settings=found.settings,
        seed=origin.seed,
        data_digest=store.digest(rows, found.label_set.name if found.has_labels else None),
        bundle_digest=origin.bundle_digest,
        versions=versions(),
        seconds=seconds,
        synthetic=any(card.synthetic for card in cards.values()),
        notes=(*found.notes, *caveats),
    )
