"""External validation: predictions mapped to the classes of another corpus's label set.

Axes: R records, K target classes, S source classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from medts.core.errors import MedtsError, unknown_name
from medts.core.labels import LabelSet
from medts.data.ontology import map_labels
from medts.evaluation.head_predictions import NEVER, own_set, predict_own
from medts.evaluation.protocols.transfer import TransferConfig
from medts.evaluation.scoring import Found, Scored, score
from medts.evaluation.task import Task, only_classes
from medts.inference.bundle import Bundle

ClassMap = dict[str, tuple[str, ...]]
"""For each target class the source classes that mean it or something narrower."""


def run(model: Bundle, task: Task, settings: TransferConfig, *, seed: int) -> Found:
    """External validation of a model on another corpus's label set.

    Raises:
        UnknownNameError: If the mapping names a class that is not there.
        MedtsError: If no class, or no record, of the target has a counterpart.
    """
    source, target = own_set(model, task), task.label_set
    mapping = check_mapping(settings.mapping, source, target) or class_map(source, target)
    if not mapping:
        raise MedtsError(
            f"no class of {target.name} has a counterpart in {source.name}",
            field="label_set",
            remedy="Give a mapping from target class to source classes",
        )
    own = only_classes(task, list(mapping))
    label_set, test, n_outside = own.label_set, own.test, len(task.test) - len(own.test)
    if not len(test):
        raise MedtsError("no test record has a class with a counterpart", field="label_set")
    predicted = predict_own(model, own, test.rows, source)
    thresholds, notes = _thresholds(model, source, mapping, label_set)
    shares = model.prevalence(source)
    prevalence = np.array([[shares[name] for name in source.classes]])
    scored = Scored(
        store=task.store,
        label_set=label_set,
        test=test,
        probability=carry_over(predicted, source, label_set, mapping),
        thresholds=thresholds,
        prevalence=carry_over(prevalence, source, label_set, mapping)[0],
    )
    notes += describe_map(mapping, source, target)
    if n_outside:
        notes += (f"{n_outside} test records of classes without counterpart were left out",)
    return replace(score(scored), settings={"used_mapping": mapping}, notes=notes)


def class_map(source: LabelSet, target: LabelSet) -> ClassMap:
    """Returns for each target class the source classes that mean it, by the ontology.

    Raises:
        MedtsError: If two target classes fit a source class equally well.
    """
    found: ClassMap = {}
    for name, counterpart in map_labels(source, target).items():
        found[counterpart] = (*found.get(counterpart, ()), name)
    return found


def check_mapping(
    mapping: Mapping[str, Sequence[str]], source: LabelSet, target: LabelSet
) -> ClassMap:
    """Returns a caller's mapping, once every name in it is known.

    Raises:
        UnknownNameError: If one is not.
    """
    for name, sources in mapping.items():
        if name not in target.classes:
            raise unknown_name(f"class of {target.name}", name, target.classes)
        for each in sources:
            if each not in source.classes:
                raise unknown_name(f"class of {source.name}", each, source.classes)
    return {name: tuple(sources) for name, sources in mapping.items() if sources}


def carry_over(
    probability: Float[np.ndarray, "R S"],
    source: LabelSet,
    target: LabelSet,
    mapping: Mapping[str, Sequence[str]],
) -> Float[np.ndarray, "R K"]:
    """Returns target probabilities: of each class the largest among its source classes."""
    place = {name: s for s, name in enumerate(source.classes)}
    columns = [[place[each] for each in mapping[name]] for name in target.classes]
    return np.stack([probability[:, each].max(axis=1) for each in columns], axis=1)


def describe_map(
    mapping: Mapping[str, Sequence[str]], source: LabelSet, target: LabelSet
) -> tuple[str, ...]:
    """Lists which source classes stand for which target class, and which have no counterpart."""
    pairs = "; ".join(f"{name} ← {' or '.join(each)}" for name, each in mapping.items())
    used = {name for each in mapping.values() for name in each}
    lost = [name for name in target.classes if name not in mapping]
    idle = [name for name in source.classes if name not in used]
    notes = [f"classes of {target.name} and of the model: {pairs}"]
    if lost:
        notes.append(f"without counterpart in {source.name}: {', '.join(lost)}")
    if idle:
        notes.append(f"classes of the model that were not used: {', '.join(idle)}")
    return tuple(notes)


def _thresholds(
    model: Bundle, source: LabelSet, mapping: ClassMap, target: LabelSet
) -> tuple[Float[np.ndarray, "K"] | None, tuple[str, ...]]:
    if target.kind == "single":
        return None, ()
    if source.kind == "single":
        note = "the model decides for the likeliest class and has no thresholds: one half is taken"
        return np.full(len(target), 0.5), (note,)
    own = model.thresholds(source)
    return np.array(
        [max(own.get(each, NEVER) for each in mapping[name]) for name in target.classes]
    ), ()
