"""Layout of a table of channels: encoding, delimiter, preamble, names, units, first row of numbers.

Exports put comments, ``sep=``, a person's data or a row of units before the numbers. Rate, unit and
lead are taken from such a preamble; a person's name and birth date never are. Numbers are parsed
by `medts.formats.csv`.
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from medts.core.channels import ECG_LEADS, canonical_channel
from medts.core.errors import MedtsError
from medts.core.units import canonical_unit
from medts.formats.csv_times import is_clock, unit_seconds

MISSING = (
    *("", "nan", "NaN", "NAN", "NA", "N/A", "n/a", "#N/A", "#NV", "null", "NULL", "None", "none"),
    *("-", "--", "?"),
)
"""Cells of samples that were never recorded."""

HEAD = 65_536
"""Bytes in which the first row of numbers must begin."""

_MOST_ABOVE = 400
"""Lines among which it must be."""

_DELIMITERS = "\t;|, "
NO_DELIMITER = "\x1f"
_NUMBER = re.compile(r"[+\-−]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d+)?|[+-]?inf", re.IGNORECASE)
_GROUPED = re.compile(r"[+\-−]?\d{1,3}(?:[.,' ]\d{3})+(?:[.,]\d+)?")
_LISTED = re.compile(r"\"?[+\-−]?\d+(?:[.,]\d+)?(?:[eE][+-]?\d+)?\"?[,;]?")
_SEP = re.compile(r"\s*\"?sep=(.)\"?\s*", re.IGNORECASE)
_COMMENT = re.compile(r"\s*\"?(?:#|%|//)+")
_HEADING = re.compile(r"(?P<name>.*?)\s*(?:\[(?P<square>[^\]]*)\]|\((?P<round>[^)]*)\))?\s*")
_SUFFIXED = re.compile(
    r"(?P<name>.*[^\s_/,])[\s_/,]+(?P<unit>(?:[munµμ]v|(?:milli|micro)volts?|mmhg))"
)
_RATE_KEY = re.compile(
    r"\b(?:fs|sfreq|srate|sampl\w*[ _-]?(?:rate|freq\w*)|samples (?:per|/) ?s\w*"
    r"|abtast(?:rate|frequenz)|messrate|meetfrequentie|bemonsterings\w*"
    r"|fr.quence d.\w*chantillonnage"
    r"|frecuencia de muestreo|frequenza di campionamento|frequ.ncia de amostragem)\b"
    r"[\W_]{0,4}(?:\(?k?hz\)?\W{0,4})?(?P<number>\d+(?:[.,]\d+)?)\s*(?P<kilo>k)?",
    re.IGNORECASE,
)
_INTERVAL = re.compile(
    r"\binterval\b\W{0,4}(?P<number>\d+(?:[.,]\d+)?)\s*(?P<unit>[^\W\d]+)", re.IGNORECASE
)
_HERTZ = re.compile(
    r"(?P<number>\d+(?:[.,]\d+)?)\s*(?:k(?=hz)|)"
    r"(?:hz|h[eé]r[tcț]\w*|hrc\w*|г[еэ]рц\w*|χερτζ|ヘルツ|赫兹|赫茲|赫|헤르츠|هرتز|הרץ|เฮิรตซ์)",
    re.IGNORECASE,
)
_UNIT_KEY = re.compile(
    r"(?:units?|einheit(?:en)?|unit.s?|unidade?s?|eenhe(?:id|den))", re.IGNORECASE
)
_CLOCK_FORMAT = re.compile(r"(?:h+|m+|s+|y+|d+|[:.,/\s\[\]-])+", re.IGNORECASE)
_LOOKED_AT = 50


@dataclass(frozen=True)
class Layout:
    """How a table is laid out, and what its preamble states.

    Args:
        delimiter: Between cells.
        headings: Of the columns; empty where the first row holds numbers.
        units: Of the columns, from a row of units; empty where there is none.
        first: Line of the first row of numbers, from 0.
        row: Its cells.
        sampling_rate: Hz.
        unit: Of all channels.
        is_listing: Whether it is one number a line below a preamble, so that a comma is decimal.
    """

    delimiter: str
    headings: tuple[str, ...]
    units: tuple[str, ...]
    first: int
    row: tuple[str, ...]
    sampling_rate: float | None = None
    unit: str = ""
    is_listing: bool = False


def decode(data: bytes) -> str:
    """Decodes UTF-8 or UTF-16 with or without a mark, else Latin-1, as older devices write µ."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = data.decode("utf-16", "replace")
    elif b"\0" in data[:4]:
        text = data.decode("utf-16-be" if data[:1] == b"\0" else "utf-16-le", "replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def is_number(cell: str) -> bool:
    """Whether a cell holds a number, with a point or a comma, or with thousands set apart."""
    return _NUMBER.fullmatch(cell) is not None or _GROUPED.fullmatch(cell) is not None


def split_row(line: str, delimiter: str) -> list[str]:
    """Returns the cells of one line without blanks and quotes around them."""
    if delimiter == " ":
        line = " ".join(line.split())
    cells = next(csv.reader([line.strip("\n")], delimiter=delimiter), [])
    return [cell.strip().strip("'").strip() for cell in cells]


def split_heading(heading: str) -> tuple[str, str]:
    """Splits ``I [mV]``, ``I (mV)`` or ``I_mV`` into name and unit."""
    text = heading.strip()
    match = _HEADING.fullmatch(text)
    if match is not None and (unit := match["square"] or match["round"]):
        return match["name"], unit.strip()
    if (match := _SUFFIXED.fullmatch(text.lower())) is not None:
        return text[: match.end("name")], match["unit"]
    return text, ""


@lru_cache(4)
def find_layout(text: str) -> Layout | None:
    """Finds the first row of numbers and what stands above it; None in other texts."""
    lines = text.split("\n", _MOST_ABOVE)[:_MOST_ABOVE]
    filled = [number for number, line in enumerate(lines) if line.strip()]
    if len(filled) < 2:
        return None
    stated = _SEP.fullmatch(lines[filled[0]])
    for number in filled:
        if _COMMENT.match(lines[number]):
            continue
        delimiter = stated[1] if stated else _delimiter(lines[number])
        cells = split_row(lines[number], delimiter)
        if _is_data(cells):
            return _describe(lines, number, delimiter, cells)
    first, second = filled[:2]
    delimiter = max(",;\t", key=lines[first].count)
    headings, cells = (split_row(lines[each], delimiter) for each in (first, second))
    if len(headings) != len(cells) or not any(map(is_number, cells)):
        return None
    return Layout(delimiter, tuple(headings), (), second, tuple(cells))


def _delimiter(line: str) -> str:
    """Picks the delimiter with which every cell is a number, else one that the line has."""
    found = [each for each in _DELIMITERS if each in line.strip()]
    return next(
        (each for each in found if all(map(_is_value, split_row(line, each)))),
        next((each for each in found if each != " "), NO_DELIMITER),
    )


def _is_value(cell: str) -> bool:
    return cell in MISSING or is_number(cell) or is_clock(cell)


def _is_data(cells: Sequence[str]) -> bool:
    """Whether a row begins with a value and holds more numbers than words."""
    if not cells or not _is_value(cells[0]) or is_unit_row(cells):
        return False
    n_numbers = sum(map(is_number, cells)) + is_clock(cells[0])
    n_words = sum(not _is_value(cell) for cell in cells)
    return n_numbers > max(0, n_words - 1) and any(map(is_number, cells))


def is_unit_row(cells: Sequence[str]) -> bool:
    """Whether every cell is a unit, a format of times or empty, and some are units.

    >>> is_unit_row(["hh:mm:ss.mmm", "mV"]), is_unit_row(["V1", "V"]), is_unit_row(["1", "2"])
    (True, False, False)
    """
    units = [_bare(cell) for cell in cells]
    if not any(_is_unit(unit) for unit in units):
        return False
    return all(
        unit in MISSING
        or _is_unit(unit)
        or unit_seconds(unit) is not None
        or unit.lower().startswith("sample")
        or _CLOCK_FORMAT.fullmatch(unit) is not None
        for unit in units
    )


def _bare(cell: str) -> str:
    return cell.strip("[]() ")


def _is_unit(text: str) -> bool:
    if text in MISSING or is_number(text):
        return False
    try:
        canonical_unit(text)
    except MedtsError:
        return False
    return True


def _describe(lines: list[str], first: int, delimiter: str, row: list[str]) -> Layout:
    while first and delimiter in lines[first - 1] and _is_empty(lines[first - 1], delimiter):
        first -= 1  # samples that were not recorded
    preamble = [line for line in lines[:first] if line.strip()]
    comments = [_COMMENT.sub("", line) for line in preamble if _COMMENT.match(line)]
    above = [line for line in preamble if not _COMMENT.match(line) and not _SEP.fullmatch(line)]
    below = [line.strip() for line in lines[first : first + _LOOKED_AT] if line.strip()]
    is_apart = first > 0 and not lines[first - 1].strip()
    if above and (is_apart or _is_unit(_value_of(above[-1]))):
        listing = _listing(above, first, below)
        if listing is not None:
            return listing
    units: tuple[str, ...] = ()
    if above and is_unit_row(cells := split_row(above[-1], delimiter)):
        units = tuple(_bare(cell) for cell in cells)
        above = above[:-1]
    headings: tuple[str, ...] = ()
    keyed = {cells[0]: cells[1:] for line in above if (cells := split_row(line, delimiter))}
    if titles := keyed.get("ChannelTitle="):  # LabChart
        headings, units = ("time", *titles), ("", *keyed.get("UnitName=", ()))
        units = units if len(units) == len(headings) else ()
    elif above:
        headings, above = _headings(above[-1], delimiter), above[:-1]
    elif comments and len(cells := _headings(comments[-1], delimiter)) == len(row) > 1:
        headings, comments = cells, comments[:-1]
    stated = [*comments, *above]
    unit = next((_value_of(line) for line in stated if _UNIT_KEY.fullmatch(_key_of(line))), "")
    return Layout(
        *(delimiter, headings, units, first, tuple(row)),
        sampling_rate=_stated_rate(stated),
        unit=unit if _is_unit(unit) else "",
    )


def _is_empty(line: str, delimiter: str) -> bool:
    return all(cell in MISSING for cell in split_row(line, delimiter))


def _headings(line: str, delimiter: str) -> tuple[str, ...]:
    cells = split_row(line, delimiter)
    if delimiter == " ":  # the unit after a blank belongs to the name before it
        cells = re.sub(r" (?=[\[(])", "\t", " ".join(cells)).replace(" ", "\n").split("\n")
        cells = [cell.replace("\t", " ") for cell in cells]
    return tuple(cells)


def _key_of(line: str) -> str:
    return re.split(r"[,;:=\t]", line, maxsplit=1)[0].strip(" \"'")


def _value_of(line: str) -> str:
    parts = re.split(r"[,;:=\t]", line, maxsplit=1)
    return parts[1].strip(" \"',;\t") if len(parts) > 1 else ""


def _listing(above: list[str], first: int, below: list[str]) -> Layout | None:
    """Reads one number a line below keys and values in any language, as a watch exports them."""
    if not all(_LISTED.fullmatch(line) for line in below):
        return None
    values = [_value_of(line) for line in above]
    rates = [match for value in values if (match := _HERTZ.fullmatch(value))]
    if len(rates) > 1 or (not rates and not (len(above) > 1 and _is_unit(values[-1]))):
        return None
    words = [re.findall(r"[A-Za-z]+\d?", each)[-1:] for each in values if not _is_unit(each)]
    leads = [word[0] for word in words if word and word[0] != "V" and word[0].lower() in ECG_LEADS]
    unit = next((value for value in reversed(values) if _is_unit(value)), "")
    lead = canonical_channel(leads[-1]) if leads else ""
    rate = None
    if rates:
        rate = _number(rates[0]["number"]) * (1000.0 if "khz" in rates[0][0].lower() else 1.0)
    return Layout(NO_DELIMITER, (lead,), (), first, (below[0],), rate, unit, is_listing=True)


def _stated_rate(lines: list[str]) -> float | None:
    """Returns the rate that comments or lines before the names state, where they agree."""
    found: set[float] = set()
    for line in lines:
        if (match := _RATE_KEY.search(line)) is not None:
            is_kilo = match["kilo"] or "khz" in match[0].lower()
            found.add(_number(match["number"]) * (1000.0 if is_kilo else 1.0))
        elif (match := _INTERVAL.search(line)) is not None:
            seconds = unit_seconds(match["unit"])
            if seconds is not None and _number(match["number"]) > 0:
                found.add(1.0 / (_number(match["number"]) * seconds))
    return found.pop() if len(found) == 1 else None


def _number(text: str) -> float:
    return float(text.replace(",", "."))
