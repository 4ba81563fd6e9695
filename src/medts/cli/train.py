"""`medts train RECIPE …`: train, pretrain or fine-tune a recipe; ends in a bundle.

The recipe's objective decides what is learnt from. Every field of the recipe is a flag, with its
sentence as help.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from medts.cli.console import make_console
from medts.cli.flags import recipe_name, with_fields_of

SHORT = {
    "--device": "--training.device",
    "--precision": "--training.precision",
    "--workers": "--training.n-workers",
}
"""Short flags, and the field of the recipe that each one stands for."""


@dataclass(frozen=True)
class Train:
    """Train a recipe on stores; with --labels supervised, with --init fine-tuned.

    Epoch and operating points are chosen on the validation folds. A run that was killed goes on
    when the same command is given again; more epochs or more minutes lengthen it. --device,
    --precision and --workers are short for the fields of --training.
    """

    data: tuple[Path, ...]
    """Stores made by `medts ingest`."""

    out: Path
    """Run folder."""

    labels: tuple[str, ...] = ()
    """Label sets, such as ptb-xl/super; see `medts info STORE`. None for recipes that learn without
    labels; recipes with a matching head learn several at once."""

    train_folds: str = "1-7,train"
    """Folds that train; a corpus takes those that it has."""

    val_folds: str = "8,validation"
    """Folds on which everything is chosen."""

    init: Path | None = None
    """Bundle whose encoder is fine-tuned."""

    label_fraction: float = 1.0
    """Share of the training records whose labels are used, or their number where above 1."""

    shots: int = 0
    """Labelled examples of each class that train, or all that a class has; 0 sets no limit."""

    draw: int = 0
    """Seed by which those records are sampled."""

    seed: int = 0
    """Seed of the initial weights and of everything else that is random."""

    shuffle_labels: bool = False
    """Train on labels permuted between records: a control that must end at chance."""


def run(arguments: Sequence[str]) -> None:
    """Parses and trains."""
    name, rest = recipe_name("train", arguments, example="xresnet1d")
    if name is None:
        return
    from medts.recipes import find_recipe

    kind = with_fields_of(Train, find_recipe(name), "recipe")
    flags = tyro.cli(kind, prog=f"medts train {name}", args=[_long(each) for each in rest])

    from medts.api import train
    from medts.data.splits import Split, Subsample

    made = train(
        flags.recipe,
        flags.data,
        labels=flags.labels,
        split=Split(train=flags.train_folds, validation=flags.val_folds),
        subsample=Subsample(fraction=flags.label_fraction, shots=flags.shots, seed=flags.draw),
        out=flags.out,
        init=flags.init,
        seed=flags.seed,
        shuffle_labels=flags.shuffle_labels,
    )
    show(made)


def _long(argument: str) -> str:
    flag, separator, value = argument.partition("=")
    return f"{SHORT.get(flag, flag)}{separator}{value}"


def show(made: Path) -> None:
    """Prints the selection metrics of a run and where its bundle is."""
    console = make_console()
    if made.name == "model":
        _show_text_encoder(made)
        return
    from medts.inference.bundle import load_bundle

    provenance = load_bundle(made).provenance
    chosen = ", ".join(f"{name} {value:.4g}" for name, value in provenance.selection.items())
    console.print(f"{provenance.recipe}, seed {provenance.seed}: kept {chosen} (validation)")
    console.print(f"bundle: {made}")


def _show_text_encoder(folder: Path) -> None:
    """Prints the masked perplexity on validation reports, and where the model is."""
    from medts.training.report_modelling import seen_by

    found = seen_by(folder)
    chosen = found.selection
    fresh = " with a fresh head" if chosen["head_was_fresh"] else ""
    console = make_console()
    console.print(
        f"{found.recipe}, seed {found.seed}: perplexity of hidden words on validation "
        f"{chosen['perplexity_before']:.4g} before{fresh}, {chosen['perplexity_after']:.4g} after"
    )
    if chosen["n_new_reports"]:
        console.print(
            f"on the {chosen['n_new_reports']:.0f} of them that no training record shares: "
            f"{chosen['perplexity_before_of_new_reports']:.4g} before, "
            f"{chosen['perplexity_after_of_new_reports']:.4g} after"
        )
    console.print(f"text encoder: {folder}")
