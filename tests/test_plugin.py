"""Another package, installed beside medts by its metadata alone, goes the whole way."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PLUGIN = Path(__file__).parent / "plugin"


def install(folder: Path, name: str, entry_points: dict[str, dict[str, str]]) -> None:
    """Writes what an installer would leave of a package besides its modules."""
    info = folder / f"{name.replace('-', '_')}-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
    lines = []
    for group, added in entry_points.items():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in added.items())]
    (info / "entry_points.txt").write_text("\n".join(lines))


def python(*arguments, folders=()) -> subprocess.CompletedProcess:
    """Runs Python in a process that sees the packages in some folders."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join((*map(str, folders), *sys.path))},
    )


def medts(*arguments, folders=()) -> subprocess.CompletedProcess:
    """Runs one verb, likewise."""
    return python("-m", "medts", *arguments, folders=folders)


@pytest.fixture(scope="session")
def installed(tmp_path_factory) -> tuple[Path, Path]:
    """Folders that make the example package importable and known."""
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text())["project"]
    site = tmp_path_factory.mktemp("site")
    install(site, project["name"], project["entry-points"])
    return site, PLUGIN


@pytest.fixture(scope="session")
def run_folder(installed, tmp_path_factory) -> Path:
    """A store of its source, and runs of its recipes in which flags change its encoder."""
    out = tmp_path_factory.mktemp("foreign")
    folds = ["--train-folds", "1", "--val-folds", "2", "--encoder.hidden", "8"]
    data = ["--data", out / "store"]
    for command in (
        ["ingest", "few", "-", out / "store", "--workers", "1"],
        ["train", "gru_byol", *data, *folds, "--out", out / "pretrained"],
        ["train", "gru", *data, *folds, "--labels", "few/rhythm", "--out", out / "tuned",
         "--init", out / "pretrained"],
    ):  # fmt: skip
        done = medts(*command, folders=installed)
        assert done.returncode == 0, done.stderr
    return out


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("models", "gru"),
        ("objectives", "byol"),
        ("sources", "few"),
        ("label-sets", "few/rhythm"),
        ("formats", "plain"),
        ("protocols", "counting"),
    ],
)
def test_what_it_adds_is_listed_with_its_package(installed, kind, name):
    lines = medts("list", kind, folders=installed).stdout.splitlines()
    (row,) = (line for line in lines if line.split()[1:2] == [name])
    assert "│ medts-gru" in row
    assert "cannot be used" not in "".join(lines)


def test_its_recipes_are_listed_under_its_package(installed):
    lines = medts("list", "recipes", folders=installed).stdout.splitlines()
    (place,) = (index for index, line in enumerate(lines) if line == "From package medts-gru")
    assert "gru_byol" in {line.split()[0] for line in lines[place + 1 :]}
    assert not any("gru_byol" in line for line in lines[:place])
    assert "cannot be used" not in "".join(lines)


def test_its_fields_are_flags(installed):
    done = medts("train", "gru_byol", "--help", folders=installed)
    assert "--encoder.hidden" in done.stdout
    assert "--objective.views.crop-ratio" in done.stdout


def test_its_bundle_predicts_on_its_file(installed, run_folder):
    code = f"""
import json, medts
from pathlib import Path
from medts.data.store import Store
from medts.formats import FORMATS
from medts.recipes import find_recipe
record = Store({str(run_folder / "store")!r}).record(2)
file = Path({str(run_folder / "one.plain")!r})
FORMATS["plain"].write(record, file)
model = medts.load({str(run_folder / "tuned")!r})
assert model.bundle.config.encoder == find_recipe("gru").encoder.but(hidden=8)
print(json.dumps(model.predict(file).probability))
"""
    done = python("-c", code, folders=installed)
    assert done.returncode == 0, done.stderr
    asked = ["predict", run_folder / "tuned", run_folder / "one.plain", "--json"]
    shown = medts(*asked, folders=installed)
    classes = json.loads(shown.stdout)["classes"]
    assert {name: each["probability"] for name, each in classes.items()} == json.loads(done.stdout)


def test_its_protocol_measures_with_its_settings_as_flags(installed, run_folder):
    done = medts(
        "evaluate", "--protocol", "counting", "--by", "10", "--model", run_folder / "tuned",
        "--data", run_folder / "store", "--folds", "3", "--out", run_folder / "test",
        folders=installed,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads((run_folder / "test" / "metrics.json").read_text())
    assert found["metrics"]["n"]["value"] == 10 * found["n_records"] > 0
    assert (found["protocol"], found["settings"]) == ("counting", {"by": 10})


def test_its_teacher_follows_the_encoder_after_a_step(installed):
    code = """
import torch
from medts_gru import ByolSettings, GruSettings
from medts.objectives.base import TrainingParts
made = ByolSettings(momentum=0.75).build(TrainingParts(GruSettings().build()))
with torch.no_grad():
    for each in made.encoder.parameters():
        each += 4.0
gap = made.encoder.gru.bias_hh_l0 - made.teacher.gru.bias_hh_l0
made.after_step()
torch.testing.assert_close(made.encoder.gru.bias_hh_l0 - made.teacher.gru.bias_hh_l0, 0.75 * gap)
assert any(name.startswith("teacher.") for name in made.state_dict())
"""
    done = python("-c", code, folders=installed)
    assert done.returncode == 0, done.stderr


def test_without_the_package_its_bundle_names_the_encoder_that_is_unknown(run_folder):
    done = medts("predict", run_folder / "tuned", "any.hea")
    assert done.returncode == 2
    assert "'gru' comes from another package, medts_gru 0.1.0" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_entry_point_takes_nothing_along(installed, tmp_path):
    install(tmp_path, "medts-broken", {"medts.encoders": {"lost": "no_such_module:Lost"}})
    done = medts("list", "models", folders=(tmp_path, *installed))
    assert done.returncode == 0
    assert "cannot be used: lost (medts-broken: ModuleNotFoundError: No module" in done.stdout
    assert "│ medts-gru" in done.stdout


def test_a_name_that_two_packages_claim_is_an_error_only_where_it_is_used(installed, tmp_path):
    other = {"medts.sources": {"few": "medts_gru:Source"}}
    install(tmp_path, "medts-other", other)
    folders = (tmp_path, *installed)
    done = medts("list", "sources", folders=folders)
    assert done.returncode == 0
    assert "cannot be used: few (medts-gru and medts-other both add it)" in done.stdout
    done = medts("ingest", "few", "-", tmp_path / "store", folders=folders)
    assert done.returncode == 2
    assert "source 'few' cannot be used (medts-gru and medts-other both add it)" in done.stderr
    assert done.stderr.count("\n") == 1
