"""The console that every verb prints on: as wide as the terminal, or 110 columns into a file.

Into a file only tables keep to that width: a sentence stays in one line, so that it can be found.
"""

import sys

from rich.console import Console


def make_console() -> Console:
    """Returns a console for standard output."""
    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(highlight=False, width=110, soft_wrap=True)
