"""Masked language modelling: what is hidden, what is shown, what is scored."""

import math

import pytest
import torch

from medts.core.errors import ConfigError, MedtsError
from medts.models.report_encoder import ReportEncoder
from medts.models.settings.report_encoder import ReportEncoderConfig
from medts.nn.language_model import load_language_model, random_language_model
from medts.objectives.masked_language import MaskedLanguage, corrupt, sample_hidden, tokenise
from medts.objectives.settings.masked_language import MaskedLanguageConfig
from medts.tensors.batch import Batch

TEXTS = ["sinus rhythm. normal ecg.", "left bundle branch block", "af"]


def language_model(**changes):
    sizes = {"layers": 1, "dim": 16, "heads": 2, "vocabulary_size": 128, "seed": 0}
    return random_language_model("bert", **{**sizes, **changes})


def of(model, **changes):
    encoder = ReportEncoder(ReportEncoderConfig(), language_model=model)
    return MaskedLanguage(MaskedLanguageConfig(**changes), encoder=encoder)


def objective(**changes):
    torch.manual_seed(0)
    return of(language_model(), **changes)


def batch_of(*texts):
    names = tuple(f"r{n}" for n in range(len(texts)))
    return Batch(streams={}, record_ids=names, subject_ids=names, text=texts)


def test_a_share_of_each_texts_own_words_is_hidden_and_never_none():
    may_hide = torch.zeros(3, 40, dtype=torch.bool)
    may_hide[0, 1:39] = may_hide[1, 1:11] = may_hide[2, 1] = True
    chance = torch.rand(3, 40, generator=torch.Generator().manual_seed(0))
    hidden = sample_hidden(may_hide, 0.15, chance)
    assert hidden.sum(dim=1).tolist() == [6, 2, 1]
    assert not (hidden & ~may_hide).any()
    assert not sample_hidden(torch.zeros(1, 4, dtype=torch.bool), 0.15, torch.rand(1, 4)).any()


def test_hidden_tokens_are_masked_exchanged_or_left_in_berts_shares():
    tokenizer = language_model().tokenizer
    ids = torch.full((100, 200), tokenizer.get_vocab()["a"])
    hidden = torch.rand(100, 200, generator=torch.Generator().manual_seed(1)) < 0.5
    chance = torch.rand(2, 100, 200, generator=torch.Generator().manual_seed(2))
    shown = corrupt(ids, hidden, chance, config=MaskedLanguageConfig(), tokenizer=tokenizer)
    assert torch.equal(shown[~hidden], ids[~hidden])
    is_mask = shown[hidden] == tokenizer.mask_token_id
    is_same = shown[hidden] == ids[hidden]
    assert is_mask.float().mean() == pytest.approx(0.8, abs=0.02)
    assert is_same.float().mean() == pytest.approx(0.1 + 0.1 / 95, abs=0.02)
    exchanged = shown[hidden][~is_mask & ~is_same]
    assert not set(exchanged.tolist()) & set(tokenizer.all_special_ids)
    assert len(set(exchanged.tolist())) > 50


def test_special_tokens_and_padding_are_never_hidden():
    tokenizer = language_model().tokenizer
    ids, is_token, may_hide = tokenise(tokenizer, TEXTS, 128)
    assert ids.shape == is_token.shape == may_hide.shape
    assert may_hide.sum(dim=1).tolist() == [len(text) for text in TEXTS]
    assert is_token.sum(dim=1).tolist() == [len(text) + 2 for text in TEXTS]


def test_the_loss_is_cross_entropy_over_the_hidden_tokens_alone():
    """The head runs on hidden tokens only; the whole model gives the same numbers."""
    model = objective().eval()
    found, _ = model.score(TEXTS)
    ids, is_token, may_hide = tokenise(model.tokenizer, TEXTS, 128)
    chance = model._fixed_chance(TEXTS, ids)
    hidden = sample_hidden(may_hide, 0.15, chance[0])
    shown = corrupt(ids, hidden, chance[1:], config=model.config, tokenizer=model.tokenizer)
    logits = model.model(input_ids=shown, attention_mask=is_token.long()).logits
    expected = -logits.log_softmax(-1).gather(2, ids[..., None])[..., 0][hidden]
    torch.testing.assert_close(found, expected)
    losses = model(batch_of(*TEXTS))
    torch.testing.assert_close(losses.total, expected.mean())
    assert 0 <= losses.parts["accuracy"] <= 1


def test_an_untrained_model_is_as_good_as_guessing():
    model = objective().eval()
    loss = model(batch_of(*TEXTS * 20)).total
    assert float(loss.detach()) == pytest.approx(math.log(128), rel=0.1)


def test_validation_hides_the_same_tokens_whatever_the_neighbours_and_training_does_not():
    model = objective().eval()
    alone = model.score(TEXTS[1:2])[0]
    together = model.score(TEXTS)[0]
    n_first = round(len(TEXTS[0]) * 0.15)
    torch.testing.assert_close(together[n_first : n_first + len(alone)], alone)
    model.train()
    torch.manual_seed(0)
    first = model(batch_of(*TEXTS)).total.detach()
    assert not torch.equal(first, model(batch_of(*TEXTS)).total.detach())


def test_a_few_texts_are_learnt_by_heart():
    model = objective().train()
    torch.manual_seed(0)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    before = float(model.eval()(batch_of(*TEXTS)).total.detach())
    model.train()
    for _ in range(60):
        optimiser.zero_grad()
        model(batch_of(*TEXTS)).total.backward()
        optimiser.step()
    assert float(model.eval()(batch_of(*TEXTS)).total.detach()) < before / 1.5
    assert all(
        parameter.grad is not None
        for name, parameter in model.named_parameters()
        if "pooler" not in name
    )


def test_the_head_shares_its_weights_with_the_embeddings_and_is_a_fresh_one():
    model = objective()
    assert model.encoder.has_fresh_head
    assert model.model.get_output_embeddings().weight is model.model.get_input_embeddings().weight
    start = language_model().model.state_dict()
    found = model.model.base_model.state_dict()
    assert all(torch.equal(found[name], start[name]) for name in found)


def test_a_saved_head_is_used_again(tmp_path):
    first = objective().eval()
    first.model.save_pretrained(tmp_path)
    first.tokenizer.save_pretrained(tmp_path)
    again = of(load_language_model(str(tmp_path))).eval()
    assert not again.encoder.has_fresh_head
    torch.testing.assert_close(again.score(TEXTS)[0], first.score(TEXTS)[0])


def test_long_texts_are_cut_and_counted():
    model = objective(max_tokens=16)
    assert model.n_cut(["a" * 14, "a" * 15, "a" * 10_000]) == 2
    losses, _ = model.eval().score(["a" * 10_000])
    assert len(losses) == round(14 * 0.15)


def test_models_that_cannot_fill_in_words_and_records_without_reports_are_refused():
    causal = random_language_model("gpt2", layers=1, dim=16, heads=2, vocabulary_size=128)
    with pytest.raises(ConfigError, match="reads from left to right"):
        of(causal)
    with pytest.raises(ValueError, match="exceed 1"):
        MaskedLanguageConfig(shown_as_mask=0.9, shown_as_other=0.2)
    with pytest.raises(MedtsError, match="record 'r1' has no report"):
        objective()(batch_of("text", None))
    other = language_model()
    other.tokenizer.add_tokens([f"new{n}" for n in range(100)])
    with pytest.raises(ConfigError, match="its weights 128"):
        of(other)
