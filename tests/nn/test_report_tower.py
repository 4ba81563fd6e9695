from dataclasses import replace

import pytest
import torch

from medts.core.errors import ConfigError, MedtsError
from medts.nn.language_model import random_language_model
from medts.nn.report_tower import ReportTower

pytest.importorskip("transformers")

TEXTS = ["sinus rhythm. left axis.", "af", "pr 0.12 s, normal."]


def language_model(kind="bert", seed=0):
    made = random_language_model(kind, layers=3, dim=16, heads=2, vocabulary_size=120, seed=seed)
    with torch.no_grad():
        for parameter in made.model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(5.0)
    return made


def build(kind="bert", *, n_frozen_layers=1, **more):
    model = language_model(kind)
    settings = {"max_tokens": 40, "n_frozen_layers": n_frozen_layers, **more}
    return ReportTower(model, **settings).eval()


@pytest.fixture(params=["bert", "gpt2"])
def tower(request):
    return build(request.param)


def test_a_text_starts_ends_and_is_numbered_by_sentence(tower):
    tokens = tower.tokenize(TEXTS)
    space = 0 if tower.tokenizer.cls_token_id is not None else 1  # GPT-2 reads the one between
    assert tokens.is_token.sum(dim=1).tolist() == [13 + 10 + space + 2, 2 + 2, 18 + 2]
    assert (tokens.ids[:, 0] == tower.start).all()
    assert tokens.sentence[0].max() == 1
    assert tokens.sentence[1].tolist()[:4] == [-1, 0, 0, -1]
    assert tokens.sentence[2].max() == 0
    assert (tokens.sentence[~tokens.is_token] == -1).all()
    assert tokens.n_cut == 0


def test_a_report_of_ten_thousand_tokens_is_cut_and_counted(tower):
    tokens = tower.tokenize(["normal. " * 1500, "af"])
    assert tokens.ids.shape[1] == 39
    assert tokens.n_cut == 1
    states, summary = tower(["normal. " * 1500, "af"])
    assert torch.isfinite(states).all()
    assert torch.isfinite(summary).all()


@pytest.mark.parametrize("text", ["", "   ", "..", "\n"])
def test_a_text_without_words_is_refused_by_its_place(tower, text):
    with pytest.raises(MedtsError, match="text 1 is empty"):
        tower.tokenize(["af", text])


def test_a_word_knows_nothing_of_those_after_it_and_the_summary_knows_all(tower):
    with torch.no_grad():
        first, summary = tower(["sinus rhythm"])
        second, other = tower(["sinus rhythx"])
    torch.testing.assert_close(first[:, :12], second[:, :12])
    assert not torch.allclose(first[:, 12], second[:, 12], atol=1e-3)
    assert not torch.allclose(summary, other, atol=1e-3)


def test_without_the_causal_mask_words_see_what_follows():
    tower = build(is_causal=False)
    with torch.no_grad():
        first, _ = tower(["sinus rhythm"])
        second, _ = tower(["sinus rhythx"])
    assert not torch.allclose(first[:, 3], second[:, 3], atol=1e-4)


def test_padding_changes_neither_words_nor_summary(tower):
    with torch.no_grad():
        alone, summary = tower(["af"])
        together, summaries = tower(["af", "a much longer text about sinus rhythm"])
    torch.testing.assert_close(together[0, :4], alone[0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(summaries[0], summary[0], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_states_are_those_of_the_whole_language_model(kind):
    tower, whole = build(kind, n_frozen_layers=2), language_model(kind).model.eval()
    ids = tower.tokenize(["sinus rhythm"]).ids
    if kind == "bert":
        whole.config.is_decoder = True
        length = ids.shape[1]
        mask = torch.ones(1, 1, length, length).tril()
        with torch.no_grad():
            hidden = whole.embeddings(input_ids=ids)
            for layer in whole.encoder.layer:
                hidden = layer(hidden, attention_mask=(1 - mask) * torch.finfo(torch.float).min)
    else:
        with torch.no_grad():
            hidden = whole(input_ids=ids).last_hidden_state
    with torch.no_grad():
        torch.testing.assert_close(tower.read(ids), hidden, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(tower(["sinus rhythm"])[0], hidden, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("n_frozen_layers", [0, 1, 3])
def test_what_is_frozen_is_computed_once_and_is_no_weight_of_ours(n_frozen_layers):
    tower = build(n_frozen_layers=n_frozen_layers).train()
    calls = []
    look_up = tower.language_model.look_up
    tower.language_model.look_up = lambda ids: (calls.append(len(ids)), look_up(ids))[1]
    for _ in range(3):
        tower(TEXTS)
    assert calls == [1, 1, 1]
    tower([*TEXTS, "new"])
    assert calls == [1, 1, 1, 1]
    names = [name for name, _ in tower.named_parameters()]
    assert len({name.split(".")[1] for name in names}) == 3 - n_frozen_layers
    assert tower.state_dict().keys() == {*names, "language_model.digest"}


def test_what_is_kept_of_a_text_does_not_depend_on_what_is_read_with_it():
    together, alone = build(), build()
    with torch.no_grad():
        together([*TEXTS, "a much longer text than the others are, by many words"])
        for text in TEXTS:
            alone([text])
    assert len(alone._cache._kept) == 3
    for key, state in alone._cache._kept.items():
        assert torch.equal(together._cache._kept[key], state)


def test_kept_features_give_what_fresh_ones_give():
    tower, plain = build(), build(cache_mib=0.0)
    with torch.no_grad():
        for texts in (TEXTS, TEXTS[1:], TEXTS[:2]):
            for ours, fresh in zip(tower(texts), plain(texts), strict=True):
                torch.testing.assert_close(ours, fresh, atol=1e-5, rtol=1e-4)
    assert tower._cache._kept
    assert not plain._cache._kept


def test_the_layers_above_learn_and_those_below_do_not():
    tower = build().train()
    before = [p.clone() for p in tower.language_model.model.embeddings.parameters()]
    optimizer = torch.optim.SGD(tower.parameters(), lr=0.1)
    tower(TEXTS)[1].square().sum().backward()
    assert all(p.grad is not None for p in tower.layers.parameters())
    optimizer.step()
    after = tower.language_model.model.embeddings.parameters()
    assert all(torch.equal(old, new) for old, new in zip(before, after, strict=True))


def test_no_state_is_as_wide_as_the_vocabulary():
    tower, widths = build(), []
    for module in [*tower.modules(), *tower.language_model.model.modules()]:
        if isinstance(module, torch.nn.Linear):
            module.register_forward_hook(lambda _, __, out: widths.append(out.shape[-1]))
    tower(TEXTS)
    assert widths
    assert max(widths) < tower.vocabulary_size


def test_weights_of_another_language_model_are_refused():
    first = build()
    other = ReportTower(language_model(seed=1), max_tokens=40, n_frozen_layers=1)
    with pytest.raises(ConfigError, match="trained on a language model with digest"):
        other.load_state_dict(first.state_dict())
    again = build()
    again.load_state_dict(first.state_dict())


def test_a_tokenizer_that_does_not_belong_to_the_weights_is_refused():
    small, large = language_model(), random_language_model(
        "bert", layers=1, dim=16, heads=2, vocabulary_size=100, seed=0
    )  # fmt: skip
    small.tokenizer.add_tokens([f"word{i}" for i in range(60)])
    with pytest.raises(ConfigError, match="do not belong together"):
        ReportTower(replace(large, tokenizer=small.tokenizer), max_tokens=9, n_frozen_layers=0)


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"n_frozen_layers": 4}, "4 layers cannot be frozen"), ({"max_tokens": 600}, "600 tokens")],
)
def test_sizes_that_the_model_lacks_are_refused(settings, said):
    with pytest.raises(ConfigError, match=said):
        ReportTower(language_model(), **{"max_tokens": 40, "n_frozen_layers": 1, **settings})


def test_a_full_stop_is_token_18_of_the_published_vocabulary():
    from medts.nn.language_model import load_language_model

    try:
        tokenizer = load_language_model("ncbi/MedCPT-Query-Encoder").tokenizer
    except ConfigError:
        pytest.skip("the weights of ncbi/MedCPT-Query-Encoder are not here")
    assert tokenizer.convert_tokens_to_ids(".") == 18
