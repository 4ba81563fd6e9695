"""`medts draft BUNDLE FILE …`: report generation from a recording, to be read by a person."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from medts.cli.console import make_console
from medts.cli.encoding import print_json
from medts.cli.flags import Computing, DeviceFlags, Reading, ReadingFlags
from medts.core.errors import ConfigError, MedtsError
from medts.core.sentences import split_sentences

if TYPE_CHECKING:
    import medts.inference.bundle

MARK = "DRAFT by a model, not a report"
"""Stands before everything that is drafted."""


@dataclass(frozen=True)
class Draft:
    """Draft a report from a recording, by a model that was trained to write reports.

    A draft is the likeliest wording of its training reports. It can be fluent and wrong.
    """

    bundle: tyro.conf.Positional[str]
    """Bundle, the run folder that holds one, or the name of a shipped one."""

    files: tyro.conf.Positional[tuple[Path, ...]]
    """Recordings, in any format that `medts list formats` shows."""

    max_tokens: int = 64
    """Tokens of a draft, at most."""

    report: str | None = None
    """A text to look for in the recording instead of a draft; for --drawing."""

    drawing: Path | None = None
    """HTML page to write: where in the first recording each sentence looked."""

    json: bool = False
    """Print JSON, one object per recording."""

    compute: Computing = field(default_factory=DeviceFlags)

    reading: Reading = field(default_factory=ReadingFlags)


def run(arguments: Sequence[str]) -> None:
    """Parses and drafts; a file that cannot be read does not stop the others."""
    flags = tyro.cli(Draft, prog="medts draft", args=arguments)
    if not flags.files:
        raise MedtsError("no recording given", remedy="medts draft BUNDLE FILE")
    if flags.report is not None and flags.drawing is None:
        problem = "a given text is only drawn, never drafted"
        raise MedtsError(problem, field="--report", remedy="Give --drawing")
    from medts.core.arithmetic import arithmetic
    from medts.data.windowing import windows_of
    from medts.data.windows import collate
    from medts.evaluation.drafting import writer_of
    from medts.formats import read
    from medts.inference.predictor import load
    from medts.tensors.batch import move_to

    hints, precision = flags.reading.hints(), flags.compute.precision
    model = load(flags.bundle, device=flags.compute.device, precision=precision).bundle
    encoder = writer_of(model) if flags.report is None else None
    failures = 0
    for file in flags.files:
        try:
            record = read(file, **hints)
            window = windows_of(record, model.preprocessing, model.config.windowing)[:1]
            if encoder is None:
                written = given_text(flags.report or "", model)
            else:
                batch = move_to(collate(window, model.preprocessing), model.device)
                with arithmetic(precision, model.device.type):
                    (written,) = encoder.draft(batch, max_tokens=flags.max_tokens)
            if flags.drawing is not None and file == flags.files[0]:
                from medts.evaluation.attention import attended_stream, attention_of
                from medts.report.page import write_page
                from medts.report.sentences import sentence_page

                sentences = split_sentences(written) or (written or "nothing was drafted",)
                words = "the given text" if flags.report is not None else MARK
                html = sentence_page(
                    attended_stream(model, record),
                    sentences,
                    attention_of(model, record, sentences),
                    model.config.windowing.window_s,
                    title=file.name,
                    lead=words,
                )
                write_page(flags.drawing, html)
        except ConfigError:
            raise
        except MedtsError as error:
            failures += 1
            print(f"medts: {error}", file=sys.stderr)
            continue
        if flags.json:
            kind = "text" if flags.report is not None else "draft"
            print_json({"file": str(file), kind: written})
        elif flags.report is None:
            console = make_console()
            console.print(f"{file} · {MARK}")
            console.print(written or "(nothing)", markup=False)
    if failures:
        raise MedtsError(f"{failures} of {len(flags.files)} recordings could not be read")


def given_text(text: str, model: "medts.inference.bundle.Bundle") -> str:
    """Returns a text as the model reads reports: cleaned, and in English where it was so trained.

    Raises:
        ConfigError: If nothing is left of it.
    """
    from medts.evaluation.text import read_like_reports

    (read_text,) = read_like_reports(model, [text])
    if not any(map(str.isalnum, read_text or "")):
        raise ConfigError(f"nothing is left of {text[:60]!r}", field="--report")
    return read_text or ""
