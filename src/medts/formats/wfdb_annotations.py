"""WFDB annotations: beats, rhythms and other marks kept in a file beside the signal.

The codes are PhysioNet's; a rhythm holds from its mark to the next one.
"""

import re
from dataclasses import replace
from pathlib import Path

from medts.core.errors import ReadError
from medts.core.records import Annotation

BEATS = "NLRBAaJSVrFejnE/fQ?"
"""Symbols that stand for a heartbeat."""

_KIND_OF = {**dict.fromkeys(BEATS, "beat"), **dict.fromkeys("()ptu", "wave"), "~": "quality"}

_SPECIAL = re.compile(
    rb"## (time resolution: (?=\d)|annotation type definitions|end of definitions|)"
)
"""Notes that define something about the file; wfdb 4.3 never returns from an unknown one."""


def read_annotations(
    record: Path, frame_rate: float, end_s: float, extension: str = "atr"
) -> tuple[Annotation, ...]:
    """Reads the annotations of a record, named without suffix.

    Args:
        record: Path of the record without suffix.
        frame_rate: Ticks per second that the annotations count in, where they do not say, Hz.
        end_s: Where the last rhythm ends.
        extension: Suffix of the annotation file.

    Raises:
        ReadError: If the file is not an annotation file.
    """
    import wfdb

    path = record.with_name(f"{record.name}.{extension}")
    special = _SPECIAL.findall(path.read_bytes())
    if b"" in special or len(set(special)) < len(special):
        raise ReadError("the annotations begin with an unknown definition", path=path)
    try:
        marks = wfdb.rdann(str(record), extension)
    except (ValueError, IndexError, KeyError, TypeError) as error:
        raise ReadError(f"the annotations cannot be read: {error}", path=path) from error
    rate = float(marks.fs or frame_rate)
    annotations: list[Annotation] = []
    rhythm_at: int | None = None
    for sample, symbol, note in zip(
        marks.sample.tolist(), marks.symbol or [], marks.aux_note or [], strict=True
    ):
        text = note.rstrip("\0 ")
        annotation = _annotation(sample / rate, symbol, text)
        if annotation.kind == "rhythm":
            if rhythm_at is not None:
                annotations[rhythm_at] = _until(annotations[rhythm_at], annotation.time_s)
            rhythm_at = len(annotations)
        annotations.append(annotation)
    if rhythm_at is not None:
        annotations[rhythm_at] = _until(annotations[rhythm_at], end_s)
    return tuple(annotations)


def write_annotations(
    annotations: tuple[Annotation, ...], folder: Path, name: str, ticks_per_s: float
) -> None:
    """Writes ``name.atr``, times rounded to ticks; kinds unknown to WFDB become comments."""
    import numpy as np
    import wfdb

    ordered = sorted(annotations, key=lambda annotation: annotation.time_s)
    pairs = [_symbol(annotation) for annotation in ordered]
    wfdb.wrann(
        name,
        "atr",
        sample=np.array([round(each.time_s * ticks_per_s) for each in ordered], dtype=np.int64),
        symbol=[symbol for symbol, _ in pairs],
        aux_note=[note for _, note in pairs],
        fs=ticks_per_s,
        write_dir=str(folder),
    )


def _annotation(time_s: float, symbol: str, text: str) -> Annotation:
    if symbol == "+" and text.startswith("("):
        return Annotation(time_s=time_s, label=text[1:], kind="rhythm")
    if symbol in ('"', "+") and text:
        return Annotation(time_s=time_s, label=text, kind="comment")
    return Annotation(time_s=time_s, label=symbol, kind=_KIND_OF.get(symbol, "mark"))


def _symbol(annotation: Annotation) -> tuple[str, str]:
    if annotation.kind == "rhythm":
        return "+", f"({annotation.label}"
    if _KIND_OF.get(annotation.label) == annotation.kind:
        return annotation.label, ""
    return '"', annotation.label


def _until(rhythm: Annotation, end_s: float) -> Annotation:
    return replace(rhythm, duration_s=max(end_s - rhythm.time_s, 0.0))
