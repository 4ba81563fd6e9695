"""The light installation: what works where torch cannot be imported, and the error elsewhere."""

import subprocess
import sys
from pathlib import Path

import pytest

BLOCKED = ("torch", "lightning", "sklearn", "einops", "transformers", "wfdb", "matplotlib")


def python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs code in a fresh process where heavy packages cannot be imported."""
    blocked = f"""
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
"""
    return subprocess.run(
        [sys.executable, "-c", blocked + code], capture_output=True, text=True, cwd=folder
    )


def test_it_ingests_reads_and_lists(tmp_path):
    code = """
import medts
from medts.cli.main import main
from medts.recipes import find_recipe, recipes
for arguments in (["--help"], ["list", "recipes"], ["list", "sources"], ["list", "models"],
                  ["list", "formats"], ["ingest", "synthetic", "-", "store", "--workers", "1"],
                  ["info", "store"]):
    assert main(arguments) == 0, arguments
store = medts.Store("store")
record = store.record(0)
from medts.formats import FORMATS
FORMATS["wfdb"].write(record, __import__("pathlib").Path("one.hea"))
assert medts.read("one.hea").streams["ecg"].channels == record.streams["ecg"].channels
assert main(["info", "one.hea"]) == 0
for name in recipes():
    find_recipe(name)
assert find_recipe("ecg_nat").but(training=find_recipe("ecg_nat").training.but(epochs=1))
"""
    done = python(code, tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "xresnet1d_test", "--data", "store", "--labels", "synthetic/findings"],
        ["evaluate", "--model", "run", "--data", "store", "--folds", "9"],
    ],
)
def test_what_needs_torch_says_which_extra_brings_it(arguments, tmp_path):
    code = f"""
from medts.cli.main import main
raise SystemExit(main({[*arguments, "--out", "run"]!r}))
"""
    done = python(code, tmp_path)
    assert done.returncode == 2
    assert "pip install 'medts[train]'" in done.stderr
    assert "Traceback" not in done.stderr
