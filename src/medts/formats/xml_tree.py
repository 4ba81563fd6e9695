"""XML of untrusted files: parsed by defusedxml, bounded in size, without namespaces.

Entities and external references are refused, so that no document can grow (billion laughs) or
reach other files; a bare ``DOCTYPE``, as MUSE writes one, is harmless.
"""

import binascii
import re
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from medts.core.errors import ReadError

_MOST_BYTES = 256 * 2**20
_MOST_TAGS = 1_000_000
"""A tag or an attribute takes some hundred bytes of memory, a number in a text only its own."""

_ROOT = re.compile(r"<([A-Za-z_][\w.\-]*:)?([A-Za-z_][\w.\-]*)[\s/>]")
_PROLOG = re.compile(r"<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^\[>]*(\[.*?\]\s*)?>", re.DOTALL)


def root_of(path: Path) -> str:
    """Returns the name of a document's root element; empty for a file that is no XML."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        head = file.read(16_384)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = head.decode("utf-16", errors="replace")
    else:
        text = head.removeprefix(b"\xef\xbb\xbf").decode("latin-1")
    if not text.lstrip().startswith("<"):
        return ""
    match = _ROOT.match(_PROLOG.sub("", text).lstrip())
    return match[2] if match else ""


def parse_xml(path: Path) -> Element:
    """Returns the root element of a document, its tags and attributes without namespaces.

    Raises:
        ReadError: If it is no XML, too large, or holds entities.
    """
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import DefusedXMLParser

    if path.stat().st_size > _MOST_BYTES:
        raise ReadError(f"an XML document of more than {_MOST_BYTES >> 20} MiB", path=path)
    data = path.read_bytes()
    if data.count(b"<") + data.count(b"=") > 2 * _MOST_TAGS:
        raise ReadError(f"an XML document of more than {_MOST_TAGS} elements", path=path)
    parser = DefusedXMLParser(target=TreeBuilder(), forbid_dtd=False)
    try:
        parser.feed(data)
        root = parser.close()
    except ParseError as error:
        raise ReadError(
            f"is no well-formed XML: {error}", path=path, remedy="Fetch it again"
        ) from error
    except DefusedXmlException as error:
        raise ReadError(f"XML with entities is not read: {error}", path=path) from error
    except (LookupError, ValueError) as error:
        raise ReadError(f"its encoding cannot be read: {error}", path=path) from error
    has_namespaces = b"xmlns" in data or "xmlns".encode("utf-16-le") in data
    for each in root.iter() if has_namespaces else ():
        each.tag = each.tag.rpartition("}")[2]
        if any("}" in name for name in each.attrib):
            each.attrib = {name.rpartition("}")[2]: text for name, text in each.attrib.items()}
    return root


def text_at(element: Element | None, path: str) -> str:
    """Returns the trimmed text of a descendant; empty where there is none."""
    return "" if element is None else (element.findtext(path) or "").strip()


def from_base64(path: Path, where: str, text: str) -> bytes:
    """Decodes Base64 with any white space in it.

    Raises:
        ReadError: If it is none.
    """
    compact = text.replace("\n", "").strip()
    if " " in compact or "\t" in compact:
        compact = "".join(compact.split())
    try:
        return binascii.a2b_base64(compact, strict_mode=True)
    except ValueError as error:
        raise ReadError(f"is no Base64: {error}", path=path, field=where) from error
