"""Embeddings of stored records, cached on disk: the encoder runs once per record.

What was computed is kept in a folder, one sub-folder per encoder, named by a digest of weights,
preprocessing and windows. Inside, every record is found by a digest of its signals and of its
report as the encoder reads it, so another split, another label set or a store with more records
reuses what is there, and other rules for reports do not. Files are written whole and never
changed; several processes may share a folder.

Axes: n records, D embedding width.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from safetensors.torch import save

from medts.core.errors import MedtsError
from medts.core.files import write_whole
from medts.core.labels import LabelSet
from medts.core.reports import ReportSettings
from medts.data.recordings import Recordings
from medts.data.reports import as_read
from medts.inference.bundle import Bundle
from medts.inference.stored import Compute, embed_store

_SHORT = 32
"""Hexadecimal digits of a digest that names a record or a folder."""


def embed(
    model: Bundle,
    store: Recordings,
    rows: Int[np.ndarray, "n"],
    folder: Path | None = None,
    *,
    label_set: str | LabelSet | None = None,
    compute: Compute | None = None,
) -> Float[np.ndarray, "n D"]:
    """Returns one embedding per row of a store, computing only those that are not kept yet.

    Args:
        model: Bundle whose encoder embeds.
        store: Where the records are.
        rows: Which records.
        folder: Where embeddings are kept between calls; none keeps nothing.
        label_set: Whose description an encoder is conditioned on, where it takes a prior.
        compute: Device, arithmetic and workers.

    Raises:
        MedtsError: If an embedding is not finite, or a kept file is damaged.
    """

    def run_encoder(missing: Int[np.ndarray, "m"]) -> Float[np.ndarray, "m D"]:
        return embed_store(model, store, missing.tolist(), label_set=label_set, compute=compute)

    name = encoder_digest(model, label_set)[:_SHORT]
    if compute is not None and compute.precision != "fp32":
        name += f"-{compute.precision}"  # inexact values are never taken for exact ones
    place = folder / name if folder else None
    values = remember(run_encoder, store, rows, place, model.preprocessing.reports)
    n_bad = int((~np.isfinite(values)).any(axis=1).sum())
    if n_bad:
        raise MedtsError(
            f"{n_bad} of {len(rows)} embeddings are NaN or infinite",
            field=model.provenance.recipe,
            remedy="Look for a diverged training or an empty window; nothing is imputed here",
        )
    return values


def encoder_digest(model: Bundle, label_set: str | LabelSet | None = None) -> str:
    """Returns the SHA-256 of all that an embedding depends on besides the record."""
    weights = {k: v for k, v in model.weights().items() if k.startswith("encoder.")}
    digest = hashlib.sha256(save(weights))
    parts = (model.config.encoder, model.config.windowing, model.preprocessing)
    for part in parts:
        digest.update(part.model_dump_json().encode())
    prior = model.prior(label_set)
    if prior is not None:
        digest.update(prior.detach().cpu().numpy().tobytes())
    return digest.hexdigest()


def remember(
    compute: Callable[[Int[np.ndarray, "m"]], Float[np.ndarray, "m D"]],
    store: Recordings,
    rows: Int[np.ndarray, "n"],
    folder: Path | None,
    reports: ReportSettings | None = None,
) -> Float[np.ndarray, "n D"]:
    """Returns a vector per row from the cache; ``compute`` makes what ``folder`` does not hold.

    Args:
        compute: Makes the vectors of some rows.
        store: Where the records are.
        rows: Which records.
        folder: Where vectors are kept; none keeps nothing.
        reports: How reports are read; as written if none.

    Raises:
        MedtsError: If a kept file is damaged.
    """
    keys = record_keys(store, rows, reports)
    first = dict(zip(reversed(keys), reversed(rows.tolist()), strict=True))
    known = _read(folder) if folder else {}
    missing = [key for key in dict.fromkeys(keys) if key not in known]
    if missing:
        values = compute(np.array([first[key] for key in missing], dtype=np.int64))
        known |= dict(zip(missing, values.astype(np.float32), strict=True))
        if folder:
            _write(folder, missing, values)
    return np.stack([known[key] for key in keys])


def record_keys(
    store: Recordings, rows: Int[np.ndarray, "n"], reports: ReportSettings | None = None
) -> list[bytes]:
    """Returns a digest of each record's id, signals with their scale, and report as it is read."""
    signals, written = store.column("digest"), store.column("report")
    read = as_read([written[row] for row in rows.tolist()], reports)
    keys = []
    for row, report in zip(rows.tolist(), read, strict=True):
        scales = [
            (name, entry["unit"], entry["start_s"], entry.get("step"))
            for name, entry in sorted(store.streams[row].items())
        ]
        text = repr((store.record_ids[row], signals[row], scales, report))
        keys.append(hashlib.sha256(text.encode()).hexdigest()[:_SHORT].encode())
    return keys


def _read(folder: Path) -> dict[bytes, Float[np.ndarray, "D"]]:
    known: dict[bytes, np.ndarray] = {}
    for path in sorted(folder.glob("*.npy")):
        try:
            kept = np.load(path, allow_pickle=False)
            known |= dict(zip(kept["key"].tolist(), kept["value"], strict=True))
        except (ValueError, EOFError, IndexError) as error:
            raise MedtsError(
                f"damaged: {error}", path=path, remedy="Delete it; it will be computed again"
            ) from error
    return known


def _write(folder: Path, keys: list[bytes], values: Float[np.ndarray, "m D"]) -> None:
    kind = np.dtype([("key", f"S{_SHORT}"), ("value", "<f4", (values.shape[1],))])
    kept = np.empty(len(keys), dtype=kind)
    kept["key"], kept["value"] = keys, values
    name = hashlib.sha256(b"".join(keys)).hexdigest()[:_SHORT]
    with write_whole(folder / f"{name}.npy") as target, target.open("wb") as file:
        np.save(file, kept)
