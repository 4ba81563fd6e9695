"""`medts finetune RECIPE …`: train a recipe on labelled records; ends in a bundle.

Every field of the recipe is a flag, with its sentence as help.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from medts.cli.console import make_console
from medts.cli.fields import recipe_name, with_fields_of
from medts.core.errors import unknown_name

if TYPE_CHECKING:
    from medts.data.store import Store
    from medts.recipes.base import Recipe


@dataclass(frozen=True)
class Finetune:
    """Train a recipe on labelled records; ends in a bundle.

    The epoch and the operating points are chosen on the validation folds. A run that was killed
    goes on when the same command is given again.
    """

    data: tuple[Path, ...]
    """Stores made by `medts ingest`."""

    labels: tuple[str, ...]
    """Label set, such as ptb-xl/super; see `medts info STORE`. Recipes that know classes by their
    words learn several at once."""

    train_folds: str
    """Folds that train, such as 1-7 or train; 1-7,train where corpora name theirs differently."""

    val_folds: str
    """Folds on which everything is chosen, such as 8 or validation."""

    out: Path
    """Run folder."""

    init: Path | None = None
    """Bundle whose encoder is the start."""

    label_fraction: float = 1.0
    """Share of the training records whose labels are used, or their number where above 1."""

    shots: int = 0
    """Examples of each class that train, or all that a class has; 0 sets no such limit."""

    draw: int = 0
    """Number of the draw of those records."""

    seed: int = 0
    """Seed of the initial weights and of everything else that is random."""

    shuffle_labels: bool = False
    """Train on labels permuted between records: a control that must end at chance."""


def run(arguments: Sequence[str]) -> None:
    """Parses and trains."""
    name, rest = recipe_name("finetune", arguments, example="xresnet1d")
    if name is None:
        return
    from medts.recipes import kind_of, recipes
    from medts.recipes.base import Recipe

    known = [name for name, make in recipes().items() if kind_of(make) is Recipe]
    kind = with_fields_of(Finetune, known_recipe(name, known))
    asked = tyro.cli(kind, prog=f"medts finetune {name}", args=rest)
    from medts.data.splits import parse_folds
    from medts.data.store import Store
    from medts.models.settings.heads import MatchingHeadConfig
    from medts.recipes.joint import train_jointly

    is_matching = isinstance(asked.recipe.head, MatchingHeadConfig)
    train = train_jointly if is_matching or len(asked.labels) != 1 else _finetune
    bundle = train(
        asked.recipe,
        Store(*asked.data),
        label_sets=asked.labels,
        train_folds=parse_folds(asked.train_folds),
        val_folds=parse_folds(asked.val_folds),
        out=asked.out,
        init=asked.init,
        label_fraction=asked.label_fraction,
        shots=asked.shots,
        draw=asked.draw,
        seed=asked.seed,
        shuffle_labels=asked.shuffle_labels,
    )
    show(bundle)


def known_recipe(name: str, known: Iterable[str]) -> Any:
    """Returns a recipe of a verb by name.

    Raises:
        UnknownNameError: If there is none, or it is one of another verb.
    """
    from medts.recipes import find_recipe

    recipe = find_recipe(name)
    if name not in known:
        raise unknown_name("recipe of this verb", name, known)
    return recipe


def _finetune(
    recipe: "Recipe", store: "Store", *, label_sets: Sequence[str], **settings: Any
) -> Path:
    from medts.recipes.run import finetune

    return finetune(recipe, store, label_set=label_sets[0], **settings)


def show(bundle: Path) -> None:
    """Prints what a run ended with and where it is."""
    from medts.inference.bundle import load_bundle

    provenance = load_bundle(bundle).provenance
    console = make_console()
    chosen = ", ".join(f"{name} {value:.4g}" for name, value in provenance.selection.items())
    console.print(f"{provenance.recipe}, seed {provenance.seed}: kept {chosen} (validation)")
    console.print(f"bundle: {bundle}")
