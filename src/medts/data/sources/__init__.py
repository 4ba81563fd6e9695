"""Corpora by name: the registry that the command line, ingest and the contract tests read."""

from medts.core.errors import unknown_name
from medts.data.sources.base import Source
from medts.data.sources.ptb_xl import PtbXl
from medts.data.sources.synthetic import Synthetic

SOURCES: dict[str, type[Source]] = {
    "ptb-xl": PtbXl,
    "synthetic": Synthetic,
}


def find_source(name: str) -> type[Source]:
    """Returns a source class by name.

    Raises:
        UnknownNameError: If there is none of that name; the nearest is suggested.
    """
    if name not in SOURCES:
        raise unknown_name("source", name, SOURCES)
    return SOURCES[name]
