from typing import ClassVar, Literal

import pytest
from pydantic import TypeAdapter, ValidationError

from medts.core.errors import ConfigError, UnknownNameError
from medts.core.registry import Plugins, Registered, add_plugins, package_of, plugins


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Returns a function that installs the metadata of a package with one entry-point group."""
    monkeypatch.syspath_prepend(tmp_path)

    def installed(name, group, **entry_points):
        info = tmp_path / f"{name}-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        lines = [f"{key} = {value}" for key, value in entry_points.items()]
        (info / "entry_points.txt").write_text("\n".join((f"[{group}]", *lines)))

    return installed


def test_entry_points_are_loaded_each_on_its_own(install):
    install("one", "test.each", join="os.path:join", gone="os.path:gone", lost="no_such_module:x")
    found = plugins("test.each")
    assert found.found["join"].__name__ == "join"
    assert found.broken["gone"].startswith("one: AttributeError: ")
    assert found.broken["lost"] == "one: ModuleNotFoundError: No module named 'no_such_module'"
    assert found.package["join"] == "one"


def test_a_name_of_two_packages_is_broken_unless_both_mean_the_same(install):
    install("one", "test.two", twice="os.path:join", same="os.path:split")
    install("two", "test.two", twice="os.path:split", same="os.path:split")
    found = plugins("test.two")
    assert found.broken == {"twice": "one and two both add it"}
    assert list(found.found) == ["same"]


def test_a_name_of_ours_that_another_package_claims_is_broken_and_ours_alone_stay(install):
    install("one", "test.ours", join="os.path:split", more="os.path:join")
    known = add_plugins("test.ours", {"join": 1, "other": 2})
    assert known.broken == {"join": "medts and one both add it"}
    assert known.find("thing", "other") == 2
    assert known.package == {"more": "one"}
    with pytest.raises(UnknownNameError, match=r"thing 'join' cannot be used \(medts and one"):
        known.find("thing", "join")


def test_one_entry_point_may_add_several_things_or_be_refused(install):
    install("one", "test.several", many="os:path", none="os:sep")

    def members(name, loaded):
        if name == "none":
            raise ConfigError("is nothing")
        return {"join": loaded.join, "split": loaded.split}

    known = add_plugins("test.several", {}, members)
    assert list(known.found) == ["join", "split"]
    assert known.package == {"join": "one", "split": "one"}
    assert known.broken == {"none": "one: is nothing"}


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'blue'"):
        Plugins({"blue": 1}, {}, {}).find("colour", "blu")


class Shape(Registered):
    noun: ClassVar[str] = "shape"
    home: ClassVar[str] = "medts.cli"
    group: ClassVar[str] = "test.shapes"


class Round(Shape):
    kind: Literal["round"] = "round"


def test_a_subclass_is_found_by_its_kind_and_shown_with_its_package():
    assert Shape.find("round") is Round
    assert Shape.listed().package == {"round": __name__.partition(".")[0]}
    assert package_of(TypeAdapter) == "pydantic"


def test_two_subclasses_of_one_kind_are_refused():
    with pytest.raises(ConfigError, match="two shapes are called 'round'"):

        class Other(Shape):
            kind: Literal["round"] = "round"

    assert Shape.find("round") is Round
    with pytest.raises(ValidationError):
        Round(kind="square")
