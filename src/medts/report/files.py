"""Files of a result: the page to look at, and the numbers for programs."""

from pathlib import Path

from medts.evaluation.details import Details
from medts.evaluation.result import Result
from medts.report.evaluation import evaluation_page
from medts.report.page import write_page
from medts.report.regression import numbers_page


def write_result(
    out: str | Path, result: Result, details: Details | None, *, command: str = ""
) -> list[Path]:
    """Writes ``report.html``, where there are details to show, and then ``metrics.json``.

    Returns what was written, in that order: ``metrics.json`` is the sign that the page is there.

    Args:
        out: Folder.
        result: Every number.
        details: Scores of the records and examples; None writes no page.
        command: Command line to print on the page.

    Raises:
        MedtsError: If the details contradict each other.
    """
    out, written = Path(out), []
    if details is None:
        (out / "report.html").unlink(missing_ok=True)  # an earlier page would show other numbers
    else:
        page = evaluation_page if details.units is None else numbers_page
        html = page(result, details, command=command)
        written.append(write_page(out / "report.html", html))
    written.append(out / "metrics.json")
    result.write(written[-1])
    return written
