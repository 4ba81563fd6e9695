import numpy as np
import torch

from medts.evaluation.controls import CONTROLS, random_encoder, simple_features
from medts.evaluation.embeddings import embed, encoder_digest
from medts.evaluation.leaks import find_leaks
from medts.inference.folder import bundle_digest
from medts.report.wording import control_definition
from medts.signal.features import signal_features


def test_an_untrained_encoder_is_the_same_architecture_with_other_weights(model):
    untrained = random_encoder(model, 0)
    assert untrained.config == model.config
    assert untrained.preprocessing == model.preprocessing
    assert {k: v.shape for k, v in untrained.state_dict().items()} == {
        k: v.shape for k, v in model.state_dict().items()
    }
    assert encoder_digest(untrained) != encoder_digest(model)
    assert "untrained" in untrained.provenance.recipe


def test_the_seed_alone_decides_the_weights_and_nothing_else_is_disturbed(model):
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    first = encoder_digest(random_encoder(model, 7))
    assert (torch.rand(3) == expected).all()
    assert encoder_digest(random_encoder(model, 7)) == first
    assert encoder_digest(random_encoder(model, 8)) != first


def test_an_untrained_encoder_has_met_no_one(model, synthetic_store):
    rows, folds = synthetic_store.select(["1"]), ["1"]
    assert find_leaks(model.provenance, synthetic_store, rows, folds)
    untrained = random_encoder(model, 0)
    assert not find_leaks(untrained.provenance, synthetic_store, rows, folds)


def test_an_untrained_encoder_can_be_saved_and_embeds(model, synthetic_store, tmp_path):
    untrained = random_encoder(model, 0)
    assert len(bundle_digest(untrained.save(tmp_path / "bundle"))) == 64
    found = embed(untrained, synthetic_store, np.array([0, 1]))
    assert np.ptp(found, axis=0).max() > 0


def test_simple_features_are_a_table_in_the_order_of_the_rows(model, synthetic_store, tmp_path):
    rows = np.array([5, 2])
    table = simple_features(model, synthetic_store, rows, tmp_path)
    channels = {name: spec.channels for name, spec in model.preprocessing.streams.items()}
    for row, found in zip(rows, table, strict=True):
        expected = list(signal_features(synthetic_store.record(int(row)), channels).values())
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_array_equal(
        simple_features(model, synthetic_store, rows[::-1].copy(), tmp_path), table[::-1]
    )


def test_every_control_has_a_sentence_for_the_page(model, synthetic_store, tmp_path):
    for name, represent in CONTROLS.items():
        assert control_definition(name)
        assert represent(model, synthetic_store, np.array([0, 3]), tmp_path, 0, None).shape[0] == 2
