"""What a user sees before anything is computed must not wait for torch, nor need it."""

import subprocess
import sys

import pytest

from medts.cli.main import VERBS

HEAVY = ("torch", "lightning", "scipy.signal", "scipy.stats", "sklearn", "matplotlib", "wfdb")
LISTS = ("recipes", "sources", "models", "objectives", "formats", "protocols", "label-sets", "suites")
COMMANDS = [["--help"], *([verb, "--help"] for verb in VERBS), *(["list", kind] for kind in LISTS)]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_and_lists_work_where_nothing_heavy_can_be_imported(command):
    code = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in {HEAVY}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
from medts.cli.main import main
sys.exit(main({command}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout) > 80
