"""The calls that the package consists of: `train`, and what is drawn once it has ended.

Everything here composes the rooms below; the command line and Python call the same functions.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medts.data.recordings import Recordings
from medts.training.recipe import Recipe


def train(
    recipe: Recipe | str,
    data: Recordings | str | Path | Sequence[str | Path],
    *,
    out: str | Path,
    **settings: Any,
) -> Path:
    """Trains, pretrains or fine-tunes a recipe and returns the folder of its bundle.

    >>> medts.train(  # doctest: +SKIP
    ...     "xresnet1d", "stores/ptb-xl", labels="ptb-xl/super", out="runs/a"
    ... )

    Args:
        recipe: A recipe or its name.
        data: A store, paths of stores, or records in memory.
        out: Run folder.
        settings: As for `medts.training.train.train`.
    """
    from medts.recipes import find_recipe
    from medts.training.train import train as train_recipe

    made = train_recipe(
        find_recipe(recipe) if isinstance(recipe, str) else recipe, data, out=out, **settings
    )
    examples = Path(out) / "reconstructions.npz"
    if examples.is_file():
        from medts.evaluation.reconstructions import page_of

        page_of(examples, Path(out) / "reconstructions.html")
    return made
