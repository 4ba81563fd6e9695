"""Ingest: converts a dataset in its official layout into a store, whole or not at all, resumable.

Shards are written one after the other into ``<corpus>.partial``; each is sealed by the part of
the index that describes it, which is renamed into place last. A killed or failed ingest keeps its
sealed shards, and the same command goes on after them. When every record is stored or
quarantined the folder is renamed to its final name, which is the moment the store has it.

A lock beside the folder keeps two processes from writing one corpus; it ends with its process.
"""

import csv
import errno
import hashlib
import json
import os
import shutil
import socket
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from medts.core.errors import MedtsError, StoreError
from medts.core.files import write_whole
from medts.core.locks import LockHeldError, locked
from medts.core.processes import end_with_parent
from medts.core.records import Record
from medts.data.quality import quality_columns
from medts.data.recordings import CorpusInfo, digest_of
from medts.data.shards import described, quantise
from medts.data.sources.base import Entry, Source
from medts.data.store import INDEX_SCHEMA, Store
from medts.signal.quality import Quality, judge

SHARD_BYTES = 256 * 2**20
"""Size at which a shard is sealed; what a killed ingest loses at most."""


@dataclass(frozen=True)
class Quarantined:
    """A record that could not be stored, and why."""

    record_id: str
    reason: str


@dataclass(frozen=True)
class IngestReport:
    """Counts of listed, stored and quarantined records of a corpus."""

    corpus: str
    n_listed: int
    n_stored: int
    n_subjects: int
    quarantined: tuple[Quarantined, ...]
    was_complete: bool


def ingest(
    source: Source,
    path: str | Path,
    store: str | Path,
    *,
    n_workers: int = 1,
    shard_bytes: int = SHARD_BYTES,
    progress: Any = None,
) -> IngestReport:
    """Stores every readable record of ``source`` at ``path``, and lists the others.

    Args:
        source: The corpus.
        path: Folder of its official distribution.
        store: Folder of the store; made where it does not exist.
        n_workers: Processes that read files.
        shard_bytes: Size at which a shard is sealed.
        progress: Called as ``progress(iterable, total)``; yields the items unchanged.

    Raises:
        ReadError: If ``path`` does not hold the corpus.
        StoreError: If a subject is in two folds, an id occurs twice, the corpus in the store
            lists other records, another process ingests it, or the disk is full.
    """
    entries = list(source.entries(Path(path)))
    _check_entries(entries, source.name, Path(path))
    final = Path(store) / source.name
    if (final / "corpus.json").exists():
        return _already_there(source.name, entries, final, Path(store))
    try:
        with locked(Path(store) / f"{source.name}.lock") as is_locked:
            if (final / "corpus.json").exists():  # another process has finished it meanwhile
                return _already_there(source.name, entries, final, Path(store))
            # Where nothing can be locked every process has a folder of its own, and starts anew.
            own = "" if is_locked else f".{socket.gethostname()}-{os.getpid()}"
            partial = Path(store) / f"{source.name}{own}.partial"
            return _ingest(source, path, entries, partial, final, n_workers, shard_bytes, progress)
    except LockHeldError as error:
        raise StoreError(
            f"{source.name} is being ingested into this store by {error.strerror}",
            path=store,
            remedy="Wait for it, or end it and run the same command again",
        ) from error
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        remedy = "Free some space and run the same command again; sealed shards are kept"
        raise StoreError("the disk is full", path=final, remedy=remedy) from error


def _ingest(
    source: Source,
    path: str | Path,
    entries: list[Entry],
    partial: Path,
    final: Path,
    n_workers: int,
    shard_bytes: int,
    progress: Any,
) -> IngestReport:
    """Fills the partial folder and renames it."""
    (partial / "shards").mkdir(parents=True, exist_ok=True)
    (partial / "parts").mkdir(exist_ok=True)
    for leftover in partial.rglob(".*.tmp"):  # of a process that was killed
        leftover.unlink()
    with _ShardWriter(partial, shard_bytes) as writer:
        for part in writer.parts:
            _check_same(pq.read_table(part, columns=_LISTED), entries, partial)
        todo = [entry for entry in entries if entry.record_id not in writer.done]
        quarantined = []
        outcomes = _read_all(todo, n_workers)
        for entry, outcome in progress(outcomes, len(todo)) if progress else outcomes:
            if isinstance(outcome, str):
                quarantined.append(Quarantined(entry.record_id, outcome))
            else:
                record, quality = outcome
                writer.add(entry, record, quality)
        writer.seal()
    if not writer.done:
        raise StoreError(f"no record could be stored; {quarantined[0].reason}", path=path)
    info = _finish(partial, source, quarantined)
    try:
        partial.rename(final)
    except OSError:
        if not (final / "corpus.json").exists():
            raise
        shutil.rmtree(partial)  # a process that could not be locked out was first
        return _already_there(source.name, entries, final, final.parent)
    shutil.rmtree(final / "parts")
    counts = len(entries), info.n_records, info.n_subjects
    return IngestReport(source.name, *counts, tuple(quarantined), was_complete=False)


def _check_entries(entries: list[Entry], corpus: str, path: Path) -> None:
    if not entries:
        raise StoreError(f"no record of {corpus} found", path=path)
    fold_of: dict[str, str] = {}
    seen: set[str] = set()
    for entry in entries:
        if entry.record_id in seen:
            raise StoreError("record id occurs twice", path=path, field=entry.record_id)
        seen.add(entry.record_id)
        fold = fold_of.setdefault(entry.subject_id, entry.fold)
        if fold != entry.fold and entry.fold and fold:
            problem = f"subject {entry.subject_id} has records in folds {fold} and {entry.fold}"
            remedy = "Folds must be disjoint in subjects"
            raise StoreError(problem, path=path, field=entry.record_id, remedy=remedy)


def _already_there(corpus: str, entries: list[Entry], final: Path, store: Path) -> IngestReport:
    held = pq.read_table(final / "index.parquet", columns=_LISTED)
    with (final / "quarantine.csv").open(newline="", encoding="utf-8") as file:
        quarantined = tuple(Quarantined(**row) for row in csv.DictReader(file))
    listed = {entry.record_id for entry in entries}
    if listed != {*held["record_id"].to_pylist(), *(q.record_id for q in quarantined)}:
        problem = f"corpus {corpus!r} is already in the store and lists other records"
        remedy = "Ingest into a new store, or remove this folder first"
        raise StoreError(problem, path=final, remedy=remedy)
    _check_same(held, entries, final)
    n_subjects = Store(store).corpora[corpus].n_subjects
    counts = len(entries), held.num_rows, n_subjects
    return IngestReport(corpus, *counts, quarantined, was_complete=True)


_LISTED = ["record_id", "subject_id", "fold", "labels"]
"""Columns of the index that repeat what the source lists."""


def _check_same(held: pa.Table, entries: list[Entry], folder: Path) -> None:
    """Makes sure that stored records have the subject, fold and labels that are listed now."""
    by_id = {entry.record_id: entry for entry in entries}
    for row in held.to_pylist():
        entry = by_id.get(row["record_id"])
        if entry and (row["subject_id"], row["fold"], dict(row["labels"])) != _listed(entry):
            problem = "was stored with another subject, fold or label than is listed now"
            remedy = "Ingest into a new store, or remove this folder first"
            raise StoreError(problem, path=folder, field=entry.record_id, remedy=remedy)


def _listed(entry: Entry) -> tuple[str, str, dict[str, list[str]]]:
    """Returns subject, fold and labels of a record as the index keeps them."""
    labels = {name: list(found) for name, found in entry.labels.items() if found is not None}
    return entry.subject_id, entry.fold, labels


def _read_all(
    entries: list[Entry], n_workers: int
) -> Iterator[tuple[Entry, tuple[Record, Quality] | str]]:
    """Yields each entry with its record and its quality, or with the reason why there is none."""
    if n_workers <= 1 or len(entries) < 64:
        yield from ((entry, _load(entry)) for entry in entries)
        return
    context = get_context("spawn")
    with ProcessPoolExecutor(n_workers, context, initializer=end_with_parent) as pool:
        yield from zip(entries, pool.map(_load, entries, chunksize=16), strict=True)


def _load(entry: Entry) -> tuple[Record, Quality] | str:
    try:
        record = entry.load()
    except MedtsError as error:
        return str(error)
    if not any(np.isfinite(stream.signal).any() for stream in record.streams.values()):
        return f"{entry.record_id}: no sample of any channel is a number"
    return record, judge(record)


class _ShardWriter:
    """Appends records to shards and seals each with its part of the index."""

    def __init__(self, folder: Path, shard_bytes: int) -> None:
        self.folder, self.shard_bytes = folder, shard_bytes
        self.parts = sorted((folder / "parts").glob("*.parquet"))
        self.done = {
            record_id
            for part in self.parts
            for record_id in pq.read_table(part, columns=["record_id"])["record_id"].to_pylist()
        }
        self.shard = len(self.parts)
        self.rows: list[dict[str, Any]] = []
        self._open()

    def __enter__(self) -> "_ShardWriter":
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()

    def _open(self) -> None:
        self.file = (self.folder / "shards" / f"{self.shard:05d}.i16").open("wb")

    def add(self, entry: Entry, record: Record, quality: Quality) -> None:
        """Appends one record; seals the shard once it is large enough."""
        streams, spikes, digest = [], [], hashlib.sha256()
        for name, stream in record.streams.items():
            quantised = quantise(stream)
            spikes += [
                f"{n} of {channel}"
                for channel, n in zip(stream.channels, quantised.n_spikes, strict=True)
                if n
            ]
            content = quantised.values.tobytes()
            digest.update(f"{name} {stream.channels} {stream.sampling_rate}".encode())
            digest.update(content)
            streams.append(
                {
                    **described(name, stream),
                    "shard": self.shard,
                    "offset": self.file.tell() // 2,
                    "step": quantised.step.tolist(),
                    "zero": quantised.zero.tolist(),
                    "has_gaps": quantised.has_gaps,
                }
            )
            self.file.write(content)
        subject_id, fold, labels = _listed(entry)
        facts = dict(record.facts)
        if spikes:
            facts["spikes_left_out"] = ", ".join(spikes)
        self.rows.append(
            {
                "record_id": entry.record_id,
                "subject_id": subject_id,
                "fold": fold,
                "digest": digest.hexdigest()[:32],
                "report": record.report,
                "labels": list(labels.items()),
                "statements": [asdict(each) for each in record.statements],
                "annotations": [asdict(each) for each in record.annotations],
                "facts": json.dumps(facts, ensure_ascii=False),
                "streams": streams,
                **quality_columns(quality),
            }
        )
        self.done.add(entry.record_id)
        if self.file.tell() >= self.shard_bytes:
            self.seal()
            self.shard += 1
            self._open()

    def seal(self) -> None:
        """Writes the open shard to disk (fsync), then the part of the index that describes it."""
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        if not self.rows:
            Path(self.file.name).unlink()
            return
        table = pa.Table.from_pylist(self.rows, schema=INDEX_SCHEMA)
        with write_whole(self.folder / "parts" / f"{self.shard:05d}.parquet") as target:
            pq.write_table(table, target)
        self.rows = []


def _finish(partial: Path, source: Source, quarantined: list[Quarantined]) -> CorpusInfo:
    """Joins the parts of the index and writes what the corpus is."""
    parts = [pq.read_table(part) for part in sorted((partial / "parts").glob("*.parquet"))]
    table = pa.concat_tables(parts)
    with write_whole(partial / "index.parquet") as target:
        pq.write_table(table, target, compression="zstd")
    with (partial / "quarantine.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.DictWriter(file, fieldnames=["record_id", "reason"])
        rows.writeheader()
        rows.writerows(asdict(each) for each in quarantined)
    names = table.select(["record_id", "digest", "labels"]).to_pylist()
    info = CorpusInfo(
        name=source.name,
        card=source.card,
        label_sets=source.label_sets,
        n_records=table.num_rows,
        n_subjects=len(set(table["subject_id"].to_pylist())),
        n_quarantined=len(quarantined),
        digest=digest_of(f"{r['record_id']} {r['digest']} {sorted(r['labels'])}" for r in names),
    )
    with write_whole(partial / "corpus.json") as target:
        target.write_text(info.model_dump_json(indent=1), encoding="utf-8")
    return info
