"""Contract tests of sources and formats, as functions that any package can call on its own."""

import pickle
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from medts.core.errors import MedtsError
from medts.core.labels import LabelSet
from medts.core.records import Record, Stream
from medts.data.sources.base import Entry, Source, SourceCard
from medts.formats import FORMATS, read

_N_READ = 3
"""Records of a source that are read whole."""


def check_source(source: Source, path: Path | None = None) -> None:
    """Holds a source to its promises: card, label sets, and entries where there are files.

    Args:
        source: The corpus.
        path: Folder of its official layout; left out for one that needs no files, such as a
            synthetic one.

    Raises:
        AssertionError: If a promise is broken.
    """
    name = getattr(source, "name", "")
    assert name, "a source needs a name"
    card = getattr(source, "card", None)
    assert isinstance(card, SourceCard), f"{name} has no card"
    for field in ("title", "licence", "citation", "obtain"):
        assert getattr(card, field).strip(), f"the card of {name} leaves out its {field}"
    sets = {each.name.partition("/")[2]: each for each in source.label_sets}
    for each in source.label_sets:
        corpus = each.name.partition("/")[0]
        assert corpus == name, f"label set {each.name!r} is not named {name}/…"
    entries = list(source.entries(path or Path("-")))
    assert entries, f"{name} lists no entry"
    _check_entries(entries, sets)
    again = [each.record_id for each in source.entries(path or Path("-"))]
    assert again == [each.record_id for each in entries], "entries come in another order each time"
    for each in islice(entries, _N_READ):
        _check_record(each)


def _check_entries(entries: list[Entry], sets: dict[str, LabelSet]) -> None:
    ids = [each.record_id for each in entries]
    doubled = sorted({each for each in ids if ids.count(each) > 1} if len(ids) < 5000 else set())
    assert len(set(ids)) == len(ids), f"record ids occur twice: {doubled[:3]}"
    fold_of: dict[str, str] = {}
    for each in entries:
        named = each.fold in ("train", "validation", "test")
        assert named or each.fold.isdigit(), f"{each.record_id}: fold {each.fold!r}"
        first = fold_of.setdefault(each.subject_id, each.fold)
        assert first == each.fold, (
            f"subject {each.subject_id!r} is in folds {first} and {each.fold}"
        )
        strangers = set(each.labels) - set(sets)
        assert not strangers, f"{each.record_id}: labels of unknown sets {sorted(strangers)}"
        for key, labels in each.labels.items():
            if sets[key].has_numbers:
                _check_numbers(each.record_id, sets[key], labels)
                continue
            unknown = set(labels or ()) - set(sets[key].classes)
            assert not unknown, f"{each.record_id}: {sorted(unknown)} are no classes of {key}"


def _check_numbers(record_id: str, label_set: LabelSet, labels: tuple[str, ...] | None) -> None:
    try:
        label_set.encode([] if labels is None else [labels])
    except MedtsError as error:
        raise AssertionError(f"{record_id}: {error}") from error


def _check_record(entry: Entry) -> None:
    load = pickle.loads(pickle.dumps(entry.load))
    try:
        record = load()
    except MedtsError:
        return  # unreadable, and refused
    assert record.record_id == entry.record_id, (
        f"entry {entry.record_id!r} loads record {record.record_id!r}"
    )
    assert record.subject_id == entry.subject_id, (
        f"entry of subject {entry.subject_id!r} loads one of {record.subject_id!r}"
    )
    for name, stream in record.streams.items():
        assert np.isfinite(stream.signal).any(), f"{record.record_id}: {name} holds no number"


def check_format(name: str) -> None:
    """Holds a format to its promises: a record written is recognised and comes back by name.

    One that is only read must not claim what is no recording.

    Args:
        name: Its key in `medts.formats.FORMATS`.

    Raises:
        AssertionError: If a promise is broken.
    """
    own = FORMATS[name]
    assert own.name.strip(), f"{name} has no name to be shown"
    assert own.suffixes, f"{name} has no suffix"
    steps = np.random.default_rng(0).integers(-3000, 3000, (3, 500))
    signal = (steps * 0.001).astype(np.float32)
    stream = Stream(signal, ("V1", "I", "aVF"), 250.0, "ecg", "mV", resolution=np.full(3, 0.001))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "record"
        for content in (b"", bytes(600), b"Dear colleague,\n"):
            path.write_bytes(content)
            assert not own.recognises(path), f"{name} claims {content[:20]!r}"
        if not own.is_writable:
            return
        path.unlink()
        own.write(Record("record", {"ecg": stream}), path)
        claimed = [key for key, each in FORMATS.items() if each.recognises(path)]
        assert claimed == [name], f"a file of {name} is recognised by {claimed or 'nothing'}"
        back = read(path, channels=("I", "V1"))
        assert list(back.streams) == ["ecg"], f"streams come back as {list(back.streams)}"
        found = back.streams["ecg"]
        assert found.channels == ("I", "V1"), f"channels come back as {found.channels}"
        assert found.sampling_rate == 250.0, f"250 Hz come back as {found.sampling_rate:g}"
        assert found.unit == "mV", f"mV come back as {found.unit}"
        apart = float(np.abs(found.signal - signal[[1, 0]]).max())
        assert apart < 5e-4, f"samples come back {apart:.2g} mV off"
        _check_damage(name, Path(folder), path)


def _check_damage(name: str, folder: Path, path: Path) -> None:
    """Cuts each file short in several places; what is left is read, or refused in words."""
    for file in sorted(folder.iterdir()):
        whole = file.read_bytes()
        for share in (0.0, 0.05, 0.3, 0.7):
            file.write_bytes(whole[: int(share * len(whole))])
            try:
                read(path)
            except MedtsError:
                continue
            except Exception as error:  # whatever a reader lets through
                raise AssertionError(
                    f"{file.name} of {name}, cut to {share:.0%}, raises {type(error).__name__}: "
                    f"{error}"
                ) from error
            finally:
                file.write_bytes(whole)
