"""Batch inference on a store: probabilities, numbers or embeddings, averaged over windows.

Evaluation calls these; a single recording goes through `medts.inference.predictor`. Batches are
moved to the device of the bundle, which stays where it was before the call.

Axes: R records, K classes, D embedding width.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import DataLoader

from medts.core.arithmetic import Precision, arithmetic
from medts.core.config import Config
from medts.core.labels import LabelSet
from medts.data.recordings import Recordings
from medts.data.windowing import Windowing
from medts.data.windows import PreparedRecords, WindowDataset, collate
from medts.inference.bundle import Bundle
from medts.inference.calibrate import calibrated
from medts.tensors.batch import Batch, Prediction, mean_by_record, move_to
from medts.tensors.devices import resolve_device, within_memory

_Found = TypeVar("_Found")


class Compute(Config):
    """Where and how windows are computed."""

    device: str | None = None
    """Device, such as auto, cpu, gpu or cuda:1; none leaves the model where it is."""

    precision: Precision = "fp32"
    """Arithmetic; the faster kinds are not exact."""

    n_workers: int = 0
    """Processes that read and prepare recordings beside this one."""

    batch_size: int = 64
    """Windows at a time."""


def predict_store(
    bundle: Bundle,
    store: Recordings,
    rows: Sequence[int],
    *,
    label_set: str | LabelSet | None = None,
    compute: Compute | None = None,
) -> Float[np.ndarray, "R K"]:
    """Returns calibrated probabilities, or numbers, for rows of a store, in their order.

    Args:
        bundle: Model with a head.
        store: Where the records are.
        rows: Which records.
        label_set: What is predicted; the leading label set if none.
        compute: Device, arithmetic and workers.

    Raises:
        MedtsError: If the model has no logits for the label set, or the device is missing or full.
    """
    found = bundle.resolve(label_set)

    def scores(batch: Batch) -> Tensor:
        return Prediction(bundle.logits(batch, found).float(), found).scores

    mean = over_windows(bundle, store, rows, scores, compute)
    calibration = bundle.labels.of(found).calibration
    return calibrated(mean, found, calibration).astype(np.float32)


def embed_store(
    bundle: Bundle,
    store: Recordings,
    rows: Sequence[int],
    *,
    label_set: str | LabelSet | None = None,
    compute: Compute | None = None,
) -> Float[np.ndarray, "R D"]:
    """Returns pooled embeddings for rows of a store; see `predict_store`.

    The label set matters only to an encoder that is conditioned on its description.
    """
    return over_windows(
        bundle, store, rows, lambda batch: bundle.encode(batch, label_set).pooled, compute
    )


def over_windows(
    bundle: Bundle,
    store: Recordings,
    rows: Sequence[int],
    function: Callable[[Batch], Tensor],
    compute: Compute | None = None,
    *,
    dtype: torch.dtype = torch.float32,
) -> Float[np.ndarray, "R D"]:
    """Returns the mean over the windows of each record of what a function makes of a batch.

    Raises:
        ConfigError: If the device is missing or its memory full.
    """
    with on_device(bundle, compute):
        found = map_windows(
            bundle, store, rows, lambda each: function(each).to("cpu", dtype), compute
        )
    record_ids = [name for names, _ in found for name in names]
    order, mean = mean_by_record(record_ids, torch.cat([each for _, each in found]))
    position = {record: row for row, record in enumerate(order)}
    return mean[[position[record] for record in store.record_ids[list(rows)]]].numpy()


@contextmanager
def on_device(bundle: Bundle, compute: Compute | None) -> Iterator[None]:
    """Moves a model to a device, and back afterwards.

    Raises:
        ConfigError: If the device is missing or its memory full.
    """
    before = bundle.device
    name = None if compute is None else compute.device
    device = before if name is None else resolve_device(name)
    try:
        with within_memory(device):
            bundle.to(device)
            yield
    finally:
        bundle.to(before)


def map_windows(
    bundle: Bundle,
    store: Recordings,
    rows: Sequence[int],
    function: Callable[[Batch], _Found],
    compute: Compute | None = None,
    *,
    windowing: Windowing | None = None,
) -> list[tuple[tuple[str, ...], _Found]]:
    """Returns what a function makes of each batch of windows, with the record of every window.

    Args:
        bundle: Whose preprocessing and windows are taken.
        store: Where the records are.
        rows: Which records.
        function: Takes a batch on the device where the model is.
        compute: Arithmetic, workers and batch size; the model is not moved.
        windowing: Other windows than the model's.
    """
    compute, device = compute or Compute(), bundle.device
    records = PreparedRecords(store, rows, bundle.preprocessing, cache_gib=0.5)
    loader = DataLoader(
        WindowDataset(records, windowing or bundle.config.windowing),
        batch_size=compute.batch_size,
        collate_fn=partial(collate, config=bundle.preprocessing),
        num_workers=compute.n_workers,
        pin_memory=device.type == "cuda",
    )
    with arithmetic(compute.precision, device.type):
        return [(batch.record_ids, function(move_to(batch, device))) for batch in loader]
