"""The console that every verb prints on: as wide as the terminal, or 110 columns into a file."""

import sys

from rich.console import Console


def make_console() -> Console:
    """Returns a console for standard output."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 110)
