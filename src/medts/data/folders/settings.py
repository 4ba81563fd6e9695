"""Settings of a folder of recordings: which table has its labels, and what its columns mean.

They are the flags of `medts ingest folder` and the keys of a ``medts.yaml`` beside the recordings.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from medts.core.config import Config
from medts.core.errors import ConfigError
from medts.core.registry import in_words

FILE_NAME = "medts.yaml"
"""File in the folder that may hold its settings."""

READING = ("sampling_rate", "unit", "channels", "rename", "modality")
"""Keys of the file that are reading hints, as for `medts.read`."""


class FolderSettings(Config):
    """What the files of a folder and the columns of its label table mean."""

    name: str = ""
    """Name of the corpus in the store; made from the name of the folder if not given."""

    pattern: str = "**/*"
    """Which files below the folder count, such as `*.edf`."""

    labels: Path | None = None
    """Table with a row for each file, or for each interval or event of a file (CSV); none to
    pretrain."""

    file_column: str = ""
    """Column with the names of the files, with or without suffix and sub-folder."""

    subject_column: str = ""
    """Column that says whose recording it is; a subject is never in two folds."""

    same_subject_column: str = ""
    """Column that names other files of the same person, where none names the person."""

    subject_is_file: bool = False
    """Every file is a person, where persons are unknown; every report then says so."""

    label_columns: tuple[str, ...] = ()
    """Columns of 0 and 1, each a class; or columns that hold names of classes."""

    label_separator: str | None = None
    """What separates the classes in the cells of one label column, such as `;`."""

    classes: tuple[str, ...] = ()
    """Classes that count, in this order; all that occur if not given."""

    target_columns: tuple[str, ...] = ()
    """Columns of numbers to be predicted, such as age or potassium."""

    start_column: str = ""
    """Column with the start of an interval or the time of an event, seconds from the start of the
    file."""

    end_column: str = ""
    """Column with the end of an interval, seconds; without it the rows are events."""

    window_s: float | None = Field(default=None, gt=0)
    """Length of the windows that intervals or events label, seconds."""

    before_s: float | None = Field(default=None, ge=0)
    """How long before its event a window begins, seconds; half a window if not given."""

    background: str = ""
    """Class of the windows that no interval touches; they have no label if not given."""

    fold_column: str = ""
    """Column with folds: numbers, or train, validation and test; by a hash of the subject if not
    given."""

    age_column: str = ""
    """Column with the age, years."""

    sex_column: str = ""
    """Column with the sex: male or female, or M or F."""

    sex_codes: tuple[str, ...] = ()
    """What other cells of that column mean, such as 0=male 1=female."""

    report_column: str = ""
    """Column with the report text."""

    def columns(self) -> dict[str, str]:
        """Returns the flag of every column that is named, by the column's name."""
        named: dict[str, str] = {}
        for field in type(self).model_fields:
            if field.endswith(("_column", "_columns")):
                value = getattr(self, field)
                for column in (value,) if isinstance(value, str) else value:
                    if column:
                        named.setdefault(column, flag_of(field))
        return named

    def check(self) -> None:
        """Checks that the settings fit each other.

        Raises:
            ConfigError: If one is missing or contradicts another; it names the flag.
        """
        if self.labels is None and (stray := self.columns()):
            column, flag = next(iter(stray.items()))
            problem = f"column {column!r} is named, but no table"
            raise ConfigError(problem, field=flag, remedy="Name the table with --labels")
        if self.labels is not None and not self.file_column:
            problem = "which column of the table holds the names of the files is not said"
            remedy = "Name it; `medts info FOLDER` proposes one"
            raise ConfigError(problem, field="--file-column", remedy=remedy)
        ways = (self.subject_column, self.same_subject_column, self.subject_is_file)
        if sum(map(bool, ways)) != 1:
            problem = (
                "several are given, and only one can be true"
                if any(ways)
                else "whose recordings these are is not said, so folds could share a person"
            )
            remedy = (
                "Give --subject-column or --same-subject-column with a column of the table, or "
                "--subject-is-file where persons are unknown"
            )
            raise ConfigError(problem, field="--subject-column", remedy=remedy)
        if both := set(self.label_columns) & set(self.target_columns):
            problem = f"column {min(both)!r} cannot hold classes and numbers"
            raise ConfigError(problem, field="--label-columns, --target-columns")
        self._check_windows()
        needs = {
            "--label-separator": (self.label_separator is not None, len(self.label_columns) == 1),
            "--classes": (bool(self.classes), bool(self.label_columns)),
            "--sex-codes": (bool(self.sex_codes), bool(self.sex_column)),
        }
        for flag, (is_given, fits) in needs.items():
            if is_given and not fits:
                other = "--sex-column" if "sex" in flag else "--label-columns"
                one = "one column in " if "separator" in flag else ""
                raise ConfigError(f"needs {one}{other}", field=flag, remedy=f"Give {other}")

    def _check_windows(self) -> None:
        needed = {
            "--end-column": (bool(self.end_column), "--start-column", self.start_column),
            "--window-s": (self.window_s is not None, "--start-column", self.start_column),
            "--start-column": (bool(self.start_column), "--window-s", self.window_s),
            "--before-s": (self.before_s is not None, "--start-column", self.start_column),
            "--background": (bool(self.background), "--end-column", self.end_column),
        }
        for flag, (is_given, other, value) in needed.items():
            if is_given and not value:
                raise ConfigError(f"needs {other}", field=flag, remedy=f"Give {other} as well")
        if self.before_s is not None and self.end_column:
            problem = "belongs to events, and --end-column makes the rows intervals"
            raise ConfigError(problem, field="--before-s", remedy="Leave one of the two out")


def flag_of(field: str) -> str:
    """Returns a field as it is written on the command line.

    >>> flag_of("label_columns")
    '--label-columns'
    """
    return f"--{field.replace('_', '-')}"


def read_settings(folder: Path) -> tuple[FolderSettings, dict[str, Any]]:
    """Reads the ``medts.yaml`` of a folder: settings, and reading hints; defaults without one.

    Raises:
        ConfigError: If it is no such file, or a key or value is wrong.
    """
    import yaml

    path = folder / FILE_NAME
    if not path.is_file():
        return FolderSettings(), {}
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        problem = f"not YAML in UTF-8: {' '.join(str(error).split())}"
        raise ConfigError(problem, path=path) from error
    if not isinstance(content, Mapping):
        raise ConfigError("holds no keys", path=path, remedy="Write lines such as unit: mV")
    given = {str(key).replace("-", "_"): value for key, value in content.items()}
    hints = {key: _listed(key, given.pop(key)) for key in READING if key in given}
    if isinstance(given.get("labels"), str):
        given["labels"] = folder / given["labels"]
    return make_settings(given, path=path), hints


def make_settings(values: Mapping[str, Any], *, path: Path | None = None) -> FolderSettings:
    """Makes settings of fields by their names; one name may stand for a list of one.

    Args:
        values: Fields of `FolderSettings`.
        path: File that they come from.

    Raises:
        ConfigError: If a name or value is wrong.
    """
    try:
        return FolderSettings.model_validate({key: _listed(key, v) for key, v in values.items()})
    except ValidationError as error:
        remedy = f"Known: {', '.join((*FolderSettings.model_fields, *READING))}"
        raise ConfigError(in_words(error), path=path, remedy=remedy) from error


def _listed(key: str, value: Any) -> Any:
    """Allows one name where a list of names is meant."""
    is_list = str(key).endswith(("columns", "classes", "channels", "codes"))
    return (value,) if is_list and isinstance(value, str) else value
