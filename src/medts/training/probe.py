"""Linear probing of a frozen encoder: logistic regression, or a small head by SGD.

Three ways to train it. ``logistic`` is the well-posed one: regularised logistic regression, one
against the rest for a ``multi`` label set, multinomial for a ``single`` one, whose strength is
chosen on validation. ``sgd`` is what most papers run: mini-batches, decayed rate, the epoch chosen
on validation (as MELP does, arXiv 2506.21803; it neither standardises nor starts at zero). ``mlp``
is ``sgd`` with one hidden layer, the classifier of CroSSL's authors: it also finds what does not
lie open.

All see standardised embeddings. Labels are what is scarce, not recordings: centre and scale come
from all training records, labelled or not. A class that is all or never there among the labels
gets a constant probability and is listed.

Axes: R records, D embedding width, K classes.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from scipy.special import expit, logit, softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from medts.metrics.scores import Kind, auroc
from medts.training.settings import ProbeConfig

_HIDDEN, _HIDDEN_DROPOUT = 128, 0.1
"""Width of the hidden layer of ``mlp`` and the share of it dropped, as in CroSSL's code."""

_RELATIVE_NOISE = 1e-5
"""A dimension that varies by less than this share of its size is rounding, hence constant."""


@dataclass(frozen=True)
class Scaling:
    """Where embeddings lie; a dimension without spread is set to zero.

    Args:
        centre: Mean of each dimension.
        scale: Its standard deviation, infinite where it is constant.
        fill: What stands in for NaN, which only hand-made features have.
    """

    centre: Float[np.ndarray, "D"]
    scale: Float[np.ndarray, "D"]
    fill: Float[np.ndarray, "D"]

    def __call__(self, values: Float[np.ndarray, "R D"]) -> Float[np.ndarray, "R D"]:
        """Returns standardised values."""
        values = values.astype(np.float64)
        return (np.where(np.isnan(values), self.fill, values) - self.centre) / self.scale


def fit_scaling(values: Float[np.ndarray, "R D"]) -> Scaling:
    """Measures centre and spread of each dimension; NaN is filled with the median."""
    values = values.astype(np.float64)
    is_known = ~np.isnan(values)
    fill = np.zeros(values.shape[1])
    some = is_known.any(axis=0)
    fill[some] = np.nanmedian(values[:, some], axis=0)
    values = np.where(is_known, values, fill)
    scale, size = values.std(axis=0), np.abs(values).max(axis=0, initial=0.0)
    scale = np.where(scale > _RELATIVE_NOISE * size, scale, np.inf)
    return Scaling(values.mean(axis=0), scale, fill)


@dataclass(frozen=True)
class Labelled:
    """Standardised embeddings with their labels."""

    embedding: Float[np.ndarray, "R D"]
    target: Float[np.ndarray, "R K"]


@dataclass(frozen=True)
class Probe:
    """A trained probe; calling it gives probabilities.

    Args:
        weight: A row per class, for standardised embeddings or the hidden layer.
        bias: One per class; minus infinity for a class that is never predicted.
        kind: Kind of the label set.
        constant_classes: Columns that were all or never there among the labels.
        choice: What validation chose, such as ``{"c": 0.01}``.
        n_unfinished: Fits that ended at the limit of iterations.
        hidden: Weight and bias of a hidden layer with ReLU, where there is one.
    """

    weight: Float[np.ndarray, "K width"]
    bias: Float[np.ndarray, "K"]
    kind: Kind
    constant_classes: tuple[int, ...] = ()
    choice: dict[str, float] | None = None
    n_unfinished: int = 0
    hidden: tuple[Float[np.ndarray, "width D"], Float[np.ndarray, "width"]] | None = None

    def __call__(self, embedding: Float[np.ndarray, "R D"]) -> Float[np.ndarray, "R K"]:
        """Returns the probability of each class."""
        if self.hidden is not None:
            weight, bias = self.hidden
            embedding = np.maximum(embedding @ weight.T + bias, 0.0)
        logits = embedding @ self.weight.T + self.bias
        return softmax(logits, axis=1) if self.kind == "single" else expit(logits)


def fit_probe(
    train: Labelled,
    validation: Labelled | None,
    kind: Kind,
    settings: ProbeConfig,
    *,
    seed: int = 0,
) -> Probe:
    """Trains a probe, choosing its strength or epoch on validation.

    Args:
        train: What the weights are fitted to, and nothing else.
        validation: What chooses; without it, or where it has no class with positives and negatives,
            `ProbeConfig.default_c` or the last epoch is taken.
        kind: Kind of the label set.
        settings: Solver and its settings.
        seed: Order of the mini-batches, and the first weights of a hidden layer.
    """
    if validation is not None and len(_single_valued(validation.target)) == train.target.shape[1]:
        validation = None
    if settings.solver != "logistic":
        return _fit_sgd(train, validation, kind, settings, seed)
    grid = [settings.default_c] if validation is None else sorted(settings.c_grid)
    probes = _fit_logistic(train, kind, settings, grid)
    if validation is None:
        return probes[0]
    scores = [macro_auroc(validation.target, probe(validation.embedding)) for probe in probes]
    # Of equals the most regularised; a difference in the ninth digit is rounding.
    return probes[int(np.argmax(np.round(scores, 9)))]


def macro_auroc(target: Float[np.ndarray, "R K"], probability: Float[np.ndarray, "R K"]) -> float:
    """Returns the mean AUROC of the classes that have one; NaN where none has."""
    areas = auroc(target, probability)
    return float(np.nanmean(areas)) if np.isfinite(areas).any() else float("nan")


def _single_valued(target: Float[np.ndarray, "R K"]) -> tuple[int, ...]:
    n_positive = target.sum(axis=0)
    return tuple(np.flatnonzero((n_positive == 0) | (n_positive == len(target))).tolist())


def _constant_bias(target: Float[np.ndarray, "R K"]) -> Float[np.ndarray, "K"]:
    """Log-odds of each class whatever the record; never infinite (Jeffreys' prior)."""
    return logit((target.sum(axis=0, dtype=np.float64) + 0.5) / (len(target) + 1))


def _fit_logistic(
    train: Labelled, kind: Kind, settings: ProbeConfig, grid: Sequence[float]
) -> list[Probe]:
    """Fits every strength, among as many directions as there are records where these are fewer.

    The penalty keeps weights in the span of the records, so nothing is lost: 50,000 values of 2,000
    records become 2,000.
    """
    fit_path = _multinomial if kind == "single" else _one_against_rest
    n_records, dim = train.embedding.shape
    if dim <= n_records:
        return fit_path(train, settings, grid)
    # The dual trick: solve in the span of the records, then map the weights back.
    basis, inside = np.linalg.qr(train.embedding.T)
    probes = fit_path(Labelled(inside.T, train.target), settings, grid)
    return [replace(probe, weight=probe.weight @ basis.T) for probe in probes]


def _one_against_rest(train: Labelled, settings: ProbeConfig, grid: Sequence[float]) -> list[Probe]:
    """Fits every strength, the strongest first, each starting where the last one ended."""
    constant = _single_valued(train.target)
    n_classes, dim = train.target.shape[1], train.embedding.shape[1]
    weight = np.zeros((len(grid), n_classes, dim))
    bias = np.tile(_constant_bias(train.target), (len(grid), 1))
    n_unfinished = np.zeros(len(grid), dtype=int)
    for k in sorted(set(range(n_classes)) - set(constant)):
        solver = LogisticRegression(max_iter=settings.max_iterations, warm_start=True)
        for i, c in enumerate(grid):
            n_unfinished[i] += not _solve(solver, train.embedding, train.target[:, k], c)
            weight[i, k], bias[i, k] = solver.coef_[0], np.ravel(solver.intercept_)[0]
    return [
        Probe(weight[i], bias[i], "multi", constant, {"c": float(c)}, int(n_unfinished[i]))
        for i, c in enumerate(grid)
    ]


def _multinomial(train: Labelled, settings: ProbeConfig, grid: Sequence[float]) -> list[Probe]:
    """As `_one_against_rest`, for classes that exclude each other."""
    n_classes, dim = train.target.shape[1], train.embedding.shape[1]
    index = train.target.argmax(axis=1)
    present = np.unique(index)
    solver = LogisticRegression(max_iter=settings.max_iterations, warm_start=True)
    probes = []
    for c in grid:
        weight, bias = np.zeros((n_classes, dim)), np.full(n_classes, -np.inf)
        bias[present] = 0.0
        is_finished = len(present) == 1 or _solve(solver, train.embedding, index, c)
        if len(present) == 2:  # sklearn then gives the log-odds of the second class
            weight[present[1]], bias[present[[1]]] = solver.coef_[0], solver.intercept_
        elif len(present) > 2:
            weight[present], bias[present] = solver.coef_, solver.intercept_
        constant = _single_valued(train.target)
        choice = {"c": float(c)}
        probes.append(Probe(weight, bias, "single", constant, choice, int(not is_finished)))
    return probes


def _solve(solver: LogisticRegression, embedding: np.ndarray, target: np.ndarray, c: float) -> bool:
    """Fits one strength; returns whether the solver came to its end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        solver.set_params(C=c).fit(embedding, target)
    return int(solver.n_iter_.max()) < solver.max_iter


def _fit_sgd(
    train: Labelled, validation: Labelled | None, kind: Kind, settings: ProbeConfig, seed: int
) -> Probe:
    embedding = torch.from_numpy(train.embedding).float()
    target = torch.from_numpy(train.target).float()
    constant = _single_valued(train.target)
    generator = torch.Generator().manual_seed(seed)
    hidden: list[torch.Tensor] = []
    width = embedding.shape[1]
    if settings.solver == "mlp":
        hidden = _init_hidden(width, generator)
        width = _HIDDEN
    weight = torch.zeros(target.shape[1], width, requires_grad=True)
    bias = torch.zeros(target.shape[1], requires_grad=True)
    optimizer = torch.optim.AdamW(
        [*hidden, weight, bias], lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    last = settings.learning_rate / 100
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.epochs, last)
    loss_of = F.cross_entropy if kind == "single" else F.binary_cross_entropy_with_logits
    best, best_score, best_epoch = None, -np.inf, 0
    for epoch in range(1, settings.epochs + 1):
        order = torch.randperm(len(target), generator=generator)
        for some in order.split(settings.batch_size):
            optimizer.zero_grad()
            values = embedding[some]
            if hidden:
                values = F.relu(F.linear(values, *hidden))
                is_kept = torch.rand(values.shape, generator=generator) >= _HIDDEN_DROPOUT
                values = values * is_kept / (1 - _HIDDEN_DROPOUT)
            loss_of(F.linear(values, weight, bias), target[some]).backward()
            optimizer.step()
        schedule.step()
        last_layer, own_hidden = _as_numpy(weight, bias), _as_numpy(*hidden)
        if kind == "multi":
            last_layer[0][list(constant)] = 0.0
            last_layer[1][list(constant)] = _constant_bias(train.target)[list(constant)]
        probe = Probe(
            weight=last_layer[0],
            bias=last_layer[1],
            kind=kind,
            constant_classes=constant,
            choice={"epoch": float(epoch)},
            hidden=(own_hidden[0], own_hidden[1]) if own_hidden else None,
        )
        if validation is None:
            best = probe
            continue
        score = macro_auroc(validation.target, probe(validation.embedding))
        if best is None or score > best_score:
            best, best_score, best_epoch = probe, score, epoch
        elif epoch - best_epoch >= settings.patience:
            break
    assert best is not None
    return best


def _init_hidden(width: int, generator: torch.Generator) -> list[torch.Tensor]:
    """He initialisation of a hidden layer, with biases of zero."""
    weight = torch.randn(_HIDDEN, width, generator=generator) * (2 / width) ** 0.5
    return [weight.requires_grad_(), torch.zeros(_HIDDEN, requires_grad=True)]


def _as_numpy(*tensors: torch.Tensor) -> list[np.ndarray]:
    return [each.detach().double().numpy().copy() for each in tensors]
