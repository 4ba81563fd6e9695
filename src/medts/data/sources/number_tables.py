"""Numeric CSV tables, read by pyarrow; empty cells and ``NaN`` are NaN, odd rows an error."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from medts.core.errors import ReadError

_MISSING = ["", " ", "NaN", "nan", " NaN", "NA"]


def read_numbers(
    path: Path,
    *,
    names: Sequence[str] | None = None,
    delimiter: str = ",",
    kinds: Mapping[str, type] | None = None,
    drop: bytes = b"",
) -> dict[str, np.ndarray]:
    """Returns the columns of a table by name, the blanks around names taken off.

    Args:
        path: The table.
        names: Of the columns, where the file has no row of names.
        delimiter: Character between cells.
        kinds: Columns that hold ``int`` or ``str``; all others hold floating-point numbers.
        drop: A character that is taken out of the file first.

    Raises:
        ReadError: If the file is missing, or a row has too few or too many cells or no numbers.
    """
    import pyarrow as pa
    import pyarrow.csv as table_reader

    if not path.is_file():
        raise ReadError("no such file", path=path)
    content = path.read_bytes()
    content = content.replace(drop, b"") if drop else content
    if names is None:
        heading, _, content = content.partition(b"\n")
        names = [name.strip() for name in heading.decode("utf-8", "replace").split(delimiter)]
    kind_of = {int: pa.int64(), str: pa.string()}
    types = {name: kind_of.get((kinds or {}).get(name, float), pa.float64()) for name in names}
    try:
        table = table_reader.read_csv(
            io.BytesIO(content),
            read_options=table_reader.ReadOptions(column_names=list(names)),
            parse_options=table_reader.ParseOptions(delimiter=delimiter),
            convert_options=table_reader.ConvertOptions(column_types=types, null_values=_MISSING),
        )
    except pa.ArrowInvalid as error:
        problem = f"not a table of {len(names)} columns of numbers: {error}"
        raise ReadError(problem, path=path, remedy="Fetch the file again") from error
    if not table.num_rows:
        raise ReadError("the table has no rows", path=path)
    return {name: table[name].to_numpy() for name in names}
