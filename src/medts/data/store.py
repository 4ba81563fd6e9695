"""Store of recordings: memory-mapped int16 shards with a Parquet index, one or several datasets.

On disk a store is a folder with one folder per corpus::

    STORE/ptb-xl/corpus.json          what the corpus is, its label sets, counts, digest
                 index.parquet        one row per record: subject, fold, labels, report, streams
                 quarantine.csv       records that could not be read, and why
                 shards/00000.i16     the signals, int16, one channel after the other

A corpus appears under its name only when its ingest has ended (`medts.data.ingest`), so a store
that opens is complete. Windows and preprocessing are left to `medts.data.windows`.

Axes: B windows in the batch, C channels, T samples in time.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float

from medts.core.errors import StoreError, unknown_name
from medts.core.records import Annotation, Record, Statement, Stream
from medts.data.quality import QUALITY_FIELDS
from medts.data.recordings import CorpusInfo, Recordings
from medts.data.shards import STREAM_TYPE, dequantise

INDEX_SCHEMA = pa.schema(
    [
        ("record_id", pa.string()),
        ("subject_id", pa.string()),
        ("fold", pa.string()),
        ("digest", pa.string()),
        ("report", pa.string()),
        ("labels", pa.map_(pa.string(), pa.list_(pa.string()))),
        (
            "statements",
            pa.list_(
                pa.struct(
                    [("code", pa.string()), ("system", pa.string()), ("likelihood", pa.float64())]
                )
            ),
        ),
        (
            "annotations",
            pa.list_(
                pa.struct(
                    [
                        ("time_s", pa.float64()),
                        ("label", pa.string()),
                        ("kind", pa.string()),
                        ("channel", pa.string()),
                        ("duration_s", pa.float64()),
                    ]
                )
            ),
        ),
        ("facts", pa.string()),
        ("streams", pa.list_(STREAM_TYPE)),
        *QUALITY_FIELDS,
    ]
)


class Store(Recordings):
    """Opens one or several store folders as one list of records.

    Rows are numbered 0 … ``len(store) - 1`` over all corpora; ids are ``corpus/record``.

    Raises:
        StoreError: If a folder is no store, holds no finished corpus, or two hold the same one.
    """

    def __init__(self, *paths: str | Path) -> None:
        self.paths = tuple(Path(path) for path in paths)
        folders = [folder for path in self.paths for folder in _corpus_folders(path)]
        self.corpora: dict[str, CorpusInfo] = {}
        self._folders: dict[str, Path] = {}
        for folder in folders:
            info = _read_info(folder)
            if info.name in self.corpora:
                raise StoreError(f"corpus {info.name!r} is in two of the stores", path=folder)
            self.corpora[info.name] = info
            self._folders[info.name] = folder
        counts = [info.n_records for info in self.corpora.values()]
        self._corpus_of_row = np.repeat(np.array(list(self.corpora)), counts)
        self._first_row = dict(zip(self.corpora, np.cumsum([0, *counts]).tolist(), strict=False))
        self._shards: dict[tuple[str, int], np.ndarray] = {}
        self._tables: dict[str, pa.Table] = {}

    @property
    def where(self) -> Path:
        """Folder to name in errors."""
        return self.paths[0]

    def only(self, *corpora: str) -> "Store":
        """Returns the part of the store that holds some of its corpora, and no other.

        Corpora share names of folds, and whoever trains without labels takes all of a fold.

        Raises:
            UnknownNameError: If one is not in the store.
        """
        for name in corpora:
            if name not in self._folders:
                raise unknown_name("corpus", name, self._folders)
        return Store(*(self._folders[name] for name in corpora))

    def column(self, name: str) -> list[Any]:
        """Returns one column of the index for all records, as Python values."""
        values: list[Any] = []
        for folder in self._folders.values():
            values += pq.read_table(folder / "index.parquet", columns=[name])[name].to_pylist()
        return values

    @property
    def corpus_of_row(self) -> np.ndarray:
        """Name of the corpus that each row belongs to."""
        return self._corpus_of_row

    def read(
        self, row: int, stream: str, start: int = 0, n_samples: int | None = None
    ) -> Float[np.ndarray, "C T"]:
        """Returns physical values of one stream, all of it unless a window is asked for."""
        entry = self.stream_entry(row, stream)
        stop = entry["n_samples"] if n_samples is None else start + n_samples
        values = self._integers(row, entry)[:, start:stop]
        out = np.empty(values.shape, dtype=np.float32)
        dequantise(values, entry, out)
        return out

    def read_batch(
        self, rows: Sequence[int], stream: str, starts: Sequence[int], n_samples: int
    ) -> Float[np.ndarray, "B C T"]:
        """Returns windows of equal length from records with the same channels.

        Made for speed: values are within one unit in the last place of what `read` gives.

        Raises:
            StoreError: If channels differ, or a window reaches past the end of its record.
        """
        entries = [self.stream_entry(row, stream) for row in rows]
        channels = entries[0]["channels"]
        out = np.empty((len(rows), len(channels), n_samples), dtype=np.float32)
        for b, (row, entry, start) in enumerate(zip(rows, entries, starts, strict=True)):
            if entry["channels"] != channels:
                raise StoreError(
                    f"channels differ from those of {self.record_ids[rows[0]]}",
                    path=self.record_ids[row],
                    field="channels",
                )
            if start + n_samples > entry["n_samples"]:
                raise StoreError("window reaches past the end", path=self.record_ids[row])
            values = self._integers(row, entry)[:, start : start + n_samples]
            dequantise(values, entry, out[b], is_exact=False)
        return out

    def stream_entry(self, row: int, stream: str) -> dict[str, Any]:
        """Returns what the index says of one stream of one record.

        Raises:
            StoreError: If the record has no such stream.
        """
        if stream not in self.streams[row]:
            raise StoreError(
                f"no stream {stream!r}",
                path=self.record_ids[row],
                remedy=f"It has {', '.join(self.streams[row])}",
            )
        return self.streams[row][stream]

    def _integers(self, row: int, entry: dict[str, Any]) -> np.ndarray:
        key = (self._corpus_of_row[row], entry["shard"])
        if key not in self._shards:
            path = self._folders[key[0]] / "shards" / f"{key[1]:05d}.i16"
            self._shards[key] = np.asarray(np.memmap(path, dtype=np.int16, mode="r"))
        n_channels, n_samples = len(entry["channels"]), entry["n_samples"]
        start = entry["offset"]
        values = self._shards[key][start : start + n_channels * n_samples]
        return values.reshape(n_channels, n_samples)

    def record(self, row: int) -> Record:
        """Returns one record as it was read from its file, with all that the index knows."""
        corpus = self._corpus_of_row[row]
        if corpus not in self._tables:
            self._tables[corpus] = pq.read_table(self._folders[corpus] / "index.parquet")
        fields = self._tables[corpus].slice(row - self._first_row[corpus], 1).to_pylist()[0]
        streams = {
            entry["name"]: Stream(
                signal=self.read(row, entry["name"]),
                channels=tuple(entry["channels"]),
                sampling_rate=entry["sampling_rate"],
                modality=entry["modality"],
                unit=entry["unit"],
                start_s=entry["start_s"],
                resolution=np.array(entry["step"]),
            )
            for entry in fields["streams"]
        }
        return Record(
            record_id=self.record_ids[row],
            subject_id=self.subject_ids[row],
            streams=streams,
            report=fields["report"],
            statements=tuple(Statement(**each) for each in fields["statements"]),
            annotations=tuple(Annotation(**each) for each in fields["annotations"]),
            facts=json.loads(fields["facts"]),
        )


def _corpus_folders(path: Path) -> list[Path]:
    if not path.is_dir():
        raise StoreError("no such store", path=path, remedy="Make one with `medts ingest`")
    if (path / "corpus.json").is_file() and path.suffix != ".partial":
        return [path]
    found = sorted(file.parent for file in path.glob("*/corpus.json"))
    folders = [folder for folder in found if folder.suffix != ".partial"]
    if not folders:
        partial = [folder.name for folder in path.glob("*.partial")]
        remedy = (
            f"Ingest of {', '.join(partial)} was cut short; run the same command again"
            if partial
            else "Make one with `medts ingest SOURCE PATH STORE`"
        )
        raise StoreError("holds no finished corpus", path=path, remedy=remedy)
    return folders


def _read_info(folder: Path) -> CorpusInfo:
    path = folder / "corpus.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    version = content.get("format_version")
    if version != 1:
        raise StoreError(
            f"layout version {version!r} is not 1",
            path=path,
            field="format_version",
            remedy="Ingest the corpus again with this version of medts",
        )
    return CorpusInfo(**content)


def open_recordings(data: Recordings | str | Path | Sequence[str | Path]) -> Recordings:
    """Returns recordings as they are, or opens the store or stores at their paths."""
    if isinstance(data, Recordings):
        return data
    return Store(data) if isinstance(data, str | Path) else Store(*data)
