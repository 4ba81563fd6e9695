"""Files of a folder joined with the rows of a table: subject, fold, age, sex, report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from medts.core.errors import ReadError
from medts.core.records import Fact
from medts.data.folders.files import Listing, id_of
from medts.data.folders.links import linked_subjects
from medts.data.folders.settings import FolderSettings, flag_of
from medts.data.folders.table import Row, Table, rows_in_words
from medts.data.sources.reading import hashed_fold
from medts.data.splits import NAMED_FOLDS

_SEX = {"m": "male", "male": "male", "f": "female", "female": "female"}
_FOLDS = {"val": "validation", "valid": "validation", "dev": "validation", "training": "train"}
_FOLD_FLAG = "--fold-column"
_OLDEST_CREDIBLE = 120


@dataclass(frozen=True)
class Member:
    """One file of the corpus with the rows of the table that name it."""

    file: str
    subject_id: str
    fold: str
    rows: tuple[Row, ...] = ()
    facts: Mapping[str, Fact] = field(default_factory=dict)
    report: str | None = None


@dataclass(frozen=True)
class Joined:
    """Files with their rows, and what has no counterpart: its name, and why it is left out."""

    members: tuple[Member, ...]
    unmatched: Mapping[str, ReadError]


def fold_of(subject_id: str) -> str:
    """Returns the fold that a hash of the subject gives, whatever else is in the folder."""
    return hashed_fold("folder", subject_id)


def join(listing: Listing, table: Table | None, settings: FolderSettings) -> Joined:
    """Joins files and rows.

    Raises:
        ReadError: If a row fits two files or a file two rows, rows of one file or one subject
            contradict each other, or one recording is there in two formats.
    """
    if table is None:
        _check_formats(listing, listing.files)
        names = [id_of(file) for file in listing.files]
        pairs = zip(listing.files, names, strict=True)
        return Joined(tuple(Member(file, name, fold_of(name)) for file, name in pairs), {})
    rows_of, unmatched = _match(listing, table, settings)
    _check_formats(listing, rows_of)
    linked = dict[str, str]()
    if settings.same_subject_column:
        linked = linked_subjects(listing, rows_of, table, settings)
    members = tuple(
        _member(file, tuple(rows), table, settings, linked.get(file))
        for file, rows in sorted(rows_of.items())
    )
    _check_folds(members, table, settings)
    for file in listing.files:
        if file not in rows_of:
            problem = f"no row of {table.path.name} names this file"
            path = listing.files[file]
            unmatched[file] = ReadError(problem, path=path, field="--file-column")
    return Joined(members, unmatched)


def _match(
    listing: Listing, table: Table, settings: FolderSettings
) -> tuple[dict[str, list[Row]], dict[str, ReadError]]:
    column = settings.file_column
    rows_of: dict[str, list[Row]] = {}
    unmatched: dict[str, ReadError] = {}
    for row in table.rows:
        cell = row.cells[column]
        files = listing.find(cell)
        if len(files) > 1:
            problem = f"{cell!r} fits {len(files)} files: {', '.join(sorted(files)[:3])}"
            remedy = "Write the suffix and the sub-folder, or narrow the files by --pattern"
            raise table.fault(problem, (row,), column, "--file-column", remedy)
        if files:
            rows_of.setdefault(files[0], []).append(row)
            continue
        near = sorted(f for f in listing.files if cell and _stem(f).lstrip("0") == cell)
        remedy = f"Did you mean {near[0]}?" if len(near) == 1 else None
        fault = table.fault(f"{cell!r} is no file here", (row,), column, "--file-column", remedy)
        unmatched[f"row {row.number}"] = fault
    if not rows_of:
        example, first = next(iter(listing.files), "none"), table.rows[0]
        problem = f"no row names a file, such as {first.cells[column]!r} in row {first.number}"
        remedy = f"Files are called like {example}"
        raise table.fault(problem, table.rows, column, "--file-column", remedy)
    if not settings.start_column:
        for file, rows in rows_of.items():
            if len(rows) > 1:
                problem = f"{len(rows)} rows name {file}"
                remedy = "Keep one, or name --start-column if they are intervals or events"
                raise table.fault(problem, rows, column, "--file-column", remedy)
    return rows_of, unmatched


def _stem(file: str) -> str:
    return id_of(file).rpartition("/")[2]


def _check_formats(listing: Listing, chosen: Mapping[str, object]) -> None:
    """Checks that no recording is there twice, which would be two subjects or two ids."""
    pairs = [
        kept for each in listing.doubled() if len(kept := [f for f in each if f in chosen]) > 1
    ]
    if pairs:
        more = f" (and {len(pairs) - 1} more)" if len(pairs) > 1 else ""
        problem = f"{', '.join(pairs[0])} have one name in two formats{more}"
        remedy = "Remove one of them, or choose by --pattern, such as '*.edf'"
        raise ReadError(problem, path=listing.folder, field="--pattern", remedy=remedy)


def _member(
    file: str, rows: tuple[Row, ...], table: Table, settings: FolderSettings, linked: str | None
) -> Member:
    def cell(field: str) -> str:
        """Returns what all rows of the file hold in one column, empty if none is named."""
        column, flag = getattr(settings, field), flag_of(field)
        if not column:
            return ""
        values = list(dict.fromkeys(row.known(column) for row in rows))
        if len(values) > 1:
            problem = f"rows of {file} differ: {values[0]!r} and {values[1]!r}"
            raise table.fault(problem, rows, column, flag, "Write the same in every row")
        return values[0]

    own = id_of(file) if settings.subject_is_file else linked
    subject_id = own or cell("subject_column")
    if not subject_id:
        remedy = "Fill it in, or remove the row"
        problem = f"{file} has no subject"
        raise table.fault(problem, rows, settings.subject_column, "--subject-column", remedy)
    fold = _fold(cell("fold_column"), rows, table, settings) or fold_of(subject_id)
    facts: dict[str, Fact] = {}
    if settings.age_column:
        cell("age_column")
        age = table.number(rows[0], settings.age_column, "--age-column")
        if 0 <= age <= _OLDEST_CREDIBLE:
            facts["age"] = int(age) if age.is_integer() else age
    if sex := cell("sex_column"):
        facts["sex"] = _sex(sex, rows, table, settings)
    return Member(file, subject_id, fold, rows, facts, cell("report_column") or None)


def _sex(text: str, rows: Sequence[Row], table: Table, settings: FolderSettings) -> str:
    codes = dict(code.split("=", 1) for code in settings.sex_codes if "=" in code)
    sex = codes.get(text, text).lower()
    if sex.isdigit():
        remedy = "Say what it means, such as --sex-codes 0=male 1=female"
        problem = f"{text!r} is a code that could mean either"
        raise table.fault(problem, rows, settings.sex_column, "--sex-column", remedy)
    return _SEX.get(sex, sex)


def _fold(text: str, rows: Sequence[Row], table: Table, settings: FolderSettings) -> str:
    if not settings.fold_column:
        return ""
    text = text.lower().removesuffix(".0")
    fold = _FOLDS.get(text, text)
    if fold not in NAMED_FOLDS and not fold.isdigit():
        problem = f"{text!r} is no fold" if text else "the fold is missing"
        remedy = f"Write a number, or {', '.join(NAMED_FOLDS)}"
        raise table.fault(problem, rows, settings.fold_column, _FOLD_FLAG, remedy)
    return fold


def _check_folds(members: Sequence[Member], table: Table, settings: FolderSettings) -> None:
    first: dict[str, Member] = {}
    for member in members:
        other = first.setdefault(member.subject_id, member)
        if other.fold != member.fold:
            rows = (other.rows[0], member.rows[0])
            problem = (
                f"subject {member.subject_id!r} is in folds {other.fold} and {member.fold}: "
                f"{other.file} and {member.file}"
            )
            remedy = "Put all files of a subject into one fold"
            raise table.fault(problem, rows, settings.fold_column, _FOLD_FLAG, remedy)


def notes_on(joined: Joined, settings: FolderSettings) -> tuple[str, ...]:
    """Returns what a person should look at: what has no counterpart, and ages left out."""
    age = settings.age_column
    aged = [(m.rows[0], m.facts) for m in joined.members if age]
    odd = [row for row, facts in aged if row.known(age) and "age" not in facts]
    notes = (f"age is not credible: {rows_in_words(odd)}, column {age}",) if odd else ()
    if not joined.unmatched:
        return notes
    n_rows = sum(name.startswith("row ") for name in joined.unmatched)
    n_files = len(joined.unmatched) - n_rows
    return (*notes, f"{n_rows} rows name no file, {n_files} files have no row")
