import json
import os
import shutil
import subprocess
import sys
import textwrap

import pytest
import torch
from toy_objective import SETTINGS, Toy, run

from medts.core.errors import MedtsError
from medts.training.checkpoints import Checkpoints
from medts.training.module import TrainingModule

WORSE = SETTINGS.but(monitor="loss", learning_rate=1.0, epochs=6, schedule="constant")


def damage(path, how):
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(
        {
            "truncated": content[:middle],
            "empty": b"",
            "not one": b"nothing of the kind",
            "one bit": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        }[how]
    )


def stopped(folder, epoch, settings=SETTINGS):
    """Leaves a run that was stopped when an epoch began."""

    class Stop(BaseException):
        pass

    step = TrainingModule.training_step

    def stopping(self, batch, index):
        if self.current_epoch == epoch:
            raise Stop
        return step(self, batch, index)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingModule, "training_step", stopping)
        with pytest.raises(Stop):
            run(folder, settings)


def test_a_moved_folder_remembers_the_best_epoch(tmp_path):
    _, whole = run(tmp_path / "whole", WORSE)
    losses = [row["validation_loss"] for row in whole.history]
    after = losses.index(min(losses)) + 1
    assert after < len(losses)  # so that worse epochs come after the best one
    stopped(tmp_path / "here", after, WORSE)
    best = (tmp_path / "here" / "checkpoints" / "best.ckpt").read_bytes()
    moved = shutil.move(tmp_path / "here", tmp_path / "there")
    objective, fitted = run(moved, WORSE)
    assert fitted.best_value == min(losses)
    assert (moved / "checkpoints" / "best.ckpt").read_bytes() == best
    kept = torch.load(moved / "checkpoints" / "best.ckpt", weights_only=True)["objective"]
    assert all(torch.equal(kept[name], value) for name, value in objective.state_dict().items())
    assert not (tmp_path / "here").exists()


@pytest.mark.parametrize("how", ["truncated", "empty", "not one", "one bit"])
def test_a_damaged_last_checkpoint_is_said_and_the_best_one_goes_on(tmp_path, how):
    undisturbed = run(tmp_path / "undisturbed")[1]
    stopped(tmp_path / "run", 3)
    damage(tmp_path / "run" / "checkpoints" / "last.ckpt", how)
    with pytest.warns(UserWarning, match=r"last\.ckpt: .*damaged; training goes on from best"):
        fitted = run(tmp_path / "run")[1]
    assert fitted.history == undisturbed.history


def test_a_damaged_best_checkpoint_is_said_and_the_run_goes_on(tmp_path):
    stopped(tmp_path, 3)
    damage(tmp_path / "checkpoints" / "best.ckpt", "truncated")
    with pytest.warns(UserWarning, match=r"best\.ckpt: .*the best epoch so far is lost"):
        fitted = run(tmp_path)[1]
    assert [row["epoch"] for row in fitted.history] == [0, 1, 2, 3, 4]
    assert fitted.best_epoch >= 3


def test_a_lost_best_checkpoint_of_a_finished_run_is_made_of_the_last_weights(tmp_path):
    run(tmp_path)
    (tmp_path / "checkpoints" / "best.ckpt").unlink()
    fitted = run(tmp_path)[1]
    assert fitted.best_epoch == 4
    assert [row["epoch"] for row in fitted.history] == [0, 1, 2, 3, 4]


def test_two_damaged_checkpoints_are_one_clear_error(tmp_path):
    stopped(tmp_path, 3)
    for name in ("last", "best"):
        damage(tmp_path / "checkpoints" / f"{name}.ckpt", "truncated")
    with pytest.raises(MedtsError, match=r"last\.ckpt: .*damaged.*Remove .*checkpoints"):
        run(tmp_path)


def test_checkpoints_of_another_model_are_refused(tmp_path):
    stopped(tmp_path, 2)
    with pytest.raises(MedtsError, match="of another model"):
        run(tmp_path, objective=Toy(norm=False))


def test_a_checkpoint_that_holds_more_than_values_is_not_executed(tmp_path):
    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "executed"),))

    stopped(tmp_path, 2)
    for name in ("last", "best"):
        torch.save({"format": 1, "at": Evil()}, tmp_path / "checkpoints" / f"{name}.ckpt")
    with pytest.raises(MedtsError, match="damaged"):
        run(tmp_path)
    assert not (tmp_path / "executed").exists()


def test_the_folder_is_claimed_once_and_before_anything_is_in_it(tmp_path):
    found = []
    run(
        tmp_path / "run",
        on_claim=lambda: found.append(
            [each for each in (tmp_path / "run").rglob("*.*") if each.name != ".lock"]
        ),
    )
    assert found == [[]]


def test_two_processes_do_not_train_in_one_folder(tmp_path):
    run(tmp_path, SETTINGS.but(epochs=1))
    other = Checkpoints(tmp_path)
    try:
        with pytest.raises(MedtsError, match="another process trains in this folder"):
            run(tmp_path)
    finally:
        other.close()
    assert len(run(tmp_path)[1].history) == 5


def test_a_folder_that_another_process_filled_meanwhile_is_left_alone(tmp_path):
    class Slow(Toy):
        def after_step(self):
            if not (tmp_path / "checkpoints").exists():
                run(tmp_path, SETTINGS.but(epochs=1), seed=3)

    with pytest.raises(MedtsError, match="another process trains"):
        run(tmp_path, objective=Slow())


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MedtsError, match="file"):
        run(tmp_path / "file" / "run")


def test_a_full_disk_is_one_line_and_leaves_what_was_there(tmp_path):
    undisturbed = run(tmp_path / "undisturbed")[1]
    stopped(tmp_path / "run", 2)
    before = {path: path.read_bytes() for path in (tmp_path / "run" / "checkpoints").iterdir()}
    script = """
        import resource, signal, sys
        from pathlib import Path
        from medts.core.errors import MedtsError
        from toy_objective import run
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
        try:
            run(Path(sys.argv[1]))
        except MedtsError as error:
            print(error)
    """
    said = outside(script, tmp_path / "run")
    assert ".ckpt: File too large. Make room; the same command then goes on" in said.stdout
    assert {path: path.read_bytes() for path in before} == before
    assert sorted(before) == sorted((tmp_path / "run" / "checkpoints").iterdir())
    assert run(tmp_path / "run")[1].history == undisturbed.history


def outside(script, *arguments, **variables):
    """Runs a script in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_cluster_variables_and_strangers_checkpoints_change_nothing(tmp_path):
    script = """
        import json, os, signal, sys
        from pathlib import Path
        from toy_objective import Toy, run
        handlers = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)]
        class Watching(Toy):
            def after_step(self):
                super().after_step()
                assert handlers == [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)]
        import torch
        torch.manual_seed(0)
        os.chdir(sys.argv[2])
        before = dict(os.environ)
        fitted = run(Path(sys.argv[1]), objective=Watching())[1]
        assert dict(os.environ) == before
        print(json.dumps(fitted.history))
    """  # noqa: E501
    torch.manual_seed(0)
    expected = run(tmp_path / "alone")[1].history
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(tmp_path / "alone" / "checkpoints" / "last.ckpt", elsewhere / "hpc_ckpt_1.ckpt")
    slurm = {
        "SLURM_NTASKS": "4", "SLURM_JOB_NAME": "train", "SLURM_JOB_ID": "77", "SLURM_PROCID": "3",
        "SLURM_LOCALID": "3", "SLURM_NODEID": "1", "SLURM_NTASKS_PER_NODE": "4",
    }  # fmt: skip
    torchrun = {
        "TORCHELASTIC_RUN_ID": "1", "RANK": "2", "LOCAL_RANK": "2", "WORLD_SIZE": "4",
        "MASTER_ADDR": "nowhere", "MASTER_PORT": "1", "GROUP_RANK": "0", "LT_DEVICES": "7",
    }  # fmt: skip
    ended = outside(script, tmp_path / "run", elsewhere, **slurm, **torchrun)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == expected
    assert [path.name for path in elsewhere.iterdir()] == ["hpc_ckpt_1.ckpt"]
