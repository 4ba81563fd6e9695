"""A task on the synthetic store, the tiny model, and embeddings kept for all tests."""

import numpy as np
import pytest
import torch

from medts.evaluation.protocols.linear_probe import LinearProbeConfig
from medts.evaluation.task import make_task
from medts.inference.bundle import Bundle, load_bundle


@pytest.fixture(scope="session")
def kept(tmp_path_factory):
    return tmp_path_factory.mktemp("embeddings")


@pytest.fixture(scope="session")
def task(synthetic_store):
    return make_task(
        synthetic_store,
        "synthetic/findings",
        test_folds=["9", "10"],
        train_folds=[str(fold) for fold in range(1, 8)],
        val_folds=["8"],
    )


@pytest.fixture
def model(tiny_run):
    return load_bundle(tiny_run)


@pytest.fixture(scope="session")
def plain(kept):
    return LinearProbeConfig(controls=(), cache=kept)


class Aligned(Bundle):
    """A bundle with a text side that is handed to it, so that its answers are known beforehand.

    Args:
        bundle: Lends encoder, windows and preprocessing.
        of_record: Embedding by record id.
        of_text: Returns the embedding of a text.
    """

    def __init__(self, bundle, of_record, of_text):
        super().__init__(
            bundle.config,
            preprocessing=bundle.preprocessing,
            labels=bundle.labels,
            provenance=bundle.provenance,
        )
        self.of_record, self.of_text = of_record, of_text

    def embed_text(self, texts):
        return torch.from_numpy(np.stack([self.of_text(text) for text in texts])).float()

    def embed_batch(self, batch):
        found = np.stack([self.of_record[record] for record in batch.record_ids])
        return torch.from_numpy(found).float()


@pytest.fixture(scope="session")
def make_aligned():
    return Aligned
