"""Corpora by name: the registry that the command line, ingest and the contract tests read.

A source is in it by being a subclass of `Source` in a module of this package, or in one that
another package names as an entry point of ``medts.sources``.
"""

from medts.core.registry import Plugins, import_all, registered
from medts.data.sources.base import Source


def sources() -> Plugins[type[Source]]:
    """Returns every source by its name, with what other packages add and what is broken."""
    import_all(__name__)
    return registered(Source.members, "medts.sources")


def find_source(name: str) -> type[Source]:
    """Returns a source class by name.

    Raises:
        UnknownNameError: If there is none, or its package is broken; the nearest is suggested.
    """
    return sources().find("source", name)
