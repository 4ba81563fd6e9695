"""`medts show FILE`: a recording drawn, with its quality, measurements and facts."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import tyro

from medts.cli.flags import Reading, ReadingFlags


@dataclass(frozen=True)
class Show:
    """Draw a recording: an ECG on millimetre paper, anything else as strips."""

    file: tyro.conf.Positional[Path]
    """Recording, in any format that `medts list formats` shows."""

    out: Path | None = None
    """File to write, .html, .svg or .png; a page in a temporary folder if not given."""

    open: bool = False
    """Open it in the browser."""

    start: float = 0.0
    """Where the drawing begins, seconds."""

    seconds: float = 10.0
    """Seconds drawn, at most."""

    reading: Reading = field(default_factory=ReadingFlags)


def run(arguments: Sequence[str]) -> None:
    """Parses, draws and writes."""
    asked = tyro.cli(Show, prog="medts show", args=arguments)
    from medts.formats import find_format, read
    from medts.report.recording import look_at, write_recording

    record = read(asked.file, **asked.reading.hints())
    shown = look_at(
        record,
        start_s=asked.start,
        seconds=asked.seconds,
        file=asked.file.name,
        format=find_format(asked.file).name,
    )
    # A folder that only its owner may enter, for a recording can be a patient's.
    out = asked.out or Path(tempfile.mkdtemp(prefix="medts-")) / f"{asked.file.stem}.html"
    print(write_recording(out, shown))
    if asked.open:
        import webbrowser

        webbrowser.open(out.resolve().as_uri())
