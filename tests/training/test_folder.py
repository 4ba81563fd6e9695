import json

import pytest
from pydantic import Field

from medts.core.config import NOT_IDENTITY, Config
from medts.core.errors import ConfigError
from medts.training.folder import claim, is_finished
from medts.training.settings import Training


class Request(Config):
    """A run of two numbers."""

    training: Training = Training()
    """How."""

    width: int = 3
    """What."""

    cache_gib: float = Field(default=1.0, json_schema_extra=NOT_IDENTITY)
    """How fast."""


def asked(width=3, cache_gib=1.0, **training):
    return Request(training=Training(**training), width=width, cache_gib=cache_gib)


def claimed(folder, request):
    claim(folder, request, data_digest="d")()


def test_a_claim_writes_nothing_before_there_is_something_to_keep(tmp_path):
    write = claim(tmp_path / "run", asked(), data_digest="d")
    assert not (tmp_path / "run").exists()
    write()
    assert json.loads((tmp_path / "run" / "run.json").read_text())["width"] == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"max_minutes": 5.0}, {"epochs": 90}, {"min_updates": 7}, {"patience": 3},
        {"device": "cpu"}, {"n_workers": 2}, {"cache_gib": 9.0},
    ],
)  # fmt: skip
def test_length_device_workers_and_cache_are_no_part_of_a_runs_identity(tmp_path, changes):
    claimed(tmp_path, asked())
    started = json.loads((tmp_path / "run.json").read_text())["started"]
    claimed(tmp_path, asked(**changes))
    found = json.loads((tmp_path / "run.json").read_text())
    assert found["started"] == started
    value = next(iter(changes.items()))
    assert value in {**found, **found["training"]}.items()  # the folder says what is asked now


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"width": 4}, "width"),
        ({"batch_size": 3}, "training.batch_size"),
        ({"precision": "bf16"}, "training.precision"),
        ({"schedule": "cosine"}, "training.schedule"),
    ],
)
def test_what_changes_the_numbers_is_another_run(tmp_path, changes, name):
    claimed(tmp_path, asked())
    with pytest.raises(ConfigError, match=f"another run: {name} differ"):
        claimed(tmp_path, asked(**changes))
    with pytest.raises(ConfigError, match="another run: data_digest differ"):
        claim(tmp_path, asked(), data_digest="another")


@pytest.mark.parametrize(
    ("made", "wanted", "is_enough"),
    [
        ({"epochs": 4}, {"epochs": 4}, True),
        ({"epochs": 4}, {"epochs": 3}, True),
        ({"epochs": 4}, {"epochs": 5}, False),
        ({"max_minutes": 5.0}, {"max_minutes": 5.0}, True),
        ({"max_minutes": 5.0}, {"max_minutes": 6.0}, False),
        ({"max_minutes": 5.0}, {}, False),
        ({}, {"max_minutes": 5.0}, True),
        ({"patience": 2}, {"patience": 3}, False),
        ({}, {"n_workers": 3, "device": "cpu", "cache_gib": 9.0}, True),
    ],
)
def test_a_finished_run_goes_on_only_where_it_is_to_be_longer(tmp_path, made, wanted, is_enough):
    assert not is_finished(tmp_path, asked(**made))
    settings = asked(**made).model_dump(mode="json")
    (tmp_path / "provenance.json").write_text(json.dumps({"settings": settings}))
    assert is_finished(tmp_path, asked(**wanted)) == is_enough


@pytest.mark.parametrize("content", ["", "{", "[]", "\xff"])
def test_a_damaged_description_is_one_clear_error(tmp_path, content):
    (tmp_path / "run.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"run\.json: .*Give another --out"):
        claim(tmp_path, asked(), data_digest="d")


def test_checkpoints_that_nothing_describes_are_not_continued(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(ConfigError, match=r"no run\.json"):
        claim(tmp_path, asked(), data_digest="d")


def test_a_folder_that_is_a_file_is_found_before_training(tmp_path):
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "run" / "deeper"):
        with pytest.raises(ConfigError, match="this is a file, not a folder"):
            claim(out, asked(), data_digest="d")
