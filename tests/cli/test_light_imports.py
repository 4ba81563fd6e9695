"""What a user sees before anything is computed must not wait for torch, nor need it."""

import subprocess
import sys
from typing import get_args

import pytest

from medts.cli.list import Kind
from medts.cli.main import VERBS

HEAVY = ("torch", "lightning", "scipy.signal", "scipy.stats", "sklearn", "matplotlib", "wfdb")
LISTS = get_args(Kind)
COMMANDS = [
    ["--help"],
    *([verb, "--help"] for verb in VERBS),
    *(["list", kind] for kind in LISTS),
    ["evaluate", "--protocol", "linear_probe", "--help"],
]


def run_without(modules: tuple[str, ...], command: list[str]) -> subprocess.CompletedProcess:
    """Runs a verb in a process in which some modules cannot be imported."""
    code = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in {modules}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
from medts.cli.main import main
sys.exit(main({command}))
"""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_and_lists_work_where_nothing_heavy_can_be_imported(command):
    done = run_without(HEAVY, command)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout) > 80


def test_what_needs_torch_says_how_to_install_it():
    command = ["evaluate", "--model", "m", "--data", "s", "--folds", "9", "--out", "o"]
    done = run_without(("torch",), command)
    assert done.returncode == 2
    said = "medts: evaluate needs torch. Install it with: pip install 'medts[train]'\n"
    assert done.stderr == said
