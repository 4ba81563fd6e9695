"""`medts info THING`: the content of a store, a bundle, a run, a recording or a folder of them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from medts.cli.console import make_console
from medts.cli.flags import Reading, ReadingFlags
from medts.cli.inspection import show_folder
from medts.core.labels import LabelSet
from medts.core.records import Record


@dataclass(frozen=True)
class Info:
    """Show the content of a store, a bundle, a run, a recording or a folder of recordings."""

    thing: tyro.conf.Positional[str]
    """Folder of a store, a bundle or a run, a recording in any known format or a folder of them, or
    the name of a shipped bundle."""

    reading: Reading = field(default_factory=ReadingFlags)


def run(arguments: Sequence[str]) -> None:
    """Parses and looks."""
    flags = tyro.cli(Info, prog="medts info", args=arguments)
    thing, hints = flags.thing, flags.reading.hints()
    from medts.inference.folder import is_bundle, is_name, shipped_bundles

    console, path = make_console(), Path(thing)
    if not path.exists() and is_name(thing) and thing in shipped_bundles():
        _show_bundle(thing, console)
    elif is_bundle(path):
        _show_bundle(path, console)
    elif path.is_dir() and (
        next(path.glob("*/corpus.json"), None) or next(path.glob("*.partial"), None)
    ):
        _show_store(path, console)
    elif path.is_dir():
        show_folder(path, hints, console)
    else:
        _show_recording(path, hints, console)


def _show_store(path: Path, console: Console) -> None:
    from medts.data.store import Store

    store = Store(path)
    is_usable = np.array(store.column("is_usable"), dtype=bool)
    for name, info in store.corpora.items():
        is_of_corpus = store.corpus_of_row == name
        folds = Counter(store.folds[is_of_corpus])
        console.print(
            f"[bold]{name}[/]: {info.card.title}; {info.card.licence}\n"
            f"{info.n_records} records of {info.n_subjects} subjects, "
            f"{info.n_quarantined} quarantined; digest {info.digest[:16]}"
        )
        n_usable = int(is_usable[is_of_corpus].sum())
        console.print(f"signal quality: {n_usable} of {info.n_records} records usable")
        if info.card.synthetic:
            console.print("[yellow]synthetic: no person was recorded[/]")
        ordered = sorted(folds.items(), key=lambda each: (len(each[0]), each[0]))
        console.print("folds: " + ", ".join(f"{fold} ({count})" for fold, count in ordered))
        table = Table("label set", "kind", "records", "classes (records)")
        for label_set in info.label_sets:
            rows = [labels for labels in store.labels(label_set.name) if labels is not None]
            shown = (_ranges if label_set.has_numbers else _counts)(label_set, rows)
            table.add_row(label_set.name, label_set.kind, str(len(rows)), shown)
        console.print(table)


def _counts(label_set: LabelSet, rows: list[tuple[str, ...]]) -> str:
    """Returns how many records have each class."""
    counts = Counter(label for labels in rows for label in labels)
    classes = ", ".join(f"{each} {counts[each]}" for each in label_set.classes[:12])
    return classes + (f", … {len(label_set)} in all" if len(label_set) > 12 else "")


def _ranges(label_set: LabelSet, rows: list[tuple[str, ...]]) -> str:
    """Returns how many records have each number of a set, and its mean and range."""
    found = []
    for name, column in zip(label_set.classes, label_set.encode(rows).T, strict=True):
        known, unit = column[np.isfinite(column)], label_set.units.get(name, "")
        if len(known):
            span = f"mean {known.mean():.4g}, {known.min():.4g} to {known.max():.4g} {unit}".strip()
            found.append(f"{name} {len(known)} ({span})")
    return ", ".join(found)


def _show_bundle(path: str | Path, console: Console) -> None:
    from medts.inference.predictor import load

    model = load(path, device="cpu")
    console.print(model.card, markup=False)
    console.print(f"digest {model.facts.digest[:16]}; gives its expected output")


def _show_quality(record: Record, console: Console) -> None:
    """Prints the verdict, and the channels that have a finding."""
    from medts.signal.quality import judge

    quality = judge(record)
    console.print(f"quality: {'usable' if quality.is_usable else 'not usable'}")
    for sentence in (*quality.warnings(), *quality.words_not_judged()):
        console.print(sentence, markup=False)
    for channel in quality.findings:
        if problems := quality.problems(channel):
            console.print(f"{channel}: {'; '.join(problems)}", markup=False)


def _show_recording(path: Path, hints: dict[str, Any], console: Console) -> None:
    from medts.formats import find_format, read

    record = read(path, **hints)
    subject = f", subject {record.subject_id}" if record.subject_id else ""
    console.print(f"[bold]{record.record_id}[/] ({find_format(path).name}){subject}")
    table = Table("stream", "modality", "Hz", "seconds", "unit", "channels")
    for name, stream in record.streams.items():
        table.add_row(
            name,
            stream.modality,
            f"{stream.sampling_rate:g}",
            f"{stream.duration_s:.2f}",
            stream.unit,
            ", ".join(stream.channels),
        )
    console.print(table)
    _show_quality(record, console)
    if record.annotations:
        counts = Counter(f"{each.kind} {each.label}" for each in record.annotations)
        common = ", ".join(f"{label} ({count})" for label, count in counts.most_common(8))
        console.print(f"{len(record.annotations)} annotations: {common}")
    for name, fact in record.facts.items():
        console.print(f"{name}: {fact}", markup=False)
    if record.report:
        console.print(f"report: {record.report}", markup=False)
