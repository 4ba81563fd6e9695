import re
import tomllib
from pathlib import Path

from medts.cli.main import extra_of

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
CALLED = {"scikit-learn": "sklearn", "mlflow-skinny": "mlflow"}
"""Packages that are imported by another name than they are installed by."""


def names(requirements: list[str]) -> list[str]:
    return [re.match(r"[\w.-]+", each)[0] for each in requirements]


def test_every_package_of_an_extra_leads_to_that_extra():
    expected = {
        CALLED.get(name, name.replace("-", "_")): extra
        for extra, requirements in PROJECT["optional-dependencies"].items()
        if extra not in ("docs", "dev", "all")
        for name in names(requirements)
        if name != "medts"
    }
    assert {module: extra_of(module) for module in expected} == expected
    assert [extra_of(each) for each in ("numpy", "pytest", "mkdocs_material", "absent")] == [
        None
    ] * 4


def test_the_light_installation_brings_nothing_of_an_extra():
    assert not {"torch", "lightning", "wfdb"} & set(names(PROJECT["dependencies"]))
    assert not any(map(extra_of, names(PROJECT["dependencies"])))


def test_all_brings_every_extra_that_users_need():
    (everything,) = PROJECT["optional-dependencies"]["all"]
    named = set(re.search(r"\[(.*)\]", everything)[1].split(","))
    assert named == set(PROJECT["optional-dependencies"]) - {"all", "dev", "docs", "research"}
