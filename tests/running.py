"""Training with folds and few labels as plain keywords, as tests write them."""

from medts.data.splits import Split, Subsample
from medts.recipes import find_recipe
from medts.training.train import train


def run(
    recipe,
    store,
    *,
    train_folds=tuple("1234567"),
    val_folds=("8",),
    label_fraction=1.0,
    shots=0,
    draw=0,
    **settings,
):
    """Trains a recipe, or one by its name, without a bar."""
    return train(
        find_recipe(recipe) if isinstance(recipe, str) else recipe,
        store,
        split=Split(train=tuple(train_folds), validation=tuple(val_folds)),
        subsample=Subsample(fraction=label_fraction, shots=shots, seed=draw),
        show_progress=False,
        **settings,
    )
