"""GPT4TS: what learns, and what a prompt changes."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from medts.models.baselines.gpt4ts import Gpt4ts
from medts.models.settings.gpt4ts import Gpt4tsConfig
from medts.nn.settings import TextConfig

pytest.importorskip("transformers")
EACH = pytest.mark.parametrize("name", ["random-tiny-gpt2", "random-tiny-bert"])


def build(name="random-tiny-gpt2", **changes):
    torch.manual_seed(0)
    source = TextConfig(name=name, max_tokens=16)
    return Gpt4ts(Gpt4tsConfig(language_model=source, n_blocks=2, **changes)).eval()


def with_reports(batch, *texts):
    return replace(batch, text=texts)


@EACH
def test_only_patches_norms_and_positions_learn(name, make_batch, noise):
    encoder = build(name)
    n_positions = encoder.language_model.positions.weight.numel()
    n_norms = 2 * 2 + (name == "random-tiny-bert")
    n_patches = (300 + 1) * 32 + 64
    n_trained = sum(each.numel() for each in encoder.parameters())
    assert n_trained == n_patches + n_norms * 64 + n_positions
    encoder.train()(make_batch(noise())).pooled.square().sum().backward()
    assert all(each.grad.any() for each in encoder.parameters())
    learnt = {id(each) for each in encoder.parameters()}
    frozen = [each for each in encoder.language_model.model.parameters() if id(each) not in learnt]
    assert frozen
    assert not any(each.requires_grad for each in frozen)
    other = build(name)
    with torch.no_grad():
        encoder.language_model.positions.weight.add_(1.0)
    assert not torch.equal(
        encoder.language_model.positions.weight, other.language_model.positions.weight
    )
    assert list(build(name, is_norm_trained=False).learnt.parameters()) == []


@EACH
@pytest.mark.filterwarnings("ignore:.*texts are longer than")
@torch.no_grad()
def test_a_prompt_is_read_and_its_length_moves_nothing_for_other_windows(name, make_batch, noise):
    encoder, batch = build(name, prompt="report"), make_batch(noise(), [250, 180])
    without = encoder(batch)
    short = encoder(with_reports(batch, "sinus", None))
    long = encoder(with_reports(batch, "sinus", "atrial fibrillation and more"))
    torch.testing.assert_close(short.pooled[0], long.pooled[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(short.pooled[1], without.pooled[1], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(short.pooled[0], without.pooled[0], atol=1e-4)
    assert torch.equal(short.is_valid, without.is_valid)
    padded = make_batch(F.pad(batch.streams["ecg"].signal, (0, 70)), [250, 180])
    found = encoder(with_reports(padded, "sinus", "atrial fibrillation and more"))
    torch.testing.assert_close(found.pooled, long.pooled, atol=1e-5, rtol=1e-5)


@EACH
@torch.no_grad()
def test_a_prompt_and_patches_are_one_sequence(name, make_batch, noise):
    encoder, signal = build(name, prompt="report"), noise(1)
    encoded = encoder(with_reports(make_batch(signal), "normal ecg"))
    (numbers,) = encoder.language_model.tokenise(["normal ecg"])
    words = encoder.language_model.look_up(torch.tensor([numbers]))
    deviation = signal.std(dim=2, correction=0, keepdim=True)
    scaled = (signal - signal.mean(dim=2, keepdim=True)) / (deviation.square() + 1e-5).sqrt()
    patches = scaled.reshape(1, 12, 10, 25).transpose(1, 2).reshape(1, 10, 300)
    sequence = torch.cat([words, encoder.patches(patches)], dim=1)
    is_valid = torch.ones(sequence.shape[:2], dtype=torch.bool)
    hidden = encoder.language_model.run(encoder.language_model.embed(sequence), is_valid, 0, 2)
    expected = encoder.norm(hidden)[:, len(numbers) :]
    torch.testing.assert_close(encoded.tokens, expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_reports_are_not_read_without_a_prompt(make_batch, noise):
    encoder, batch = build(), make_batch(noise())
    found = encoder(with_reports(batch, "sinus rhythm", "atrial fibrillation"))
    assert torch.equal(found.pooled, encoder(batch).pooled)
