"""Fixtures shared by all tests: real recordings where they are, and small synthetic stores."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from running import run

from medts.data.ingest import ingest
from medts.data.sources.synthetic import Synthetic
from medts.data.store import Store
from medts.recipes import find_recipe

settings.register_profile("medts", deadline=None)  # a loaded machine is no failure
settings.load_profile("medts")


@pytest.fixture(scope="session", autouse=True)
def site_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A site key of the tests' own: they must not make one in the user's folder."""
    before, path = os.environ.get("MEDTS_SITE_KEY"), tmp_path_factory.mktemp("key") / "site.key"
    os.environ["MEDTS_SITE_KEY"] = str(path)
    yield path
    os.environ.pop("MEDTS_SITE_KEY")
    if before is not None:
        os.environ["MEDTS_SITE_KEY"] = before


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the open corpora; a test that asks for it is skipped where there is none."""
    folder = os.environ.get("MEDTS_DATA")
    if not folder:
        pytest.skip("MEDTS_DATA is not set: no real recordings here")
    return Path(folder)


@pytest.fixture(scope="session")
def synthetic_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with a hundred synthetic records of fifty subjects, five seconds each."""
    path = tmp_path_factory.mktemp("stores") / "synthetic"
    ingest(Synthetic(n_subjects=50, records_per_subject=2, duration_s=5.0, seed=3), "-", path)
    return Store(path)


@pytest.fixture(scope="session")
def tiny_run(synthetic_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the smallest recipe: folds 1-7 train, 8 chooses, 9 and 10 are unseen."""
    out = tmp_path_factory.mktemp("runs") / "tiny"
    run("xresnet1d_test", synthetic_store, labels="synthetic/findings", out=out)
    return out


@pytest.fixture(scope="session")
def rate_run(synthetic_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on a number, the heart rate: folds 1-7 train, 8 chooses."""
    out = tmp_path_factory.mktemp("runs") / "rate"
    recipe = find_recipe("xresnet1d_test")
    recipe = recipe.but(training=recipe.training.but(epochs=12))
    run(recipe, synthetic_store, labels="synthetic/rate", out=out)
    return out


@pytest.fixture(scope="session")
def joint_run(synthetic_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on two label sets whose classes are known by (drawn) words."""
    out = tmp_path_factory.mktemp("runs") / "joint"
    labels = ("synthetic/rhythm", "synthetic/morphology")
    run("xresnet1d_matching_test", synthetic_store, labels=labels, out=out)
    return out


@pytest.fixture(scope="session")
def medualtime_run(synthetic_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the smallest model that reads reports; folds as for `tiny_run`."""
    pytest.importorskip("transformers")
    out = tmp_path_factory.mktemp("runs") / "medualtime"
    run("medualtime_test", synthetic_store, labels="synthetic/findings", out=out)
    return out


@pytest.fixture(scope="session")
def text_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an untrained BERT of two layers whose tokens are characters."""
    pytest.importorskip("transformers")
    from medts.nn.language_model import random_language_model

    folder = tmp_path_factory.mktemp("bert")
    made = random_language_model("bert", layers=2, dim=32, heads=2, vocabulary_size=120, seed=0)
    for parameter in made.model.parameters():  # BERT's own start hardly tells texts apart
        if parameter.ndim > 1:
            parameter.data.mul_(4.0)
    made.model.save_pretrained(folder)
    made.tokenizer.save_pretrained(folder)
    return folder
