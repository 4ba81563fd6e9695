"""Calibration: ECE and reliability before and after temperature scaling, conformal prediction.

Axes: R records, K classes, N resamples.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Shaped
from scipy.special import expit, softmax

from medts.data.splits import Part
from medts.evaluation.controls import majority
from medts.evaluation.head_predictions import predict_rows, predict_test
from medts.evaluation.protocols.calibration import CalibrationConfig
from medts.evaluation.result import Condition, Estimate, Estimates
from medts.evaluation.scoring import Found, Scored, score
from medts.evaluation.task import Task
from medts.inference.bundle import Bundle
from medts.metrics.bootstrap import bootstrap_blocks
from medts.metrics.calibration import (
    calibration_error,
    fit_temperature,
    judged_decisions,
    log_losses,
    reliability,
    scale_logits,
)
from medts.metrics.checks import subject_index
from medts.metrics.conformal import fit_labels, fit_sets
from medts.metrics.intervals import Z, proportion_interval, subject_counts, wilson_interval
from medts.metrics.scores import Kind

_LEAST_PROBABILITY = 1e-12


def run(model: Bundle, task: Task, settings: CalibrationConfig, *, seed: int) -> Found:
    """Measures calibration before and after temperature scaling, and conformal predictions.

    Raises:
        ConfigError: If the task has no validation records.
        MedtsError: If the model predicts other classes than the task's.
    """
    chosen = task.choosing()
    scored, kind = predict_test(model, task), task.label_set.class_kind
    known = predict_rows(model, task, chosen.rows)
    temperature = fit_temperature(chosen.target, logits_of(known, kind), kind)
    predicted = {
        "as the model gives them": scored.probability,
        "temperature from validation": rescale(scored.probability, temperature, kind),
    }
    before, after = _before_and_after(scored, list(predicted.values()), settings, seed)
    after |= {"temperature": Estimate(value=temperature)}
    conditions = [
        Condition(name=name, metrics=metrics, n_records=len(scored.test))
        for name, metrics in zip(predicted, (before, after), strict=True)
    ]
    for name, probability in predicted.items():
        conditions += _curve(name, replace(scored, probability=probability), settings)
    # Records of one subject are not exchangeable with those of another: the first one counts.
    _, first = np.unique(task.store.subject_ids[chosen.rows], return_index=True)
    for error_rate in settings.error_rates:
        limits = chosen.target[first], known[first], error_rate
        conditions.append(_sets(scored, *limits) if kind == "single" else _labels(scored, *limits))
    found = score(scored)
    without_signal = {
        "majority": majority(scored),
        "label_shuffle": replace(scored, test=_shuffled(scored.test, seed)),
    }
    everyone = np.ones((1, len(scored.test)))
    controls = {
        name: found.controls[name]
        | {
            metric: Estimate(value=float(value[0]))
            for metric, value in _weighted_scores(each, everyone, settings).items()
        }
        for name, each in without_signal.items()
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
    """Temperature scaling: the probabilities whose logits are divided by a temperature."""
    logits = scale_logits(logits_of(probability, kind), temperature)
    return softmax(logits, axis=1) if kind == "single" else expit(logits)


def _weighted_scores(
    scored: Scored, weights: Float[np.ndarray, "N R"], settings: CalibrationConfig
) -> dict[str, Float[np.ndarray, "N"]]:
    target, probability = scored.test.target.astype(float), scored.probability
    kind = scored.label_set.class_kind
    loss = log_losses(target, logits_of(probability, kind), kind)
    return {
        "calibration_error": calibration_error(target, probability, kind, settings.n_bins, weights),
        "negative_log_likelihood": weights @ loss / weights.sum(axis=1),
    }


def _before_and_after(
    scored: Scored,
    predicted: Sequence[Float[np.ndarray, "R K"]],
    settings: CalibrationConfig,
    seed: int,
) -> tuple[Estimates, Estimates]:
    """Measures both and, beside the second, the difference; the same resamples for all."""
    versions = [replace(scored, probability=each) for each in predicted]

    def compute(weights: Float[np.ndarray, "N R"]) -> list[dict[str, Float[np.ndarray, "N"]]]:
        first, second = (_weighted_scores(each, weights, settings) for each in versions)
        gain = {f"{name}_difference": second[name] - first[name] for name in first}
        return [first, second | gain]

    plain = compute(np.ones((1, len(scored.test))))
    blocks = [
        compute(weights)
        for weights in bootstrap_blocks(scored.subjects, settings.n_resamples, seed)
    ]
    before, after = (
        {
            name: _estimate(name, value[0], np.concatenate([block[i][name] for block in blocks]))
            for name, value in plain[i].items()
        }
        for i in range(2)
    )
    return before, after


def _estimate(name: str, value: float, resamples: Float[np.ndarray, "N"]) -> Estimate:
    """Normal interval with the bootstrap's standard error: quantiles would inherit its bias."""
    reach = float(Z * resamples.std(ddof=1))
    least = -np.inf if name.endswith("_difference") else 0.0
    return Estimate(value=float(value), low=max(least, value - reach), high=value + reach)


def _curve(name: str, scored: Scored, settings: CalibrationConfig) -> list[Condition]:
    """Returns the reliability curve over all decisions, a condition per bin."""
    decisions = judged_decisions(
        scored.test.target, scored.probability, scored.label_set.class_kind
    )
    is_true, probability = (each.ravel() for each in decisions)
    curve = reliability(is_true, probability, settings.n_bins)
    bins = zip(curve.probability, curve.observed, curve.count, strict=True)
    return [
        Condition(
            name=f"reliability, {name}, bin {i}",
            metrics={
                "probability": Estimate(value=float(predicted)),
                "observed": Estimate.of(wilson_interval(float(observed), int(count))),
                "n_statements": Estimate(value=int(count)),
            },
            n_records=len(scored.test),
        )
        for i, (predicted, observed, count) in enumerate(bins, start=1)
    ]


def _sets(
    scored: Scored,
    target: Float[np.ndarray, "V K"],
    probability: Float[np.ndarray, "V K"],
    error_rate: float,
) -> Condition:
    """Conformal sets of a ``single`` label set, calibrated on one record per subject."""
    is_possible = fit_sets(target, probability, error_rate)(scored.probability)
    everyone = np.ones((len(is_possible), 1))
    is_held = (scored.test.target * is_possible).sum(axis=1, keepdims=True)
    size = is_possible.sum(axis=1)
    metrics = {
        "coverage": _share(is_held, everyone, scored),
        "set_size": Estimate(value=float(size.mean())),
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
    """Label-conditional conformal prediction of a ``multi`` set: each class in, out or open."""
    limits = fit_labels(target, probability, error_rate)
    can_be = limits.can_be_present(scored.probability)
    can_lack = limits.can_be_absent(scored.probability)
    has = np.greater(scored.test.target, 0.5)
    is_open = ~np.isfinite(limits.present_from)
    names = ", ".join(np.array(scored.label_set.classes)[is_open].tolist())
    return Condition(
        name=f"conformal labels that hold the truth in {1 - error_rate:.0%}",
        metrics={
            "coverage_present": _share(np.logical_and(can_be, has), has, scored),
            "coverage_absent": _share(np.logical_and(can_lack, ~has), ~has, scored),
            "decided": _share(np.logical_xor(can_be, can_lack), np.ones(has.shape), scored),
        },
        n_records=len(scored.test),
        notes=(f"too few positives to rule out: {names}",) if names else (),
    )


def _share(
    is_counted: Shaped[np.ndarray, "R k"], is_case: Shaped[np.ndarray, "R k"], scored: Scored
) -> Estimate:
    """Returns a share of cases with an interval over subjects."""
    subject = subject_index(scored.subjects, len(scored.test))
    cases = subject_counts(is_case, subject).sum(axis=1)
    if not cases.sum():
        return Estimate(value=None)
    return Estimate.of(proportion_interval(subject_counts(is_counted, subject).sum(axis=1), cases))
