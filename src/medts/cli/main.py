"""`medts`: the command line, which imports a verb only once it is chosen.

A user's mistake ends in one line and exit code 2, never in a traceback; so does a file that cannot
be read or written. Exit code 130 stands for Ctrl-C, 143 for SIGTERM.
"""

import importlib
import importlib.metadata
import os
import re
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from medts.cli.encoding import survive_any_encoding
from medts.core.errors import MedtsError, unknown_name
from medts.version import __version__

VERBS = {
    "demo": "Make a synthetic corpus, train, evaluate and predict; results in runs/demo.",
    "download": "Download a public corpus; resumable, every file checked.",
    "ingest": "Turn a corpus, or a folder of your own recordings, into a store.",
    "info": "Show the content of a store, a bundle, a run, a recording or a folder of them.",
    "show": "Draw a recording, with its quality and measurements; SVG or HTML.",
    "measure": "Measure ECGs: rate, HRV, PR, QRS, QT, axis, ST and T by lead.",
    "list": "List recipes, sources, models, objectives, formats, protocols or label sets.",
    "train": "Train, pretrain or fine-tune a recipe; ends in a bundle.",
    "compare": "Train recipes on the same records and compare them; writes a report.",
    "evaluate": "Evaluate a model on held-out folds; writes a report.",
    "predict": "Apply a bundle to recordings.",
    "explain": "Attribute a prediction to samples and channels, and test the attribution.",
    "zero-shot": "Compare recordings with prompts of your own.",
    "draft": "Draft a report from a recording; to be read by a person.",
    "stream": "Replay a recording as if it arrived now; a prediction at every stride.",
}
"""Every verb with its sentence; the module of that name in `medts.cli`, with ``_`` for ``-``, has
its `run`."""

_DISTRIBUTION = {"sklearn": "scikit-learn", "mlflow": "mlflow-skinny"}
"""Distributions that are not called like the module that they install."""


class _TerminatedError(KeyboardInterrupt):
    """SIGTERM, as schedulers and containers send it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one verb and returns the exit code."""
    survive_any_encoding()
    try:
        with _sigterm_raised():
            code = _run(arguments)
            sys.stdout.flush()  # a full disk behind the output is found here, or never
    except KeyboardInterrupt as error:
        code = 143 if isinstance(error, _TerminatedError) else 130
        return _fail("interrupted; the same command goes on where this one stopped", code=code)
    except BrokenPipeError:
        _discard_output()
        return 0  # the reader of our output has gone, which is no error of ours
    except OSError as error:
        _discard_output()
        where = "" if error.filename is None else f"{error.filename}: "
        return _fail(f"{where}{error.strerror or error}")
    return code


@contextmanager
def _sigterm_raised() -> Iterator[None]:
    """Lets SIGTERM end a verb as Ctrl-C does, so that nothing is left half written."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    own = os.getpid()

    def end(*_: Any) -> None:
        if os.getpid() != own:  # a worker process, which inherits this
            os._exit(143)
        raise _TerminatedError

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _discard_output() -> None:
    """Discards unwritten output, which Python would try to write once more at its end."""
    with suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)


def _run(arguments: Sequence[str] | None) -> int:
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_help())
        return 0
    if arguments[0] in ("-V", "--version"):
        print(f"medts {__version__}")
        return 0
    verb, rest = arguments[0], arguments[1:]
    try:
        if verb not in VERBS:
            raise unknown_name("verb", verb, VERBS)
        code = importlib.import_module(f"medts.cli.{verb.replace('-', '_')}").run(rest)
        return code or 0
    except MedtsError as error:
        return _fail(str(error))
    except ValueError as error:
        if type(error).__name__ != "ValidationError":  # pydantic's, without importing it here
            raise
        from medts.core.registry import in_words

        return _fail(in_words(error))  # pyright: ignore[reportArgumentType] - pydantic's
    except ModuleNotFoundError as error:
        extra = extra_of((error.name or "").partition(".")[0])
        if extra is None:
            raise
        return _fail(f"{verb} needs {error.name}. Install it with: pip install 'medts[{extra}]'")


def extra_of(module: str) -> str | None:
    """Returns the smallest extra (``pip install 'medts[extra]'``) that brings a module."""
    name = _DISTRIBUTION.get(module, module.replace("_", "-"))
    pattern = re.compile(r"([\w.-]+)[^;]*;\s*extra == ['\"]([\w-]+)['\"]")
    found = map(pattern.fullmatch, importlib.metadata.requires("medts") or ())
    pairs = [each.groups() for each in found if each]
    size = Counter(extra for _, extra in pairs if extra not in ("all", "dev", "docs"))
    offers = [extra for package, extra in pairs if package == name and extra in size]
    return min(offers, key=size.__getitem__, default=None)


def _help() -> str:
    width = max(map(len, VERBS))
    verbs = "\n".join(f"  {verb:<{width}}  {sentence}" for verb, sentence in VERBS.items())
    return (
        f"medts {__version__}: medical time series, from raw recordings to models that can be "
        f"trusted.\n\nusage: medts VERB ...\n\n{verbs}\n\n`medts VERB --help` explains a verb."
    )


def _fail(text: str, code: int = 2) -> int:
    print(f"medts: {text}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
