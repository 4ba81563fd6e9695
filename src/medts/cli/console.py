"""Console output (rich): as wide as the terminal, or 110 columns into a file.

Into a file only tables keep to that width: a sentence stays in one line, so that it can be found.
"""

import sys
from typing import Any

from rich.console import Console
from rich.table import Table


def make_console() -> Console:
    """Returns a console for standard output."""
    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(highlight=False, width=110, soft_wrap=True)


def table_of(*headings: str, **options: Any) -> Table:
    """Returns a table whose first column is text and whose others are numbers."""
    table = Table(**options)
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left")
    return table
