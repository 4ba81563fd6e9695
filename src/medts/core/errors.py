"""Errors that a user can cause and mend: cause, path, field and remedy.

Everything raised for bad input derives from `MedtsError`; the command line prints its text and
nothing else. A broken promise inside the package is an `assert`, never one of these.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


class MedtsError(ValueError):
    """A problem with what the user gave, in one sentence and a remedy.

    Args:
        problem: What is wrong, quoting the offending value.
        path: File or folder it was found in.
        field: Column, channel, header line or option it concerns.
        remedy: What to do about it.
    """

    def __init__(
        self,
        problem: str,
        *,
        path: str | Path | None = None,
        field: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.problem, self.path, self.field, self.remedy = problem, path, field, remedy
        where = ": ".join(str(part) for part in (path, field) if part is not None)
        text = f"{where}: {problem}" if where else problem
        super().__init__(f"{text.rstrip('.')}. {remedy}" if remedy else text)


class ReadError(MedtsError):
    """A file that cannot be read as a recording."""


class NoSignalError(MedtsError):
    """A recording that holds nothing of what a model reads."""


class StoreError(MedtsError):
    """A store that is missing, incomplete, or lacks what is needed."""


class ConfigError(MedtsError):
    """A setting that contradicts another one or the data."""


class UnknownNameError(MedtsError):
    """A name that is not in the list it should come from."""


class LeakError(MedtsError):
    """An evaluation that would test on what the model was trained or selected on."""


class BundleError(MedtsError):
    """A bundle that is incomplete, altered, or of another version."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """Builds the error for a misspelt name, suggesting the nearest known ones.

    >>> str(unknown_name("recipe", "xresnet", ["xresnet1d", "s4"]))
    "unknown recipe 'xresnet'. Did you mean 'xresnet1d'? Known: s4, xresnet1d"
    """
    names = sorted(known)
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    guess = f"Did you mean {' or '.join(repr(n) for n in near)}? " if near else ""
    remedy = f"{guess}Known: {', '.join(names) or 'none'}"
    return UnknownNameError(f"unknown {kind} {name!r}", remedy=remedy)
