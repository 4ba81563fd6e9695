from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from medts.core.errors import ConfigError
from medts.core.labels import LabelSet
from medts.models.matching_head import MatchingHead, read_texts, texts_of
from medts.models.settings.heads import MatchingHeadConfig
from medts.nn.settings import ViewsConfig
from medts.objectives.label_matching import LabelMatching
from medts.objectives.settings.label_matching import LabelMatchingConfig

TARGET = [[1, 0], [0, 1]] * 4
DIGITS = LabelSet(name="made-up/digits", classes=("one", "two", "three"), kind="multi")


@pytest.fixture
def batch(make_batch):
    return make_batch(target=TARGET)


@pytest.fixture
def digits(batch):
    target = torch.eye(3)[torch.arange(8) % 3]
    return replace(batch, target=target, label_set=DIGITS)


@pytest.fixture
def make_objective(make_encoder, batch):
    def make(**changes):
        sets = [batch.label_set, DIGITS]
        config = MatchingHeadConfig(words="random", hidden=16, dim=8)
        encoder, texts = make_encoder(), texts_of(sets)
        read = read_texts(config, texts)
        head = MatchingHead(config, dim=encoder.dim, text_dim=384, texts=texts)
        head.learn(texts, read.vectors)
        return LabelMatching(
            LabelMatchingConfig(**changes),
            encoder=encoder,
            head=head,
            label_set=sets[0],
            prevalence=torch.tensor([0.9, 0.1]),
            further=[(DIGITS, torch.tensor([0.5, 0.25, 0.25]))],
        ).eval()

    return make


def test_a_single_set_is_scored_by_softmax_over_its_own_classes(make_objective, batch):
    objective = make_objective()
    logits = objective.predict(batch).logits
    expected = F.cross_entropy(logits, torch.tensor([0, 1] * 4))
    torch.testing.assert_close(objective(batch).total, expected)


def test_views_are_made_in_training_alone(make_objective, batch, monkeypatch):
    objective = make_objective(views=ViewsConfig(crop_ratio=1.0, drop_probability=1.0))
    seen = []
    plain = objective.predict
    monkeypatch.setattr(objective, "predict", lambda given: seen.append(given) or plain(given))
    objective.train()(batch)
    objective.eval()(batch)
    viewed, whole = (each.streams["ecg"].is_channel_present for each in seen)
    assert (viewed.sum(dim=1) < whole.sum(dim=1)).all()
    assert viewed.any(dim=1).all()
    assert seen[1] is batch


def test_a_multi_set_is_scored_class_by_class(make_objective, digits):
    objective = make_objective()
    prediction = objective.predict(digits)
    assert prediction.label_set == DIGITS
    expected = F.binary_cross_entropy_with_logits(prediction.logits, digits.target)
    torch.testing.assert_close(objective(digits).total, expected)


def test_rare_classes_of_a_set_can_be_weighted_up_by_its_own_shares(make_objective, batch):
    objective = make_objective(class_balance=1.0)
    logits = objective.predict(batch).logits
    weight = torch.tensor([1 / 0.9 / 2, 1 / 0.1 / 2])
    expected = F.cross_entropy(logits, torch.tensor([0, 1] * 4), weight=weight)
    torch.testing.assert_close(objective(batch).total, expected)


def test_windows_without_a_label_take_no_part(make_objective, batch):
    objective, is_labelled = make_objective(), torch.arange(8) < 4
    first = replace(batch, is_labelled=is_labelled)
    other = replace(first, target=torch.where(is_labelled[:, None], batch.target, 0.0))
    torch.testing.assert_close(objective(first).total, objective(other).total)


def test_a_label_set_that_is_not_learnt_is_refused(make_objective, batch):
    strange = LabelSet(name="made-up/strange", classes=("A", "B"), kind="single")
    with pytest.raises(ConfigError, match="'made-up/strange', whose classes are not learnt"):
        make_objective()(replace(batch, label_set=strange))
    with pytest.raises(ConfigError, match="whose classes are not learnt"):
        make_objective()(replace(batch, label_set=batch.label_set.but(classes=("B", "A"))))


def test_both_sets_are_learnt_by_heart_with_one_set_of_weights(make_objective, batch, digits):
    torch.manual_seed(0)
    objective = make_objective().train()
    optimizer = torch.optim.AdamW(objective.parameters(), lr=5e-3)
    first = (objective(batch).total + objective(digits).total).item()
    for _ in range(25):
        total = objective(batch).total + objective(digits).total
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
    assert total.item() < 0.6 * first


def test_every_set_is_scored_in_one_pass_with_its_loss(make_objective, batch, digits):
    objective = make_objective().eval()
    for given in (batch, digits):
        loss, prediction = objective.validate(given)
        assert prediction.label_set.name == given.label_set.name
        torch.testing.assert_close(loss.total, objective(given).total)
