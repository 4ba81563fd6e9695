"""Terminal encodings (ASCII, GBK, code page 932): what one lacks is written in ASCII."""

import codecs
import io
import json
import sys
import unicodedata
from typing import Any

_PLAIN = {
    **{
        "µ": "u",
        "μ": "u",
        "·": "-",
        "–": "-",
        "—": "-",
        "−": "-",
        "…": "...",
        "≥": ">=",
        "≤": "<=",
    },
    **{
        "×": "x",
        "→": "->",
        "’": "'",
        "‘": "'",
        "“": '"',
        "”": '"',
        "•": "*",
        "ß": "ss",
        "Ω": "Ohm",
    },
    **dict.fromkeys("─━┄┅╌╍═", "-"),
    **dict.fromkeys("│┃┆┇║", "|"),
}
"""What stands for characters that an encoding lacks, besides letters without their accents."""


def survive_any_encoding() -> None:
    """Lets standard output and error write every text, whatever their encoding can show."""
    codecs.register_error("medts-plain", _in_ascii)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="medts-plain")


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(map(_plain, text)), error.end


def _plain(character: str) -> str:
    if character in _PLAIN:
        return _PLAIN[character]
    if "\u2500" <= character <= "\u257f":  # corners of tables
        return "+"
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return plain or character.encode("ascii", "backslashreplace").decode()


def print_json(value: Any) -> None:
    """Prints one line of JSON, with escapes where standard output is not in UTF-8."""
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("_", "-")
    is_unicode = encoding in ("utf-8", "utf8")
    text = json.dumps(value, ensure_ascii=not is_unicode)
    try:
        text.encode()
    except UnicodeEncodeError:  # a file name that is not in UTF-8
        text = json.dumps(value)
    print(text)
