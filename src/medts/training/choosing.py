"""Operating points: decision thresholds of classes, chosen on the validation records of a run.

Axes: R records, K classes.
"""

import numpy as np

from medts.core.labels import OperatingPoint
from medts.inference.bundle import Bundle
from medts.inference.stored import predict_store
from medts.metrics.thresholds import choose_thresholds
from medts.training.material import Labelled, Material


def operating_points(
    bundle: Bundle, labelled: Labelled, material: Material
) -> dict[str, OperatingPoint]:
    """Chooses the threshold of every class of a ``multi`` label set on validation records.

    Other kinds of label sets have no thresholds. A class without a training record gets none, so
    that it is never stated.
    """
    label_set = labelled.label_set
    if label_set.kind != "multi":
        return {}
    rows = labelled.validation.rows.tolist()
    probability = predict_store(bundle, material.store, rows, label_set=label_set)
    probability, classes = probability.astype(np.float64), label_set.classes
    chosen = choose_thresholds(labelled.validation.target, probability, classes)
    corpus = label_set.name.split("/")[0]
    split_name = f"validation: {corpus} {', '.join(labelled.validation.folds)}"
    rule = dict.fromkeys(classes, chosen.rule)
    rule |= dict.fromkeys(chosen.fallback_classes, "one half, for want of positives or negatives")
    return {
        name: OperatingPoint(threshold=float(threshold), rule=rule[name], split=split_name)
        for name, threshold in zip(classes, chosen.values, strict=True)
        if labelled.prevalence[name] > 0
    }
