"""Subjects from a column that names other files of the same person (union-find)."""

import re
from collections.abc import Mapping

from medts.data.folders.files import Listing, id_of
from medts.data.folders.settings import FolderSettings
from medts.data.folders.table import Row, Table

_WORD = re.compile(r"[\w./\\-]+")


def linked_subjects(
    listing: Listing, rows_of: Mapping[str, list[Row]], table: Table, settings: FolderSettings
) -> dict[str, str]:
    """Returns the subject of each file: the first of all the files that are linked with it.

    Raises:
        ReadError: If a cell names no file.
    """
    column = settings.same_subject_column
    first = {file: file for file in rows_of}

    def root(file: str) -> str:
        while first[file] != file:
            file = first[file]
        return file

    for file, rows in rows_of.items():
        for row in rows:
            cell = row.known(column)
            others = [found for word in _WORD.findall(cell) for found in listing.find(word)]
            if cell and not others:
                problem = f"{cell!r} names no file"
                remedy = "Name other files of the same person, as in the column of files"
                raise table.fault(problem, (row,), column, "--same-subject-column", remedy)
            for other in others:
                if other in first:
                    one, two = sorted((root(file), root(other)))
                    first[two] = one
    return {file: id_of(root(file)) for file in rows_of}
