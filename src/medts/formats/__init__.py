"""Clinical file formats: each can be recognised by its content, read, and written."""

from medts.formats.base import Format, Hints
from medts.formats.registry import FORMATS, find_format, formats, read

__all__ = ["FORMATS", "Format", "Hints", "find_format", "formats", "read"]
