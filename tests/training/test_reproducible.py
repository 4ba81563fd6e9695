"""The five systems: one seed, one result, however a run came to its end."""

import pytest
import running

from medts.recipes import find_recipe
from medts.training.module import TrainingModule

FOLDS = {"train_folds": ["1", "2"], "val_folds": ["8"], "seed": 5}


class CrashError(Exception):
    """The power goes off."""


def trained(name, store, out, **training):
    """Returns the weights of the bundle and the numbers of every epoch."""
    recipe = find_recipe(name)
    recipe = recipe.but(training=recipe.training.but(epochs=2, batch_size=8, **training))
    labels = () if recipe.head is None else "synthetic/findings"
    bundle = running.run(recipe, store, labels=labels, out=out, **FOLDS)
    return (bundle / "model.safetensors").read_bytes(), (out / "history.json").read_text()


@pytest.mark.parametrize(
    "name",
    [
        "xresnet1d_test", "ecg_nat_test", "sparseformer_test", "crossl_ptb_xl_test",
        "medualtime_test", "melp_test", "xresnet1d_matching_test",
    ],
)  # fmt: skip
def test_a_run_that_was_killed_and_goes_on_with_a_worker_ends_as_an_undisturbed_one(
    name, synthetic_store, tmp_path, monkeypatch
):
    if name in ("medualtime_test", "melp_test"):
        pytest.importorskip("transformers")
    undisturbed = trained(name, synthetic_store, tmp_path / "undisturbed")
    step = TrainingModule.training_step

    def dying(self, batch, index):
        if (self.current_epoch, index) == (1, 1):
            raise CrashError
        return step(self, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingModule, "training_step", dying)
        with pytest.raises(CrashError):
            trained(name, synthetic_store, tmp_path / "killed")
    assert trained(name, synthetic_store, tmp_path / "killed", n_workers=1) == undisturbed
