"""Calibration: errors before and after temperature scaling, reliability, conformal prediction.

Axes: R records, K classes, N resamples.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Shaped
from scipy.special import expit, softmax
from scipy.stats import norm

from medts.data.splits import Part
from medts.evaluation.answers import answer, own_set, probabilities
from medts.evaluation.protocols.calibration import CalibrationConfig
from medts.evaluation.result import Condition, Measure, Measures
from medts.evaluation.scoring import Found, Scored, score
from medts.evaluation.task import Task
from medts.inference.bundle import Bundle
from medts.metrics.bootstrap import bootstrap_blocks
from medts.metrics.calibration import (
    Binning,
    fit_temperature,
    reliability,
    scale_logits,
)
from medts.metrics.checks import subject_index
from medts.metrics.conformal import fit_labels, fit_sets
from medts.metrics.intervals import proportion_interval, subject_counts, wilson_interval
from medts.metrics.scores import Kind

_LEAST_PROBABILITY = 1e-12


@dataclass(frozen=True)
class Statements:
    """What calibration is judged by: one statement per record, or one per record and class.

    Args:
        probability: With which each statement was made.
        is_true: Whether it held.
    """

    probability: Float[np.ndarray, "R k"]
    is_true: Bool[np.ndarray, "R k"]


def run(model: Bundle, task: Task, settings: CalibrationConfig, *, seed: int) -> Found:
    """Measures calibration before and after temperature scaling, and conformal answers.

    Raises:
        ConfigError: If the task has no validation records.
        MedtsError: If the model answers other classes than the task asks.
    """
    chosen = task.choosing()
    scored, kind = answer(model, task), task.label_set.class_kind
    own = own_set(model, task)
    columns = [own.classes.index(name) for name in task.label_set.classes]
    known = probabilities(model, task, chosen.rows)[:, columns]
    temperature = fit_temperature(chosen.target, logits_of(known, kind), kind)
    answers = {
        "as the model gives them": scored.probability,
        "temperature from validation": rescale(scored.probability, temperature, kind),
    }
    before, after = _before_and_after(scored, list(answers.values()), settings, seed)
    after |= {"temperature": Measure(value=temperature)}
    conditions = [
        Condition(name=name, metrics=measures, n_records=len(scored.test))
        for name, measures in zip(answers, (before, after), strict=True)
    ]
    for name, probability in answers.items():
        conditions += _curve(name, scored, probability, settings)
    # Records of one subject are not exchangeable with those of another: the first one counts.
    _, first = np.unique(task.store.subject_ids[chosen.rows], return_index=True)
    for error_rate in settings.error_rates:
        limits = chosen.target[first], known[first], error_rate
        conditions.append(_sets(scored, *limits) if kind == "single" else _labels(scored, *limits))
    found = score(scored)
    ignorant = {
        "majority": replace(scored, probability=np.tile(scored.prevalence, (len(scored.test), 1))),
        "label_shuffle": replace(scored, test=_shuffled(scored.test, seed)),
    }
    plain = np.ones((1, len(scored.test)))
    controls = {
        name: found.controls[name]
        | {
            measure: Measure(value=float(value[0]))
            for measure, value in _weighted_scores(each, each.probability, plain, settings).items()
        }
        for name, each in ignorant.items()
    }
    return replace(
        found,
        metrics=found.metrics | before,
        controls=found.controls | controls,
        conditions=tuple(conditions),
    )


def _shuffled(part: Part, seed: int) -> Part:
    order = np.random.default_rng(seed).permutation(len(part))
    return replace(part, target=part.target[order])


def logits_of(probability: Float[np.ndarray, "R K"], kind: Kind) -> Float[np.ndarray, "R K"]:
    """Returns logits that give these probabilities back."""
    likely = np.clip(probability, _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)
    return np.log(likely) if kind == "single" else np.log(likely) - np.log1p(-likely)


def rescale(
    probability: Float[np.ndarray, "R K"], temperature: float, kind: Kind
) -> Float[np.ndarray, "R K"]:
    """Returns the probabilities whose logits are divided by a temperature."""
    logits = scale_logits(logits_of(probability, kind), temperature)
    return softmax(logits, axis=1) if kind == "single" else expit(logits)


def statements(
    target: Float[np.ndarray, "R K"], probability: Float[np.ndarray, "R K"], kind: Kind
) -> Statements:
    """Returns what is judged: the decided class of a ``single`` set, every class of a ``multi``."""
    if kind == "multi":
        return Statements(probability, target > 0.5)
    decided = probability.argmax(axis=1)[:, None]
    is_true = np.take_along_axis(target, decided, axis=1) > 0.5
    return Statements(np.take_along_axis(probability, decided, axis=1), is_true)


def weighted_error(
    made: Statements, weights: Float[np.ndarray, "N R"], n_bins: int, binning: Binning
) -> Float[np.ndarray, "N"]:
    """Expected calibration error under weights of the records, in bins that do not move.

    With all weights 1 it is what `medts.metrics.calibration.calibration_error` gives.
    """
    errors = []
    for probability, is_true in zip(made.probability.T, made.is_true.T, strict=True):
        inner = np.linspace(0, 1, n_bins + 1)[1:-1]
        if binning == "mass":
            inner = np.unique(np.quantile(probability, inner))
        gap = np.zeros((len(probability), len(inner) + 1))
        place = np.searchsorted(inner, probability, side="left")
        gap[np.arange(len(place)), place] = probability - is_true
        errors.append(np.abs(weights @ gap).sum(axis=1) / weights.sum(axis=1))
    return np.mean(errors, axis=0)


def _weighted_scores(
    scored: Scored,
    probability: Float[np.ndarray, "R K"],
    weights: Float[np.ndarray, "N R"],
    settings: CalibrationConfig,
) -> dict[str, Float[np.ndarray, "N"]]:
    target, kind = scored.test.target, scored.label_set.class_kind
    logits = logits_of(probability, kind)
    if kind == "single":
        surprise = -(target * logits).sum(axis=1)
    else:
        surprise = np.logaddexp(0, np.where(target > 0.5, -logits, logits)).sum(axis=1)
    made = statements(target, probability, kind)
    return {
        "calibration_error": weighted_error(made, weights, settings.n_bins, settings.binning),
        "negative_log_likelihood": weights @ surprise / weights.sum(axis=1),
    }


def _before_and_after(
    scored: Scored,
    answers: Sequence[Float[np.ndarray, "R K"]],
    settings: CalibrationConfig,
    seed: int,
) -> tuple[Measures, Measures]:
    """Measures both answers and, beside the second, what it gained; the same resamples for all."""

    def compute(weights: Float[np.ndarray, "N R"]) -> list[dict[str, Float[np.ndarray, "N"]]]:
        first, second = (_weighted_scores(scored, each, weights, settings) for each in answers)
        gain = {f"{name}_difference": second[name] - first[name] for name in first}
        return [first, second | gain]

    plain = compute(np.ones((1, len(scored.test))))
    blocks = [
        compute(weights)
        for weights in bootstrap_blocks(scored.subjects, settings.n_resamples, seed)
    ]
    before, after = (
        {
            name: _measure(name, value[0], np.concatenate([block[i][name] for block in blocks]))
            for name, value in plain[i].items()
        }
        for i in range(2)
    )
    return before, after


def _measure(name: str, value: float, resamples: Float[np.ndarray, "N"]) -> Measure:
    """Normal interval with the bootstrap's standard error: quantiles would inherit its bias."""
    reach = float(norm.ppf(0.975) * resamples.std(ddof=1))
    least = -np.inf if name.endswith("_difference") else 0.0
    return Measure(value=float(value), low=max(least, value - reach), high=value + reach)


def _curve(
    name: str,
    scored: Scored,
    probability: Float[np.ndarray, "R K"],
    settings: CalibrationConfig,
) -> list[Condition]:
    """Returns the reliability curve over all statements, a condition per bin."""
    made = statements(scored.test.target, probability, scored.label_set.class_kind)
    is_true, likely = made.is_true.ravel(), made.probability.ravel()
    curve = reliability(is_true, likely, settings.n_bins, settings.binning)
    bins = zip(curve.probability, curve.observed, curve.count, strict=True)
    conditions = []
    for i, (predicted, observed, count) in enumerate(bins):
        interval = wilson_interval(float(observed), int(count))
        metrics = {
            "probability": Measure(value=float(predicted)),
            "observed": Measure(value=float(observed), low=interval.low, high=interval.high),
            "n_statements": Measure(value=int(count)),
        }
        conditions.append(
            Condition(
                name=f"reliability, {name}, bin {i + 1}",
                metrics=metrics,
                n_records=len(scored.test),
            )
        )
    return conditions


def _sets(
    scored: Scored,
    target: Float[np.ndarray, "V K"],
    probability: Float[np.ndarray, "V K"],
    error_rate: float,
) -> Condition:
    """Calibrates sets of possible classes on one record per subject, and counts on test."""
    is_possible = fit_sets(target, probability, error_rate)(scored.probability)
    everyone = np.ones((len(is_possible), 1))
    is_held = (scored.test.target * is_possible).sum(axis=1, keepdims=True)
    size = is_possible.sum(axis=1)
    metrics = {
        "coverage": _share(is_held, everyone, scored),
        "set_size": Measure(value=float(size.mean())),
        "decided": _share((size == 1)[:, None], everyone, scored),
    }
    name = f"conformal sets that hold the class in {1 - error_rate:.0%}"
    return Condition(name=name, metrics=metrics, n_records=len(scored.test))


def _labels(
    scored: Scored,
    target: Float[np.ndarray, "V K"],
    probability: Float[np.ndarray, "V K"],
    error_rate: float,
) -> Condition:
    """Calibrates for each class whether it can be ruled in or out, and counts on test."""
    limits = fit_labels(target, probability, error_rate)
    can_be = limits.can_be_present(scored.probability)
    can_lack = limits.can_be_absent(scored.probability)
    has = np.greater(scored.test.target, 0.5)
    metrics = {
        "coverage_present": _share(np.logical_and(can_be, has), has, scored),
        "coverage_absent": _share(np.logical_and(can_lack, ~has), ~has, scored),
        "decided": _share(np.logical_xor(can_be, can_lack), np.ones(has.shape), scored),
    }
    undetermined = [
        name
        for name, low in zip(scored.label_set.classes, limits.present_from, strict=True)
        if not np.isfinite(low)
    ]
    return Condition(
        name=f"conformal labels that hold the truth in {1 - error_rate:.0%}",
        metrics=metrics,
        n_records=len(scored.test),
        notes=(f"too few positives to rule out: {', '.join(undetermined)}",)
        if undetermined
        else (),
    )


def _share(
    is_counted: Shaped[np.ndarray, "R k"], is_case: Shaped[np.ndarray, "R k"], scored: Scored
) -> Measure:
    """Returns a share of cases with an interval over subjects."""
    subject = subject_index(scored.subjects, len(scored.test))
    cases = subject_counts(is_case, subject).sum(axis=1)
    if not cases.sum():
        return Measure(value=None)
    found = proportion_interval(subject_counts(is_counted, subject).sum(axis=1), cases)
    return Measure(value=found.value, low=found.low, high=found.high)
