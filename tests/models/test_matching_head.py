import pytest
import torch

from medts.core.errors import ConfigError
from medts.core.labels import LabelSet
from medts.models.base import Encoder
from medts.models.heads import Head
from medts.models.matching_head import (
    MatchingHead,
    exchanged,
    read_texts,
    texts_of,
)
from medts.models.settings.heads import HeadConfig, MatchingHeadConfig
from medts.nn.frozen_lm import FrozenLM
from medts.nn.language_model import random_language_model
from medts.tensors.batch import Batch, Encoded

RHYTHM = LabelSet(
    name="made-up/rhythm",
    classes=("SR", "AF", "ST"),
    kind="single",
    phrases={"SR": ("sinus rhythm",), "AF": ("atrial fibrillation",)},
    description="ECG of nobody; rhythm",
)
FINDINGS = LabelSet(name="made-up/findings", classes=("AF", "MI"), kind="multi")


def make_head(**changes):
    config = MatchingHeadConfig(**{"hidden": 24, "dim": 8, **changes})
    texts = texts_of([RHYTHM, FINDINGS])
    torch.manual_seed(0)
    read = read_texts(MatchingHeadConfig(words="random"), texts)
    head = MatchingHead(config, dim=16, text_dim=read.vectors.shape[1], texts=texts)
    head.learn(texts, read.vectors)
    return head


def logits(head, pooled, label_set):
    tokens, is_valid = torch.zeros(len(pooled), 1, 1), torch.ones(len(pooled), 1).bool()
    return head.logits(Encoded(tokens, is_valid, pooled), label_set)


@pytest.fixture
def pooled():
    return torch.randn(5, 16, generator=torch.Generator().manual_seed(1))


def test_texts_are_those_of_classes_then_descriptions_each_once():
    assert texts_of([RHYTHM, FINDINGS, FINDINGS]) == (
        "sinus rhythm", "atrial fibrillation", "ST", "AF", "MI", "ECG of nobody; rhythm",
    )  # fmt: skip


def test_a_logit_is_the_inner_product_of_signal_and_class(pooled):
    head = make_head()
    expected = head.projector(pooled) @ head.label_encoder(head.vectors[:3]).T
    torch.testing.assert_close(logits(head, pooled, RHYTHM), expected)


def test_the_paper_compares_the_embedding_as_it_is(pooled):
    head = make_head(dim=None)
    torch.testing.assert_close(logits(head, pooled, RHYTHM), pooled @ head.classes(RHYTHM).T)


def test_classes_of_a_multi_set_share_one_bias_and_those_of_a_single_set_have_none(pooled):
    head = make_head()
    before = {each.name: logits(head, pooled, each) for each in (RHYTHM, FINDINGS)}
    head.bias.data.fill_(-3.0)
    assert torch.equal(logits(head, pooled, RHYTHM), before[RHYTHM.name])
    torch.testing.assert_close(logits(head, pooled, FINDINGS), before[FINDINGS.name] - 3.0)


def test_a_cosine_does_not_depend_on_the_length_of_the_embedding(pooled):
    head = make_head(similarity="cosine", dim=None)
    torch.testing.assert_close(logits(head, pooled, RHYTHM), logits(head, 3 * pooled, RHYTHM))
    assert logits(head, pooled, RHYTHM).abs().max() <= 10.0


def test_another_order_of_the_classes_permutes_the_logits(pooled):
    head, turned = make_head(), RHYTHM.but(classes=("ST", "SR", "AF"))
    torch.testing.assert_close(
        logits(head, pooled, turned), logits(head, pooled, RHYTHM)[:, [2, 0, 1]]
    )


def test_a_further_class_leaves_the_other_logits_as_they_are_and_needs_no_weights(pooled):
    head, before = make_head(), make_head().state_dict().keys()
    more = RHYTHM.but(classes=(*RHYTHM.classes, "VT"), phrases={**RHYTHM.phrases, "VT": ("fast",)})
    assert head.missing(more) == ["fast"]
    head.learn(["fast"], read_texts(MatchingHeadConfig(words="random"), ["fast"]).vectors)
    assert head.missing(more) == []
    torch.testing.assert_close(logits(head, pooled, more)[:, :3], logits(head, pooled, RHYTHM))
    assert head.state_dict().keys() == before


def test_gradients_reach_every_parameter_and_no_vector_of_a_text(pooled):
    head = make_head(similarity="cosine")
    (logits(head, pooled, RHYTHM).sum() + logits(head, pooled, FINDINGS).sum()).backward()
    assert all(each.grad is not None for each in head.parameters())
    assert not head.vectors.requires_grad
    assert "vectors" in dict(head.named_buffers())


def test_shuffled_words_are_those_of_another_class_and_always_the_same(pooled):
    head, shuffled = make_head(), make_head(words="shuffled")
    shuffled.load_state_dict(head.state_dict())
    order = exchanged(RHYTHM)
    assert all(k != other for k, other in enumerate(order))
    assert sorted(order) == [0, 1, 2]
    assert order == exchanged(RHYTHM)
    torch.testing.assert_close(
        logits(shuffled, pooled, RHYTHM), logits(head, pooled, RHYTHM)[:, order]
    )


def test_random_words_are_the_same_for_the_same_text_and_unrelated_otherwise():
    config = MatchingHeadConfig(words="random")
    one, two = read_texts(config, ["a", "b"]), read_texts(config, ["b"])
    assert torch.equal(one.vectors[1], two.vectors[0])
    assert abs(float(one.vectors[0] @ one.vectors[1])) < 0.2
    assert one.digest == "random"


def test_random_words_that_two_label_sets_share_tell_one_nothing_of_the_other(pooled):
    head = make_head(words="random")
    other = RHYTHM.but(name="elsewhere/rhythm")
    own, theirs = head._vectors_of(RHYTHM.texts(), RHYTHM), head._vectors_of(RHYTHM.texts(), other)
    assert (own @ theirs.T).abs().max() < 0.2
    assert abs(float(head.prior(RHYTHM) @ head.prior(other))) < 0.2
    assert torch.equal(own, make_head(words="random")._vectors_of(RHYTHM.texts(), RHYTHM))
    torch.testing.assert_close(own @ own.T, theirs @ theirs.T)
    meant = make_head()
    assert torch.equal(logits(meant, pooled, RHYTHM), logits(meant, pooled, other))


def test_random_words_of_a_class_stay_its_own_in_another_order_or_a_larger_set(pooled):
    head = make_head(words="random")
    turned, fewer = (
        RHYTHM.but(classes=("ST", "SR", "AF")),
        RHYTHM.but(
            classes=("SR", "AF"), phrases={"SR": ("sinus rhythm",), "AF": ("atrial fibrillation",)}
        ),
    )
    torch.testing.assert_close(
        logits(head, pooled, turned), logits(head, pooled, RHYTHM)[:, [2, 0, 1]]
    )
    torch.testing.assert_close(logits(head, pooled, fewer), logits(head, pooled, RHYTHM)[:, :2])


def test_classes_with_the_same_words_are_refused_by_name():
    twins = RHYTHM.but(phrases={"SR": ("normal",), "AF": ("normal",)})
    with pytest.raises(ConfigError, match="'SR' and 'AF' are both called 'normal'"):
        texts_of([twins])


def test_a_label_set_without_classes_cannot_be_made():
    with pytest.raises(ValueError, match="classes"):
        LabelSet(name="made-up/empty", classes=(), kind="single")


class Conditioned(Encoder):
    """Gives back the prior."""

    dim, takes_prior = 4, True

    def forward(self, batch, prior=None):
        value = torch.zeros(()) if prior is None else prior.sum()
        return Encoded(torch.zeros(1, 1, 1), torch.ones(1, 1, dtype=torch.bool), value.expand(1, 4))


class Unconditioned(Encoder):
    dim = 4

    def forward(self, batch):
        return Encoded(torch.zeros(1, 1, 1), torch.ones(1, 1, dtype=torch.bool), torch.ones(1, 4))


def test_an_encoder_is_conditioned_on_the_description_only_if_it_takes_a_prior():
    head = make_head()
    batch = Batch(streams={}, record_ids=("a",), subject_ids=("a",), text=(None,))
    conditioned = head.encode(Conditioned(), batch, RHYTHM).pooled
    torch.testing.assert_close(conditioned[0, 0], head.vectors[-1].sum())
    assert head.encode(Conditioned(), batch, FINDINGS).pooled.sum() == 0
    assert head.encode(Unconditioned(), batch, RHYTHM).pooled.sum() == 4


def test_a_linear_head_has_no_prior_and_refuses_a_label_set_it_was_not_built_for(pooled):
    head = Head(HeadConfig(hidden=0, dropout=0.0), dim=16, label_set=FINDINGS).eval()
    assert head.prior(FINDINGS) is None
    torch.testing.assert_close(logits(head, pooled, FINDINGS), head.layers(pooled))
    other_words = FINDINGS.but(phrases={"MI": ("heart attack",)})
    assert torch.equal(logits(head, pooled, other_words), logits(head, pooled, FINDINGS))
    for other in (
        RHYTHM,
        FINDINGS.but(classes=("MI", "AF")),
        FINDINGS.but(kind="single"),
        FINDINGS.but(name="made-up/other"),
    ):
        with pytest.raises(
            ConfigError, match=r"its classes are fixed: made-up/findings \(AF, MI\)"
        ):
            logits(head, pooled, other)


def test_texts_are_read_by_the_language_model_that_the_head_names(monkeypatch):
    pytest.importorskip("transformers")
    model = random_language_model("bert", layers=1, dim=16, heads=2, vocabulary_size=128)
    reader = FrozenLM(model, max_tokens=8)
    monkeypatch.setattr("medts.models.matching_head.shared_lm", lambda _: reader)
    with pytest.warns(UserWarning, match="1 of 2 texts are longer than the 8 tokens"):
        read = read_texts(MatchingHeadConfig(), ["short", "too long for it"])
    assert torch.equal(read.vectors, reader.encode(["short", "too long for it"]))
    assert (read.digest, read.n_truncated) == (model.digest, 1)
