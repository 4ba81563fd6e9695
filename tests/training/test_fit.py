import random
import time
from dataclasses import asdict

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset
from toy_objective import SETTINGS, Toy, loaders, run

from medts.core.errors import ConfigError, MedtsError
from medts.training import fit as fit_module
from medts.training.checkpoints import Checkpoints
from medts.training.module import TrainingModule


class CrashError(Exception):
    """The power goes off."""


def crashed(folder, at: tuple[int, int], settings=SETTINGS, **changes):
    """Leaves a run that died in the training step of an epoch and batch."""
    step = TrainingModule.training_step

    def dying(self, batch, index):
        if (self.current_epoch, index) == at:
            raise CrashError
        return step(self, batch, index)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingModule, "training_step", dying)
        with pytest.raises(CrashError):
            run(folder, settings, **changes)


def counted(folder, settings=SETTINGS, **changes):
    """Trains, and returns the steps that were taken by epoch and batch, beside the result."""
    steps, step = [], TrainingModule.training_step

    def counting(self, batch, index):
        steps.append((self.current_epoch, index))
        return step(self, batch, index)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingModule, "training_step", counting)
        return steps, *run(folder, settings, **changes)


def assert_same(first, second):
    (one, fitted_one), (two, fitted_two) = first, second
    for name, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[name]), name
    assert fitted_one.history == fitted_two.history
    assert fitted_one.best_epoch == fitted_two.best_epoch
    assert fitted_one.best_value == fitted_two.best_value


@pytest.mark.parametrize("at", [(0, 2), (1, 0), (2, 1), (4, 2)])
def test_a_killed_run_ends_with_the_numbers_of_one_that_was_not(tmp_path, at):
    undisturbed = run(tmp_path / "undisturbed")
    crashed(tmp_path / "killed", at)
    steps, *resumed = counted(tmp_path / "killed")
    assert_same(undisturbed, resumed)
    assert steps[0] == (at[0], 0)  # the epoch that was not finished is done again
    assert resumed[1].was_resumed == (at[0] > 0)
    tables = [(tmp_path / each / "log" / "metrics.csv").read_text() for each in
              ("undisturbed", "killed")]  # fmt: skip
    assert tables[0] == tables[1]


def test_a_long_epoch_is_saved_in_its_middle_and_goes_on_there(tmp_path, monkeypatch):
    undisturbed = run(tmp_path / "undisturbed")
    monkeypatch.setattr(fit_module, "SAVE_EVERY_S", 0.0)
    crashed(tmp_path / "killed", (1, 2))
    steps, *resumed = counted(tmp_path / "killed")
    assert steps[0] == (1, 2)
    assert_same(undisturbed, resumed)


def test_a_run_killed_again_and_again_on_a_plateau_ends(tmp_path):
    plateau = SETTINGS.but(learning_rate=1e-12)  # nothing ever improves on the first epoch
    for epoch in range(1, 5):
        crashed(tmp_path, (epoch, 0), plateau, objective=Toy(norm=False))
    steps, _, fitted = counted(tmp_path, plateau, objective=Toy(norm=False))
    assert fitted.best_epoch == 0
    assert {epoch for epoch, _ in steps} == {4}
    assert [row["epoch"] for row in fitted.history] == [0, 1, 2, 3, 4]


def test_the_same_seed_gives_the_same_numbers_for_any_number_of_workers(tmp_path):
    alone = run(tmp_path / "alone")
    assert_same(alone, run(tmp_path / "again"))
    assert_same(alone, run(tmp_path / "workers", **loaders(n_workers=2)))
    other = run(tmp_path / "other", seed=1)[0]
    assert not torch.equal(other.hidden.weight, alone[0].hidden.weight)


def test_validation_changes_nothing_of_training(tmp_path):
    once = SETTINGS.but(epochs=1, min_updates=15, schedule="constant", warmup_ratio=0.0)
    seldom, often = run(tmp_path / "a", once), run(tmp_path / "b", SETTINGS.but(
        schedule="constant", warmup_ratio=0.0, monitor="loss"))  # fmt: skip
    assert len(seldom[1].history) == len(often[1].history) == 5
    for one, two in zip(seldom[1].history, often[1].history, strict=True):
        assert one["train_loss"] == two["train_loss"]


def test_more_epochs_go_on_at_the_rate_of_the_new_length(tmp_path):
    run(tmp_path, SETTINGS.but(epochs=2))
    steps, _, fitted = counted(tmp_path, SETTINGS.but(epochs=4))
    assert {epoch for epoch, _ in steps} == {2, 3}
    rates = [row["learning_rate"] for row in fitted.history]
    assert rates[1] < 1e-6  # the end of a cosine over two epochs
    share = 9 / 12
    assert rates[2] == pytest.approx(0.05 * (1 + np.cos(np.pi * share)) / 2)
    assert counted(tmp_path, SETTINGS.but(epochs=3))[0] == []


def test_more_patience_goes_on(tmp_path):
    def n_epochs(patience):
        still = SETTINGS.but(learning_rate=1e-12, patience=patience)
        return len(run(tmp_path, still, objective=Toy(norm=False))[1].history)

    assert [n_epochs(patience) for patience in (1, 2, None)] == [2, 3, 5]


def test_a_budget_that_ends_at_once_leaves_a_validated_model_and_more_goes_on(tmp_path):
    objective, fitted = run(tmp_path, SETTINGS.but(max_minutes=1e-9))
    assert "validation_score" in fitted.history[-1]
    assert objective.n_after_steps == 1
    assert fitted.best_value == fitted.history[-1]["validation_score"]
    steps, _, again = counted(tmp_path, SETTINGS.but(max_minutes=1e-9))
    assert steps == []
    assert again.best_value == fitted.best_value
    steps, _, more = counted(tmp_path, SETTINGS.but(max_minutes=5))
    assert steps[0] == (0, 1)
    assert [row["epoch"] for row in more.history] == [0, 1, 2, 3, 4]
    whole = run(tmp_path.parent / f"{tmp_path.name}-whole")[1]
    assert more.history == whole.history  # a run that had the time knows nothing of the end


def test_a_budget_counts_all_stretches(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(fit_module.time, "monotonic", lambda: clock[0])
    step = TrainingModule.training_step

    def slow(self, batch, index):
        clock[0] += 60.0
        return step(self, batch, index)

    monkeypatch.setattr(TrainingModule, "training_step", slow)
    crashed(tmp_path, (1, 1), SETTINGS.but(max_minutes=6.5))
    steps, _, fitted = counted(tmp_path, SETTINGS.but(max_minutes=6.5))
    assert steps == [(1, 0), (1, 1), (1, 2), (2, 0)]  # three minutes are behind
    assert [row["epoch"] for row in fitted.history] == [0, 1, 2]
    assert "validation_loss" in fitted.history[-1]


def test_of_equal_scores_the_lower_loss_is_kept(tmp_path):
    _, fitted = run(tmp_path, SETTINGS.but(epochs=12))
    best = max(row["validation_score"] for row in fitted.history)
    tied = [row for row in fitted.history if row["validation_score"] == best]
    assert len(tied) > 1
    assert fitted.best_epoch == min(tied, key=lambda row: row["validation_loss"])["epoch"]


def test_the_hook_after_a_step_is_called_once_for_each_and_its_buffers_are_kept(tmp_path):
    objective, _ = run(tmp_path, SETTINGS.but(monitor="loss", epochs=2))
    assert objective.n_after_steps == 2 * 3
    assert objective.average.abs().sum() > 0


def test_a_batch_without_labels_moves_no_weight(tmp_path):
    class HalfLabelled(Toy):
        def forward(self, batch):
            if self.training and self.seen % 2:
                batch = loaders(is_labelled=False)["training"].dataset.collate(
                    [(0, torch.zeros(3)), (1, torch.ones(3))]
                )
            if self.training:
                before = self.head.weight.detach().clone()
                self.moved.append(not torch.equal(before, self.last))
                self.last = before
                self.seen += 1
            return super().forward(batch)

    torch.manual_seed(0)
    objective = HalfLabelled()
    objective.seen, objective.moved, objective.last = 0, [], objective.head.weight.detach().clone()
    run(tmp_path, SETTINGS.but(weight_decay=0.5, epochs=2), objective=objective)
    # what a batch finds moved is the work of the one before it, and every second has no label
    assert objective.moved == [False, True, False, True, False, True]
    assert objective.n_after_steps == 3


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        (loaders(batch_size=1), "batch-size of 2 or more"),
        (loaders(n=1), "at least two training records"),
        (loaders(is_labelled=False), "at least two classes"),
    ],
)
def test_what_nothing_can_be_learnt_from_is_refused_and_claims_nothing(tmp_path, changes, remedy):
    with pytest.raises(MedtsError, match=remedy):
        run(tmp_path / "run", **changes, on_claim=lambda: pytest.fail("claimed"))
    assert not (tmp_path / "run").exists()


def test_a_loss_without_a_gradient_is_refused(tmp_path):
    frozen = Toy().requires_grad_(requires_grad=False)
    frozen.head.requires_grad_(requires_grad=True)
    torch.nn.init.zeros_(frozen.hidden.weight)
    torch.nn.init.zeros_(frozen.hidden.bias)
    torch.nn.init.zeros_(frozen.norm.bias)
    frozen.head.bias.requires_grad_(requires_grad=False)
    with pytest.raises(MedtsError, match="no gradient"):
        run(tmp_path / "run", objective=frozen)


def test_a_missing_gpu_is_said_in_one_line_and_claims_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=r"no GPU.*--training\.device cpu"):
        run(tmp_path / "run", SETTINGS.but(device="gpu"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried"),
        MemoryError(),
    ],
)
def test_a_full_device_is_said_in_one_line(tmp_path, error):
    class Hungry(Toy):
        def forward(self, batch):
            raise error

    with pytest.raises(MedtsError, match=r"out of memory.*smaller --training\.batch-size"):
        run(tmp_path / "run", objective=Hungry())


@pytest.mark.parametrize("n_workers", [0, 1])
def test_an_example_that_cannot_be_read_ends_in_its_own_sentence(tmp_path, n_workers):
    changes = loaders(n_workers=n_workers)

    def broken(_):
        raise MedtsError("record 7 is damaged", path="store/part.npy", remedy="Ingest it anew")

    changes["training"].dataset.__class__ = type("Broken", (type(changes["training"].dataset),), {
        "__getitem__": lambda self, index: broken(index)})  # fmt: skip
    with pytest.raises(MedtsError) as caught:
        run(tmp_path / "run", **changes)
    assert str(caught.value) == "store/part.npy: record 7 is damaged. Ingest it anew"


def test_a_key_pressed_comes_through_and_the_run_goes_on(tmp_path):
    class Pressed(Toy):
        def after_step(self):
            super().after_step()
            if self.n_after_steps == 5:
                raise KeyboardInterrupt

    torch.manual_seed(0)
    pressed = Pressed()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run", objective=pressed)
    assert_same(run(tmp_path / "run"), run(tmp_path / "undisturbed"))


def test_a_stream_of_examples_is_refused(tmp_path):
    class Stream(IterableDataset):
        def __iter__(self):
            yield from range(3)

    with pytest.raises(ConfigError, match="cannot be continued"):
        run(tmp_path / "run", training=DataLoader(Stream(), batch_size=None))


def state_of_the_process():
    return (
        random.getstate(),
        np.random.get_state()[1].tolist(),  # noqa: NPY002
        torch.get_rng_state().tolist(),
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.backends.cudnn.benchmark,
        torch.backends.cudnn.deterministic,
        torch.get_float32_matmul_precision(),
        torch.is_grad_enabled(),
    )


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp32-onednn"])
@pytest.mark.parametrize("fails", [False, True])
def test_the_process_is_as_before_afterwards(tmp_path, precision, fails):
    class Failing(Toy):
        def after_step(self):
            if fails:
                torch.set_num_threads(2)
                raise CrashError

    settings = SETTINGS.but(epochs=1, precision=precision)
    objective, given = Failing(), loaders()
    with torch.no_grad():
        before = state_of_the_process()
        try:
            fit_module.fit(objective, settings=settings, folder=tmp_path, **given)
        except CrashError:
            assert fails
        assert state_of_the_process() == before


def test_parts_in_evaluation_mode_stay_so(tmp_path):
    objective, seen = Toy(), []
    objective.norm.eval()
    objective.head.register_forward_hook(
        lambda *_: seen.append((objective.training, objective.norm.training))
    )
    run(tmp_path, SETTINGS.but(epochs=2), objective=objective)
    assert set(seen) == {(True, False), (False, False)}


def test_what_is_saved_is_plain_and_names_no_path(tmp_path):
    run(tmp_path, SETTINGS.but(epochs=1))
    for path in (tmp_path / "checkpoints").iterdir():
        state = torch.load(path, weights_only=True)
        assert state["at"]["epoch"] == 1
        assert str(tmp_path).encode() not in path.read_bytes()


def test_seconds_are_those_of_the_stretch(tmp_path):
    began = time.monotonic()
    fitted = run(tmp_path)[1]
    assert 0 < fitted.seconds <= time.monotonic() - began
    assert asdict(fitted)["was_resumed"] is False
    assert Checkpoints(tmp_path).load()[0]["at"]["seconds"] > 0
