"""`medts zero-shot BUNDLE FILE … --prompts …`: zero-shot classification with one's own prompts."""

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from medts.cli.console import make_console, table_of
from medts.cli.encoding import print_json
from medts.cli.flags import Computing, DeviceFlags, Reading, ReadingFlags
from medts.core.errors import MedtsError
from medts.data.prompts import TEMPLATES, read_prompts

if TYPE_CHECKING:
    import medts.evaluation.prompting


@dataclass(frozen=True)
class ZeroShot:
    """Compare recordings with words of your own, by a model that was trained on reports.

    Scores rank prompts for a recording, and recordings for a prompt; they are no probabilities.
    """

    bundle: tyro.conf.Positional[str]
    """Bundle, the run folder that holds one, or the name of a shipped one."""

    files: tyro.conf.Positional[tuple[Path, ...]]
    """Recordings, in any format that `medts list formats` shows."""

    prompts: tuple[str, ...] = ()
    """Words to compare with, such as "atrial fibrillation" "normal ECG"."""

    prompt_file: Path | None = None
    """JSON that gives each class its words, as MERL's does; added to the prompts."""

    templates: tuple[str, ...] = TEMPLATES
    """Patterns around each prompt, whose embeddings are averaged; {} is where it goes."""

    top: int | None = None
    """Prompts shown, the best first; all of them if not given."""

    json: bool = False
    """Print JSON, one object per recording."""

    compute: Computing = field(default_factory=DeviceFlags)

    reading: Reading = field(default_factory=ReadingFlags)


def run(arguments: Sequence[str]) -> None:
    """Parses and compares; a file that cannot be read does not stop the others."""
    flags = tyro.cli(ZeroShot, prog="medts zero-shot", args=arguments)
    if not flags.files:
        remedy = 'medts zero-shot BUNDLE FILE --prompts "normal ECG"'
        raise MedtsError("no recording given", remedy=remedy)
    prompts = collect(flags.prompts, flags.prompt_file)
    from medts.core.arithmetic import arithmetic
    from medts.evaluation.prompting import score_prompts
    from medts.evaluation.protocols.zero_shot import ZeroShotConfig
    from medts.formats import read
    from medts.inference.predictor import load

    settings, hints = ZeroShotConfig(templates=flags.templates), flags.reading.hints()
    precision = flags.compute.precision
    model = load(flags.bundle, device=flags.compute.device, precision=precision).bundle
    failures = 0
    for file in flags.files:
        try:
            record = read(file, **hints)
            with arithmetic(precision, model.device.type):
                scores = score_prompts(model, record, prompts, settings)
        except MedtsError as error:
            failures += 1
            print(f"medts: {error}", file=sys.stderr)
            continue
        shown = scores
        if flags.top is not None:
            shown = sorted(scores, key=lambda each: -each.score)[: flags.top]
        if flags.json:
            print_json({"file": str(file), "prompts": [asdict(s) for s in shown]})
        else:
            _show(file, shown, is_synthetic=model.provenance.synthetic)
    if failures:
        raise MedtsError(f"{failures} of {len(flags.files)} recordings could not be compared")


def collect(prompts: Sequence[str], file: Path | None) -> dict[str, tuple[str, ...]]:
    """Returns the wordings of every prompt by its name; a repeated prompt counts once.

    Raises:
        MedtsError: If there is none, or the file cannot be read.
    """
    given = [" ".join(prompt.split()) for prompt in prompts]
    found = {} if file is None else read_prompts(file)
    found |= {prompt: (prompt,) for prompt in given}
    twice = [prompt for prompt, n in Counter(given).items() if n > 1]
    if twice:
        print(f"medts: given more than once: {', '.join(map(repr, twice[:3]))}", file=sys.stderr)
    if not found:
        remedy = '--prompts "atrial fibrillation" ...'
        raise MedtsError("no prompt given", field="--prompts", remedy=remedy)
    return found


def _show(
    file: Path, scores: Sequence["medts.evaluation.prompting.PromptScore"], *, is_synthetic: bool
) -> None:
    title = f"{file} · ranks only, no probabilities"
    table = table_of("prompt", "cosine", "score", title=title, title_justify="left")
    for each in scores:
        table.add_row(each.prompt, f"{each.cosine:.4f}", f"{each.score:.4f}")
    console = make_console()
    console.print(table)
    if is_synthetic:
        console.print("[yellow]trained on synthetic recordings: says nothing about patients[/]")
