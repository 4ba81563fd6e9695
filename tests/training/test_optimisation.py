import pytest
import torch
from pydantic import ValidationError

from medts.core.labels import LabelSet
from medts.models.ecg_nat import EcgNat
from medts.models.heads import Head
from medts.models.settings.ecg_nat import EcgNatConfig
from medts.models.settings.heads import HeadConfig
from medts.objectives.classification import Classification
from medts.objectives.settings.classification import ClassificationConfig
from medts.training.fit import epochs_for
from medts.training.optimisation import build_optimizer, schedule_factor
from medts.training.settings import Training


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine", "constant"])
def test_the_rate_rises_to_its_highest_and_never_beyond(schedule):
    factor = schedule_factor(Training(schedule=schedule, warmup_ratio=0.2), 100)
    values = [factor(step) for step in range(100)]
    assert max(values) == pytest.approx(1.0)
    assert values[:20] == sorted(values[:20])
    assert values[19] == pytest.approx(1.0)
    if schedule == "constant":
        assert set(values[20:]) == {1.0}
    else:
        assert values[20:] == sorted(values[20:], reverse=True)
        assert values[-1] < 0.01


def test_norms_and_biases_do_not_decay():
    model = torch.nn.Sequential(torch.nn.Conv1d(2, 3, 5), torch.nn.BatchNorm1d(3))
    decayed, free = build_optimizer(model, Training(weight_decay=0.3)).param_groups
    assert [p.ndim for p in decayed["params"]] == [3]
    assert decayed["weight_decay"] == 0.3
    assert len(free["params"]) == 3
    assert free["weight_decay"] == 0.0


def test_frozen_parameters_are_left_out():
    model = torch.nn.Linear(2, 2)
    model.weight.requires_grad_(False)
    groups = build_optimizer(model, Training()).param_groups
    assert [p.ndim for group in groups for p in group["params"]] == [1]


def test_the_first_layers_of_an_encoder_learn_slowest():
    encoder = EcgNat(EcgNatConfig(size="nano"))
    labels = LabelSet(name="a/b", classes=("x", "y"), kind="multi")
    model = Classification(
        ClassificationConfig(),
        encoder=encoder,
        head=Head(HeadConfig(), dim=encoder.dim, label_set=labels),
        label_set=labels,
        prevalence=torch.tensor([0.5, 0.5]),
    )
    settings = Training(learning_rate=1.0, layer_decay=0.5)
    groups = build_optimizer(model, settings).param_groups
    rate = {p: group["lr"] for group in groups for p in group["params"]}
    assert all(rate[p] == 1.0 for p in model.head.parameters())
    parts = encoder.parts()
    for depth, part in enumerate(parts):
        assert {rate[p] for p in part.parameters()} == {0.5 ** (len(parts) - depth)}
    assert {p for part in parts for p in part.parameters()} == set(encoder.parameters())


def test_the_bias_by_distance_does_not_decay():
    model = EcgNat(EcgNatConfig(size="nano"))
    groups = build_optimizer(model, Training(weight_decay=0.3)).param_groups
    decay = {p: group["weight_decay"] for group in groups for p in group["params"]}
    biases = [p for name, p in model.named_parameters() if "position_bias" in name]
    assert [p.ndim for p in biases] == [2] * 4
    assert {decay[p] for p in biases} == {0.0}


def test_few_records_are_passed_over_more_often():
    settings = Training(epochs=10, min_updates=500)
    assert epochs_for(settings, 2) == 250
    assert epochs_for(settings, 3) == 167
    assert epochs_for(settings, 1000) == 10


def test_one_cycle_without_warm_up_is_refused():
    with pytest.raises(ValidationError, match="needs a warmup_ratio"):
        Training(schedule="one_cycle", warmup_ratio=0)
