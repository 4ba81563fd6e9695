"""WFDB annotation files in the MIT format (`.atr`): beats, rhythms and other marks.

The codes are PhysioNet's; a rhythm holds from its mark to the next one. `decode` and `encode` turn
bytes into marks, `read_annotations` and `encode_annotations` marks into annotations.

Axes: N marks, W words of two bytes.
"""

import math
import re
import struct
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int

from medts.core.errors import MedtsError, ReadError
from medts.core.records import Annotation

BEATS = "NLRBAaJSVrFejnE/fQ?"
"""Symbols that stand for a heartbeat."""

_KIND_OF = {**dict.fromkeys(BEATS, "beat"), **dict.fromkeys("()ptu", "wave"), "~": "quality"}

_SYMBOLS = ' NLRaVFJASEj/Q~ | sT*D"=pB^t+u?![]en@xf()r'
"""The symbol of each code, from 0; a blank where there is none."""

_CODE_OF = {symbol: code for code, symbol in enumerate(_SYMBOLS) if symbol != " "}
_NO_MARK, _NOTE, _RHYTHM = 0, _CODE_OF['"'], _CODE_OF["+"]
_SKIP, _NUMBER, _SUBTYPE, _CHANNEL, _TEXT = 59, 60, 61, 62, 63

_LONGEST_STEP = 1023
_LAST_TICK = 2**31 - 1
_LONGEST_TEXT = 255

_RATE = re.compile(r"## time resolution: (\d{1,15}\.?\d{0,20}(?:[eE][-+]?\d{1,3})?)\s*")
_TYPE = re.compile(r"(\d{1,3}) (\S+)(?: .*)?")


@dataclass(frozen=True)
class Marks:
    """Content of an annotation file.

    Args:
        ticks: Times.
        codes: Types; `symbol_of` names them.
        subtypes: Of any meaning; 0 where a mark has none.
        channels: Signals that marks belong to; carried over from the mark before.
        numbers: Of any meaning; carried over from the mark before.
        texts: Notes, empty where there is none.
        rate: Ticks per second, where the file has it.
        own_symbols: Symbols by code that the file defines.
    """

    ticks: Int[np.ndarray, "N"]
    codes: Int[np.ndarray, "N"]
    subtypes: Int[np.ndarray, "N"]
    channels: Int[np.ndarray, "N"]
    numbers: Int[np.ndarray, "N"]
    texts: list[bytes]
    rate: float | None
    own_symbols: dict[int, str]

    def symbol_of(self, code: int) -> str:
        """Returns the symbol of a type, ``[50]`` for an undefined one."""
        known = _SYMBOLS[code].strip() if code < len(_SYMBOLS) else ""
        return self.own_symbols.get(code) or known or f"[{code}]"


def read_annotations(
    record: Path, frame_rate: float, end_s: float, extension: str = "atr"
) -> tuple[Annotation, ...]:
    """Reads the annotations of a record, named without suffix.

    Args:
        record: Path of the record without suffix.
        frame_rate: Ticks per second of files without a rate of their own, Hz.
        end_s: Where the last rhythm ends.
        extension: Suffix of the annotation file.

    Raises:
        ReadError: If the file is missing or is not an annotation file.
    """
    path = record.with_name(f"{record.name}.{extension}")
    try:
        marks = decode(path.read_bytes(), path)
    except OSError as error:
        raise ReadError(f"cannot be read: {error.strerror or error}", path=path) from error
    rate = marks.rate or frame_rate
    annotations: list[Annotation] = []
    rhythm_at: int | None = None
    symbols = {code: marks.symbol_of(code) for code in set(marks.codes.tolist())}
    kinds = {code: _KIND_OF.get(symbol, "mark") for code, symbol in symbols.items()}
    times_s = (marks.ticks / rate).tolist()
    for time_s, code, text in zip(times_s, marks.codes.tolist(), marks.texts, strict=True):
        if not text and code != _NOTE:  # most marks of a long recording
            annotations.append(Annotation(time_s, symbols[code], kinds[code]))
            continue
        annotation = _annotation(time_s, symbols[code], _decode_text(text))
        if annotation.kind == "rhythm":
            if rhythm_at is not None:
                annotations[rhythm_at] = _until(annotations[rhythm_at], annotation.time_s)
            rhythm_at = len(annotations) if annotation.label else None
            if rhythm_at is None:  # a rhythm without a name is where one ends
                continue
        annotations.append(annotation)
    if rhythm_at is not None:
        annotations[rhythm_at] = _until(annotations[rhythm_at], end_s)
    return tuple(annotations)


def decode(data: bytes, path: Path) -> Marks:
    """Decodes an annotation file in the MIT format, whose notes may define its rate and types.

    Args:
        data: The file.
        path: Where it was read, for errors.
    """
    if len(data) % 2:
        raise ReadError("an odd number of bytes is no annotation file", path=path)
    words = np.frombuffer(data, "<u2")
    codes, steps = words >> 10, (words & _LONGEST_STEP).astype(np.int64)
    is_mark = np.ones(len(words), dtype=np.bool_)
    fields: dict[int, list[tuple[int, int]]] = {_NUMBER: [], _SUBTYPE: [], _CHANNEL: []}
    texts: list[tuple[int, bytes]] = []
    end, at = len(words), 0
    # Most words are marks; only the others are visited one by one, but for those inside a note.
    for place in np.flatnonzero((codes >= _SKIP) | (words == 0)).tolist():
        if place < at:
            continue
        code, value, n_words = int(codes[place]), int(words[place]) & 255, 1
        if words[place] == 0:
            end = place
            break
        if code == _TEXT:
            texts.append((place, data[2 * place + 2 : 2 * place + 2 + value]))
            n_words = 1 + (value + 1) // 2
        elif code == _SKIP:
            n_words = 3
        else:
            fields[code].append((place, value))
        at = place + n_words
        if at >= len(words):
            break
        is_mark[place:at] = False
        steps[place:at] = 0
        if code == _SKIP:
            step = int(words[place + 1]) << 16 | int(words[place + 2])
            steps[place] = step - 2**32 if step > _LAST_TICK else step
    if end == len(words):
        remedy = "Fetch the file again"
        raise ReadError("the annotations are cut short: no end mark", path=path, remedy=remedy)
    is_mark = is_mark[:end]
    owner = np.cumsum(is_mark) - 1
    ticks, codes = np.cumsum(steps[:end])[is_mark], codes[:end][is_mark].astype(np.int64)
    if any(owner[place] < 0 for found in (texts, *fields.values()) for place, _ in found[:1]):
        raise ReadError("the annotations do not begin with a mark", path=path)
    notes = [b""] * len(ticks)
    for place, note in texts:
        notes[owner[place]] = note
    subtypes, _ = _spread(fields[_SUBTYPE], owner, len(ticks))
    channels = _carry(*_spread(fields[_CHANNEL], owner, len(ticks)))
    numbers = _carry(*_spread(fields[_NUMBER], owner, len(ticks)))
    n_leading, rate, own_symbols = _definitions(ticks, codes, notes, path)
    kept = np.flatnonzero((codes != _NO_MARK) & (np.arange(len(ticks)) >= n_leading))
    return Marks(
        ticks=ticks[kept],
        codes=codes[kept],
        subtypes=subtypes[kept].astype(np.int8).astype(np.int64),
        channels=channels[kept],
        numbers=numbers[kept].astype(np.int8).astype(np.int64),
        texts=[notes[row] for row in kept.tolist()],
        rate=rate,
        own_symbols=own_symbols,
    )


def _spread(
    found: list[tuple[int, int]], owner: Int[np.ndarray, "W"], n_marks: int
) -> tuple[Int[np.ndarray, "N"], Bool[np.ndarray, "N"]]:
    """Puts values found at words to the marks that own the words; True where one was found."""
    values, is_set = np.zeros(n_marks, np.int64), np.zeros(n_marks, np.bool_)
    for place, value in found:
        values[owner[place]], is_set[owner[place]] = value, True
    return values, is_set


def _carry(values: Int[np.ndarray, "N"], is_set: Bool[np.ndarray, "N"]) -> Int[np.ndarray, "N"]:
    """Fills forward; before the first value stands 0."""
    last = np.maximum.accumulate(np.where(is_set, np.arange(len(values)), 0))
    return values[last]


def _definitions(
    ticks: Int[np.ndarray, "N"], codes: Int[np.ndarray, "N"], notes: list[bytes], path: Path
) -> tuple[int, float | None, dict[int, str]]:
    """Reads the notes at the beginning that define something; returns how many those are."""
    texts: list[str] = []
    for tick, code, note in zip(ticks, codes, notes, strict=True):
        if tick != 0 or code != _NOTE or not note:
            break
        texts.append(_decode_text(note))
    rate: float | None = None
    symbols: dict[int, str] = {}
    n_leading, is_type = 0, False
    for text in texts:
        match = _RATE.fullmatch(text)
        own = _TYPE.fullmatch(text) if is_type else None
        if own is not None:
            symbols[int(own[1])] = own[2]
        elif match is not None and float(match[1]) > 0 and rate in (None, float(match[1])):
            rate = float(match[1])
        elif text in ("## annotation type definitions", "## end of definitions"):
            is_type = text != "## end of definitions"
        elif is_type or text.startswith("## time resolution"):
            problem = f"the annotations begin with a definition that cannot be used: {text!r}"
            raise ReadError(problem, path=path)
        else:  # a comment on the first sample
            break
        n_leading += 1
    if rate is not None and not rate < math.inf:
        raise ReadError(f"a time resolution of {rate} is impossible", path=path)
    return n_leading, rate, symbols


def encode_annotations(
    annotations: tuple[Annotation, ...], ticks_per_s: float, end_s: float, path: Path
) -> bytes:
    """Returns an annotation file, times rounded to ticks; kinds unknown to WFDB become comments.

    Args:
        annotations: In any order.
        ticks_per_s: Hz.
        end_s: Where the record ends; a rhythm that ends before that and before the next one is
            followed by one without a name.
        path: Where the file will be, for errors.
    """
    marks: list[tuple[int, bool, str, bytes]] = []
    ordered = sorted(annotations, key=lambda annotation: annotation.time_s)
    for annotation in ordered:
        symbol, text = _symbol(annotation)
        note = text.encode("utf-8", errors="surrogatepass")
        field = f"annotation {annotation.label[:20]!r} at {annotation.time_s:g} s"
        if not 0 <= annotation.time_s * ticks_per_s <= _LAST_TICK:
            raise _cannot_hold("WFDB cannot hold this time", path, field)
        if len(note) > _LONGEST_TEXT:
            problem = f"a label of {len(note)} bytes, WFDB holds {_LONGEST_TEXT}"
            raise _cannot_hold(problem, path, field)
        back = _annotation(annotation.time_s, symbol, _decode_text(note))
        if back.label != annotation.label or (back.kind == "rhythm" and not back.label):
            raise _cannot_hold("WFDB cannot hold this label", path, field)
        marks.append((round(annotation.time_s * ticks_per_s), True, symbol, note))
    rhythms = [each for each in ordered if each.kind == "rhythm"]
    starts = [*(each.time_s for each in rhythms[1:]), end_s]
    for rhythm, next_s in zip(rhythms, starts, strict=False):
        tick = round((rhythm.time_s + rhythm.duration_s) * ticks_per_s)
        if rhythm.duration_s > 0 and tick < round(next_s * ticks_per_s):
            marks.append((tick, False, "+", b"("))
    rate = int(ticks_per_s) if ticks_per_s == int(ticks_per_s) else ticks_per_s
    definition = _encode_mark(0, _NOTE, f"## time resolution: {rate}".encode())
    # A step back and a mark of no type one tick later end the definitions.
    words = [definition, struct.pack("<HHHH", _SKIP << 10, 0xFFFF, 0xFFFF, 1)]
    last = 0
    for tick, _, symbol, note in sorted(marks, key=lambda mark: mark[:2]):
        words.append(_encode_mark(tick - last, _CODE_OF[symbol], note))
        last = tick
    return b"".join([*words, b"\0\0"])


def _encode_mark(step: int, code: int, note: bytes) -> bytes:
    words = b""
    if step > _LONGEST_STEP:
        words, step = struct.pack("<HHH", _SKIP << 10, step >> 16, step & 0xFFFF), 0
    words += struct.pack("<H", code << 10 | step)
    if note:
        words += struct.pack("<H", _TEXT << 10 | len(note)) + note + b"\0" * (len(note) % 2)
    return words


def _cannot_hold(problem: str, path: Path, field: str) -> MedtsError:
    remedy = "Write it as .npz, which holds every record"
    return MedtsError(problem, path=path, field=field, remedy=remedy)


def _decode_text(note: bytes) -> str:
    try:
        text = note.decode("utf-8")
    except UnicodeDecodeError:
        text = note.decode("latin-1")
    return text.rstrip("\0 ")


def _annotation(time_s: float, symbol: str, text: str) -> Annotation:
    if symbol == "+" and text.startswith("("):
        return Annotation(time_s=time_s, label=text[1:], kind="rhythm")
    if symbol == '"' or (symbol == "+" and text):
        return Annotation(time_s=time_s, label=text, kind="comment")
    return Annotation(time_s=time_s, label=symbol, kind=_KIND_OF.get(symbol, "mark"))


def _symbol(annotation: Annotation) -> tuple[str, str]:
    if annotation.kind == "rhythm":
        return "+", f"({annotation.label}"
    label = annotation.label
    if label != '"' and label in _CODE_OF and _KIND_OF.get(label, "mark") == annotation.kind:
        return label, ""
    return '"', label


def _until(rhythm: Annotation, end_s: float) -> Annotation:
    return replace(rhythm, duration_s=max(end_s - rhythm.time_s, 0.0))
