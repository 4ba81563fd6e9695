"""Text only: the report and nothing else."""

from dataclasses import replace

import pytest
import torch

from medts.models.baselines.text_linear import TextLinear
from medts.models.settings.text_linear import TextLinearConfig
from medts.nn.settings import TextConfig

pytest.importorskip("transformers")


def build(name="random-tiny-bert"):
    return TextLinear(TextLinearConfig(text=TextConfig(name=name, max_tokens=16))).eval()


def test_it_reads_the_report_and_nothing_else(make_batch, noise):
    encoder = build()
    batch = replace(make_batch(noise(3)), text=("sinus rhythm", None, "normal ecg"))
    other = replace(make_batch(noise(3, seed=2)), text=batch.text)
    encoded = encoder(batch)
    assert torch.equal(encoded.pooled, encoder(other).pooled)
    assert encoded.is_valid[:, 0].tolist() == [True, False, True]
    assert not encoded.pooled[1].any()
    assert not torch.allclose(encoded.pooled[0], encoded.pooled[2])
    assert encoder.language_model.n_computed == 2
    assert list(encoder.parameters()) == []


def test_its_vector_is_the_mean_over_the_last_layer(make_batch, noise):
    encoder = build()
    batch = replace(make_batch(noise(2)), text=("sinus rhythm", "word " * 5000))
    with pytest.warns(UserWarning, match="1 of 2 texts are longer than the 16 tokens"):
        found = encoder(batch).pooled
    ids = encoder.language_model.tokenizer("sinus rhythm", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        states = encoder.language_model.model(input_ids=ids).last_hidden_state
    torch.testing.assert_close(found[0], states[0].mean(dim=0))
    assert found[1].isfinite().all()


def test_a_checkpoint_holds_the_digest_of_the_language_model():
    build("random-tiny-gpt2").load_state_dict(build("random-tiny-gpt2").state_dict())
    with pytest.raises(ValueError, match="digest"):
        build("random-tiny-gpt2").load_state_dict(build().state_dict())
