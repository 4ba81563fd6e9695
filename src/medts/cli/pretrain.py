"""`medts pretrain RECIPE …`: train an encoder without labels; ends in a bundle.

Every field of the recipe is a flag, with its sentence as help.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from medts.cli.fields import recipe_name, with_fields_of
from medts.cli.finetune import show
from medts.data.splits import parse_folds
from medts.data.store import Store
from medts.recipes import PRETRAINING_RECIPES, find_pretraining
from medts.recipes.pretrain import pretrain


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
    name, rest = recipe_name("pretrain", arguments, PRETRAINING_RECIPES)
    if name is None:
        return
    kind = with_fields_of(Pretrain, find_pretraining(name))
    asked = tyro.cli(kind, prog=f"medts pretrain {name}", args=rest)
    store = Store(*asked.data)
    held = set(store.folds)
    bundle = pretrain(
        asked.recipe,
        store,
        train_folds=[fold for fold in parse_folds(asked.train_folds) if fold in held],
        val_folds=[fold for fold in parse_folds(asked.val_folds) if fold in held],
        out=asked.out,
        seed=asked.seed,
    )
    show(bundle)
