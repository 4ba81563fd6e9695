"""Faithfulness of attributions: deletion and insertion curves.

Deletion and insertion (Petsiuk, Das and Saenko, BMVC 2018, arXiv:1806.07421). Short pieces of
single channels are taken away, the most relevant first, and the probability of the explained
class is watched; or they are put back, the most relevant first, into an empty window. A true
explanation makes it fall early and rise early. Its score is the mean probability while inserting
less that while deleting; random orders of the same pieces are its baseline.

What is taken away becomes the mean of its channel in the window, so that a hole is no step away
from the level that a model may subtract, and an empty channel is flat at its own level.

What remains: a window with holes is none the model was trained on. A flat piece has no spread, so
a model that brings every channel of a window to spread 1 sees what is kept scaled up, by one over
the root of the share of the channel's energy that is kept, and the mean moves as far as what is
kept lies off it. An order that starts with the largest waves does more of this than a random one.
Scores therefore compare explanations of one model and never models, and gradient times input,
which follows the large waves too, is the fairer neighbour.

Axes: W windows, C channels, T samples in time, S steps.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from medts.core.errors import ConfigError
from medts.evaluation.explained import Curves
from medts.tensors.batch import Batch, StreamBatch

Predict = Callable[[Batch], Float[Tensor, "W"]]
"""Probability of the explained class in every window."""


def compare_orders(
    predict: Predict,
    batch: Batch,
    relevances: dict[str, dict[str, Float[Tensor, "W C T"]]],
    *,
    n_steps: int = 10,
    n_random: int = 5,
    piece_s: float = 0.1,
    seed: int = 0,
) -> dict[str, list[Curves]]:
    """Measures each explanation, and random orders under ``random``.

    Args:
        predict: The model.
        batch: Windows of one record.
        relevances: By name of the method, then by stream.
        n_steps: Steps from nothing to everything.
        n_random: Random orders.
        piece_s: Length of the pieces that are changed at once, seconds.
        seed: Of the random orders.

    Raises:
        ConfigError: If there would be no step, no length to change, or nothing to compare with.
    """
    if n_steps < 1 or not piece_s > 0:
        raise ConfigError(f"{n_steps} steps of pieces of {piece_s} s change nothing", field="steps")
    if n_random < 1:
        raise ConfigError(
            "a score means something only beside random orders",
            field="random",
            remedy="Compare with at least one",
        )
    generator = torch.Generator().manual_seed(seed)
    orders = {name: [relevance] for name, relevance in relevances.items()}
    orders["random"] = [random_order(batch, piece_s, generator) for _ in range(n_random)]
    return {
        name: [measure_order(predict, batch, one, n_steps=n_steps, piece_s=piece_s) for one in each]
        for name, each in orders.items()
    }


def measure_order(
    predict: Predict,
    batch: Batch,
    relevance: dict[str, Float[Tensor, "W C T"]],
    *,
    n_steps: int = 10,
    piece_s: float = 0.1,
) -> Curves:
    """Takes pieces away and puts them back in the order of their relevance."""
    rank = rank_pieces(batch, relevance, piece_s)
    shares = np.linspace(0.0, 1.0, n_steps + 1)
    deletion, insertion = [], []
    for share in shares.tolist():
        deletion.append(
            float(predict(keep(batch, {n: r >= share for n, r in rank.items()})).mean())
        )
        insertion.append(
            float(predict(keep(batch, {n: r < share for n, r in rank.items()})).mean())
        )
    return Curves(shares, np.array(deletion), np.array(insertion))


def random_order(
    batch: Batch, piece_s: float, generator: torch.Generator
) -> dict[str, Float[Tensor, "W C T"]]:
    """Samples a relevance that is the same within a piece: the random baseline."""
    sampled = {}
    for name, stream in batch.streams.items():
        run = max(1, round(piece_s * stream.sampling_rate))
        w, c, t = stream.signal.shape
        pieces = torch.rand(w, c, -(-t // run), generator=generator)
        sampled[name] = pieces.repeat_interleave(run, dim=2)[..., :t]
    return sampled


def rank_pieces(
    batch: Batch, relevance: dict[str, Float[Tensor, "W C T"]], piece_s: float
) -> dict[str, Float[Tensor, "W C T"]]:
    """Returns for every sample the share of pieces of its window that are more relevant.

    The most relevant piece has 0. What was not recorded has no piece; its share is 0 too,
    which changes nothing, since they are zero with or without it.
    """
    totals, exists, lengths = [], [], []
    for name, stream in batch.streams.items():
        run = max(1, round(piece_s * stream.sampling_rate))
        totals.append(sum_runs(relevance[name] * stream.is_recorded, run))
        exists.append(sum_runs(stream.is_recorded.float(), run) > 0)
        lengths.append(run)
    whole = torch.cat([each.flatten(1) for each in totals], dim=1)
    is_piece = torch.cat([each.flatten(1) for each in exists], dim=1)
    order = whole.masked_fill(~is_piece, -torch.inf).argsort(dim=1, descending=True, stable=True)
    count = torch.arange(whole.shape[1], dtype=torch.float64).expand_as(whole)
    place = torch.empty_like(count).scatter_(1, order, count)
    place = (place / is_piece.sum(dim=1, keepdim=True).clamp(min=1)).masked_fill(~is_piece, 0.0)
    parts = place.split([each[0].numel() for each in totals], dim=1)
    return {
        name: part.view_as(total).repeat_interleave(run, dim=2)[..., : stream.signal.shape[2]]
        for (name, stream), part, total, run in zip(
            batch.streams.items(), parts, totals, lengths, strict=True
        )
    }


def sum_runs(values: Float[Tensor, "W C T"], run: int) -> Float[Tensor, "W C n"]:
    """Sums every run of so many samples; the last one may be shorter."""
    return F.pad(values, (0, -values.shape[2] % run)).unflatten(2, (-1, run)).sum(dim=3)


def keep(batch: Batch, is_kept: dict[str, Bool[Tensor, "W C T"]]) -> Batch:
    """Sets everything else to the mean of its channel in the window.

    Masks stay, so that they do not mark a hole; what was not recorded stays zero.
    """
    streams = {
        name: replace(stream, signal=stream.signal.where(is_kept[name], flat(stream)))
        for name, stream in batch.streams.items()
    }
    return replace(batch, streams=streams)


def flat(stream: StreamBatch) -> Float[Tensor, "W C T"]:
    """Returns windows whose channels keep their mean throughout; zero where nothing is recorded."""
    is_real = stream.is_recorded
    n_real = is_real.sum(dim=2, keepdim=True).clamp(min=1)
    return (stream.signal * is_real).sum(dim=2, keepdim=True) / n_real * is_real
