"""Attributions: attention rollout and gradient × input of a prediction's samples.

Two ways, each giving every sample a share of the relevance. ``attention`` follows the surviving
tokens of a Sparseformer back through its blocks to the samples they were read from; it is the
same for every class. ``gradient`` is the size of gradient times input and works for every encoder
that can be differentiated; it is the class's own. Neither proves anything by itself: whether a
relevance is true of the model is measured in `medts.evaluation.faithfulness`.

Axes: W windows, C channels, T samples in time, K classes.
"""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from medts.core.errors import ConfigError, unknown_name
from medts.core.labels import LabelSet
from medts.core.records import Record
from medts.data.windowing import timed_windows_of
from medts.data.windows import collate
from medts.inference.bundle import Bundle
from medts.models.sparseformer import Sparseformer
from medts.tensors.batch import Batch, Prediction, move_to

_AT_A_TIME = 16

Method = Literal["attention", "gradient"]
Relevance = dict[str, Float[Tensor, "W C T"]]
"""By stream; not negative, and over all streams of a window its sum is 1 (0 for an empty one)."""


@dataclass(frozen=True)
class Explanation:
    """Attribution of a class's probability to every sample of a record.

    Args:
        record_id: The record.
        label: The class that is explained.
        probability: Of that class, the mean over windows.
        method: How the relevance was found.
        batch: The windows as the model reads them.
        starts_s: Where each window starts, in seconds.
        relevance: Of every sample of every window.
        n_tokens: Tokens of the first window after each stage, where the encoder counts them.
    """

    record_id: str
    label: str
    probability: float
    method: Method
    batch: Batch
    starts_s: tuple[float, ...]
    relevance: Relevance
    n_tokens: dict[str, int]

    def of_channels(self) -> dict[str, dict[str, float]]:
        """Returns the share of every channel, by stream, as the mean over windows."""
        return {
            name: dict(
                zip(
                    self.batch.streams[name].channels,
                    relevance.sum(dim=2).mean(dim=0).tolist(),
                    strict=True,
                )
            )
            for name, relevance in self.relevance.items()
        }


def explain_record(
    bundle: Bundle,
    record: Record,
    *,
    label: str | None = None,
    method: Method | None = None,
    label_set: str | LabelSet | None = None,
) -> Explanation:
    """Explains one class of a record; the likeliest if none is named.

    Args:
        bundle: A model with a head.
        record: What is predicted.
        label: The class to explain.
        method: ``attention`` where the encoder can be traced, else ``gradient``, if None.
        label_set: That of the class; the leading one if none.

    Raises:
        BundleError: If the bundle has no head.
        UnknownNameError: If there is no such class.
        ConfigError: If ``attention`` is wanted of an encoder that cannot be traced, or the label
            set is one of numbers.
    """
    found = bundle.resolve(label_set)
    if found.has_numbers:
        raise ConfigError(
            f"{found.name} has numbers, and an explanation follows the probability of a class",
            field="label_set",
            remedy="Explain a model of classes",
        )
    if label is not None and label not in found.classes:
        raise unknown_name(f"class of {found.name}", label, found.classes)
    starts_s, batch = cut_record(bundle, record)
    probability = probabilities(bundle, batch, found).mean(dim=0)
    k = int(probability.argmax()) if label is None else found.classes.index(label)
    if method is None:
        method = "attention" if isinstance(bundle.encoder, Sparseformer) else "gradient"
    relevance, n_tokens = relevance_of(bundle, batch, class_index=k, method=method, label_set=found)
    return Explanation(
        record_id=record.record_id,
        label=found.classes[k],
        probability=float(probability[k]),
        method=method,
        batch=batch,
        starts_s=starts_s,
        relevance=relevance,
        n_tokens=n_tokens,
    )


def cut_record(bundle: Bundle, record: Record) -> tuple[tuple[float, ...], Batch]:
    """Returns where the windows of a prediction start, in seconds, and the windows."""
    timed = timed_windows_of(record, bundle.preprocessing, bundle.config.windowing)
    starts_s = tuple(start_s for start_s, _ in timed)
    return starts_s, collate([window for _, window in timed], bundle.preprocessing)


def relevance_of(
    bundle: Bundle,
    batch: Batch,
    *,
    class_index: int,
    method: Method,
    label_set: str | LabelSet | None = None,
) -> tuple[Relevance, dict[str, int]]:
    """Returns the relevance of every sample, and the first window's tokens after each stage.

    Windows are taken a few at a time: how tokens came about is large, and a record may be long.
    """
    resolved = bundle.resolve(label_set)
    pieces = [batch.take(i, i + _AT_A_TIME) for i in range(0, len(batch), _AT_A_TIME)]
    found = [_relevance_of(bundle, piece, class_index, method, resolved) for piece in pieces]
    whole = {name: torch.cat([part[name] for part, _ in found]) for name in found[0][0]}
    return whole, found[0][1]


def _relevance_of(
    bundle: Bundle, batch: Batch, class_index: int, method: Method, label_set: LabelSet
) -> tuple[Relevance, dict[str, int]]:
    if method == "gradient":
        return normalised(gradient_times_input(bundle, batch, class_index, label_set)), {}
    if not isinstance(bundle.encoder, Sparseformer):
        raise ConfigError(
            f"a {bundle.config.encoder.kind} cannot be traced",
            field="method",
            remedy="Use the method 'gradient'",
        )
    with torch.no_grad():
        moved, prior = move_to(batch, bundle.device), bundle.prior(label_set)
        found = bundle.encoder(moved, prior=prior, is_traced=True).intermediates
    relevance = {name: part.mean(dim=1).cpu() for name, part in found["attention"].items()}
    return normalised(relevance), {name: int(n[0]) for name, n in found["n_tokens"].items()}


def gradient_times_input(
    bundle: Bundle, batch: Batch, class_index: int, label_set: LabelSet
) -> Relevance:
    """Returns the size of gradient times input of a class's logit.

    Of a ``single`` set it is the logit less the mean of all, since only differences matter there.
    """
    signals = {
        name: stream.signal.detach().clone().requires_grad_()
        for name, stream in batch.streams.items()
    }
    streams = {
        name: replace(stream, signal=signals[name]) for name, stream in batch.streams.items()
    }
    with torch.enable_grad():
        logits = bundle(replace(batch, streams=streams), label_set)
        target = logits[:, class_index]
        if label_set.kind == "single":
            target = target - logits.mean(dim=1)
        gradients = torch.autograd.grad(target.sum(), list(signals.values()), allow_unused=True)
    return {
        name: torch.zeros_like(signal) if slope is None else (slope * signal).abs().detach()
        for (name, signal), slope in zip(signals.items(), gradients, strict=True)
    }


@torch.no_grad()
def probabilities(
    bundle: Bundle, batch: Batch, label_set: str | LabelSet | None = None
) -> Float[Tensor, "W K"]:
    """Returns the probability of every class in every window, without calibration."""
    found = bundle.resolve(label_set)
    pieces = [batch.take(i, i + _AT_A_TIME) for i in range(0, len(batch), _AT_A_TIME)]
    logits = torch.cat([bundle(piece, found) for piece in pieces])
    return Prediction(logits.cpu(), found).probability.double()


def normalised(relevance: Relevance) -> Relevance:
    """Divides by the sum over all streams of a window."""
    total = torch.stack([part.sum(dim=(1, 2)) for part in relevance.values()]).sum(dim=0)
    safe = total.where(total > 0, torch.ones_like(total))[:, None, None]
    return {name: part / safe for name, part in relevance.items()}
