"""Provenance: versions of Python and packages that a number depends on."""

import platform
from importlib.metadata import version

from medts.version import __version__


def versions() -> dict[str, str]:
    """Returns the versions of medts, Python and the numerical libraries."""
    names = ("torch", "numpy", "scipy")
    found = {name: version(name) for name in names}
    return {"medts": __version__, "python": platform.python_version(), **found}
