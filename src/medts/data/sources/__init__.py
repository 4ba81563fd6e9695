"""Corpora by name: the registry that the command line, ingest and the contract tests read."""

from medts.core.errors import unknown_name
from medts.data.sources.base import Source
from medts.data.sources.cinc_2017 import Cinc2017
from medts.data.sources.ludb import Ludb
from medts.data.sources.mit_bih import MitBih, MitBihBeats
from medts.data.sources.ptb_xl import PtbXl
from medts.data.sources.synthetic import Synthetic

SOURCES: dict[str, type[Source]] = {
    "ptb-xl": PtbXl,
    "mit-bih": MitBih,
    "mit-bih-beats": MitBihBeats,
    "ludb": Ludb,
    "cinc-2017": Cinc2017,
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
