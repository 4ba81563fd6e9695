"""Protocol `fine_tune`: a bundle as it is, on test folds that it has never met.

Thresholds come from the bundle, which chose them on validation; the test records are scored once.

Axes: K classes.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from medts.data.splits import take_part
from medts.data.store import Store
from medts.evaluation.files import write_evaluation
from medts.evaluation.leaks import refuse_leaks
from medts.evaluation.result import Result
from medts.evaluation.scoring import Origin, Scored, score
from medts.inference.bundle import Bundle, bundle_digest, load_bundle
from medts.inference.predictor import predict_store


def evaluate(
    model: str | Path,
    store: Store,
    *,
    folds: Sequence[str],
    out: str | Path,
    allow_leak: bool = False,
    command: str = "",
) -> Result:
    """Measures a bundle on the test folds and writes its report.

    Args:
        model: Bundle, or run folder.
        store: Where the test records are.
        folds: Test folds; none of them may have trained or selected the model.
        out: Folder for ``metrics.json``, ``predictions.parquet`` and ``report.html``.
        allow_leak: Goes on in spite of a leak, and says so in the result.
        command: Command line to print in the report.

    Raises:
        LeakError: If the model has seen test records.
        StoreError: If no test record has a label of the set.
    """
    started = time.monotonic()
    bundle = load_bundle(model)
    label_set, provenance = bundle.label_set, bundle.provenance
    test = take_part(store, label_set.name, folds)
    notes = refuse_leaks(provenance, store, test.rows, folds, allow_leak=allow_leak)
    scored = Scored(
        store=store,
        label_set=label_set,
        test=test,
        probability=predict_store(bundle, store, test.rows.tolist()).astype(np.float64),
        thresholds=thresholds_of(bundle),
        prevalence=np.array([provenance.prevalence[name] for name in label_set.classes]),
    )
    origin = Origin(
        protocol="fine_tune",
        recipe=provenance.recipe,
        seed=provenance.seed,
        bundle_digest=bundle_digest(model),
        splits=dict(provenance.splits),
        tuning_trials=provenance.settings["recipe"]["tuning_trials"],
        notes=notes,
    )
    result = score(scored, origin, seconds=time.monotonic() - started)
    write_evaluation(Path(out), result, scored, model=model, command=command)
    return result


def thresholds_of(bundle: Bundle) -> Float[np.ndarray, "K"] | None:
    """Returns the bundle's operating points in the order of its classes."""
    if bundle.label_set.kind == "single":
        return None
    return np.array([bundle.thresholds[name] for name in bundle.label_set.classes])
