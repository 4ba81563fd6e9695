"""Fixtures shared by all tests: real recordings where they are, and small synthetic stores."""

import os
from pathlib import Path

import pytest

from medts.data.ingest import ingest
from medts.data.sources.synthetic import Synthetic
from medts.data.store import Store


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
