"""From recordings to probabilities, the same way whoever asks.

The command line, Python and every later surface call `predict_record`; evaluation calls
`predict_store`. A record's probability is the mean over its windows.

Axes: R records, W windows, K classes, D embedding width.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import DataLoader

from medts.core.arithmetic import Precision, arithmetic
from medts.core.errors import MedtsError
from medts.core.labels import LabelSet
from medts.core.records import Record
from medts.data.recordings import Recordings
from medts.data.windowing import windows_of
from medts.data.windows import PreparedRecords, WindowDataset, collate
from medts.inference.bundle import Bundle, load_bundle
from medts.tensors.batch import Batch, Prediction, mean_by_record


@dataclass(frozen=True)
class RecordPrediction:
    """What a model says of one record.

    Args:
        record_id: The record.
        probability: Of each class.
        stated: Classes that reach their operating point, or the likeliest of a ``single`` set.
        missing_channels: Channels that the model reads and the record lacks; as
            ``stream/channel`` where it reads several streams.
    """

    record_id: str
    probability: dict[str, float]
    stated: tuple[str, ...]
    missing_channels: tuple[str, ...]


class Predictor:
    """A loaded bundle that takes recordings.

    >>> model = medts.load("runs/demo/bundle")  # doctest: +SKIP
    >>> model.predict("ecg.hea").probability  # doctest: +SKIP
    {'NORM': 0.93, 'MI': 0.02, ...}

    Args:
        bundle: The model.
        precision: Arithmetic of every prediction; the faster kinds are not exact, see
            `medts.core.arithmetic`.
    """

    def __init__(self, bundle: Bundle, precision: Precision = "fp32") -> None:
        self.bundle = bundle
        self.precision: Precision = precision

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of arrays."""
        return self.bundle.label_set.classes

    def answering(self, label_set: str | LabelSet) -> "Predictor":
        """Returns the same model answering another label set.

        A model that knows classes by their words also answers label sets that it was never
        trained on (zero-shot): its scores then rank recordings, and state nothing of a ``multi``
        set.

        Args:
            label_set: Name of one that the model was trained on, or any label set.

        Raises:
            MedtsError: If the model cannot answer it.
        """
        return Predictor(self.bundle.answering(label_set, allow_new=True), self.precision)

    def predict(self, recording: Record | str | Path, **hints: Any) -> RecordPrediction:
        """Returns what the model says of one recording.

        Args:
            recording: A record, or a file in any known format.
            hints: What the file does not say, as for `medts.read`.

        Raises:
            MedtsError: If the file cannot be read or lacks what the model reads.
        """
        from medts.formats import read

        record = recording if isinstance(recording, Record) else read(recording, **hints)
        with arithmetic(self.precision):
            return predict_record(self.bundle, record)

    def predict_proba(self, records: Sequence[Record]) -> Float[np.ndarray, "R K"]:
        """Returns one row of probabilities per record."""
        rows = [list(self.predict(record).probability.values()) for record in records]
        return np.array(rows).reshape(len(records), len(self.classes))


def load(path: str | Path, *, precision: Precision = "fp32") -> Predictor:
    """Loads a bundle, or the bundle of a run folder, ready to predict.

    Args:
        path: Bundle, or run folder.
        precision: Arithmetic of every prediction; fp32 unless a faster kind is asked for.

    Raises:
        BundleError: If it is incomplete, altered or of another version.
    """
    return Predictor(load_bundle(path), precision)


def predict_record(bundle: Bundle, record: Record) -> RecordPrediction:
    """Returns what a bundle says of one record; see `Predictor.predict`.

    Raises:
        MedtsError: If nothing was recorded of what the model reads.
    """
    label_set = bundle.label_set
    windows = windows_of(record, bundle.preprocessing, bundle.config.windowing)
    if not windows:
        streams = ", ".join(bundle.preprocessing.streams)
        raise MedtsError(
            f"record {record.record_id!r} holds no sample of {streams}",
            field="streams",
        )
    batch = collate(windows, bundle.preprocessing)
    logits = bundle.logits(batch).float()
    probability = Prediction(logits, label_set).probability.mean(dim=0).double()
    by_class = dict(zip(label_set.classes, probability.tolist(), strict=True))
    is_alone = len(batch.streams) == 1
    missing = [
        channel if is_alone else f"{name}/{channel}"
        for name, stream in batch.streams.items()
        for channel, is_present in zip(
            stream.channels, stream.is_channel_present.any(dim=0).tolist(), strict=True
        )
        if not is_present
    ]
    return RecordPrediction(
        record.record_id, by_class, stated_classes(bundle, by_class), tuple(missing)
    )


def stated_classes(bundle: Bundle, probability: dict[str, float]) -> tuple[str, ...]:
    """Returns the classes that a record's probabilities amount to."""
    if bundle.label_set.kind == "single":
        return (max(probability, key=probability.__getitem__),)
    thresholds = bundle.thresholds
    return tuple(
        name
        for name, value in probability.items()
        if name in thresholds and value >= thresholds[name]
    )


def predict_store(
    bundle: Bundle, store: Recordings, rows: Sequence[int], *, batch_size: int = 64
) -> Float[np.ndarray, "R K"]:
    """Returns probabilities for rows of a store, in their order."""
    return _over_windows(
        bundle,
        store,
        rows,
        lambda batch: Prediction(bundle.logits(batch), bundle.label_set).probability,
        batch_size,
    )


def embed_store(
    bundle: Bundle, store: Recordings, rows: Sequence[int], *, batch_size: int = 64
) -> Float[np.ndarray, "R D"]:
    """Returns pooled embeddings for rows of a store, averaged over windows."""
    return _over_windows(bundle, store, rows, lambda batch: bundle.encode(batch).pooled, batch_size)


def _over_windows(
    bundle: Bundle,
    store: Recordings,
    rows: Sequence[int],
    compute: Callable[[Batch], Tensor],
    batch_size: int,
) -> np.ndarray:
    records = PreparedRecords(store, rows, bundle.preprocessing, cache_gib=0.5)
    dataset = WindowDataset(records, bundle.config.windowing)
    loader = DataLoader(
        dataset, batch_size=batch_size, collate_fn=partial(collate, config=bundle.preprocessing)
    )
    record_ids: list[str] = []
    values: list[Tensor] = []
    for batch in loader:
        record_ids += batch.record_ids
        values.append(compute(batch).float())
    order, mean = mean_by_record(record_ids, torch.cat(values))
    position = {record: row for row, record in enumerate(order)}
    return mean[[position[record] for record in records.store.record_ids[records.rows]]].numpy()
