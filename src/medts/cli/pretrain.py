"""`medts pretrain RECIPE …`: train an encoder without labels; ends in a bundle.

Recipes of report modelling train a text encoder on reports alone and end in a folder in the Hugging
Face layout. Every field of the recipe is a flag, with its sentence as help.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from medts.cli.console import make_console
from medts.cli.fields import recipe_name, with_fields_of
from medts.cli.finetune import known_recipe, show


@dataclass(frozen=True)
class Pretrain:
    """Train an encoder without labels on one or several corpora; ends in a bundle.

    The epoch is chosen by the objective's loss on the validation folds. A run that was killed
    goes on when the same command is given again.
    """

    data: tuple[Path, ...]
    """Stores made by `medts ingest`."""

    out: Path
    """Run folder."""

    train_folds: str = "1-7,train"
    """Folds that train, of whichever corpus has them."""

    val_folds: str = "8,validation"
    """Folds on which the epoch is chosen."""

    seed: int = 0
    """Seed of the initial weights and of everything drawn."""


def run(arguments: Sequence[str]) -> None:
    """Parses and trains."""
    name, rest = recipe_name("pretrain", arguments, example="ecg_nat_pretraining")
    if name is None:
        return
    from medts.recipes import kind_of, recipes
    from medts.recipes.base import Recipe

    known = [name for name, make in recipes().items() if kind_of(make) is not Recipe]
    recipe = known_recipe(name, known)
    kind = with_fields_of(Pretrain, recipe)
    asked = tyro.cli(kind, prog=f"medts pretrain {name}", args=rest)
    from medts.data.splits import parse_folds
    from medts.data.store import Store
    from medts.recipes.pretrain import pretrain
    from medts.recipes.report_lm import ReportModelling
    from medts.recipes.report_modelling import model_reports

    store = Store(*asked.data)
    held = set(store.folds)
    train, show_end = (pretrain, show)
    if isinstance(recipe, ReportModelling):
        train, show_end = (model_reports, show_text_encoder)
    ended = train(
        asked.recipe,
        store,
        train_folds=[fold for fold in parse_folds(asked.train_folds) if fold in held],
        val_folds=[fold for fold in parse_folds(asked.val_folds) if fold in held],
        out=asked.out,
        seed=asked.seed,
    )
    show_end(ended)


def show_text_encoder(folder: Path) -> None:
    """Prints how well the reports of the validation folds were foreseen, and where the model is."""
    from medts.recipes.report_modelling import seen_by

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
