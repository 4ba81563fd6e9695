"""Dual contrast: its four terms, its ramp, and equal reports."""

import pytest
import torch
import torch.nn.functional as F

from medts.core.errors import ConfigError
from medts.models.medualtime import MedualTime
from medts.models.settings.medualtime import MedualTimeConfig
from medts.nn.settings import TextConfig
from medts.objectives.dual_contrast import (
    DualContrast,
    ResidualProjector,
    add_noise,
    report_ids,
)
from medts.objectives.settings.dual_contrast import DualContrastConfig
from medts.recipes import find_recipe

pytest.importorskip("transformers")


def build(passes="both", **changes):
    torch.manual_seed(0)
    config = MedualTimeConfig(
        language_model=TextConfig(name="random-tiny-gpt2"),
        conv_widths=(4, 8),
        modality_dropout=0.0,
        passes=passes,
    )
    return DualContrast(DualContrastConfig(**changes), encoder=MedualTime(config))


def with_reports(batch, texts):
    return type(batch)(**{**vars(batch), "text": tuple(texts)})


@pytest.fixture
def batch(make_batch):
    return with_reports(make_batch(6, 200), [f"report {n}" for n in (1, 2, 3, 4, 5, 6)])


def test_the_two_heads_of_gpt2_small_have_1_184_256_parameters():
    assert 2 * sum(each.numel() for each in ResidualProjector(768).parameters()) == 1_184_256
    assert 903_300 + 1_184_256 == 2_087_556


def reference_nce(first, second, is_positive, temperature=0.1):
    scores = F.normalize(first, dim=1) @ F.normalize(second, dim=1).T / temperature
    rows = []
    for side, positive in ((scores, is_positive), (scores.T, is_positive.T)):
        for row, hits in zip(side.log_softmax(dim=1), positive, strict=True):
            rows.append(-row[hits].mean())
    return torch.stack(rows).mean()


def test_the_loss_is_the_sum_of_its_terms_and_equal_reports_are_positives(batch):
    objective = build(alone_ratio=0.0).eval()
    for adapter in (objective.encoder.signal_adapter, objective.encoder.text_adapter):
        torch.nn.init.constant_(adapter.gate, 1.0)
    batch = with_reports(batch, ["same", "b", "same", "d", "e", " same "])
    seen = []
    for head in (objective.signal_projector, objective.text_projector):
        head.register_forward_hook(lambda _, __, found: seen.append(found))
    losses = objective(batch)
    signal, other_signal, text, other_text = seen
    own = torch.eye(6, dtype=torch.bool)
    equal = own.clone()
    for i in (0, 2, 5):
        equal[i, [0, 2, 5]] = True
    within = reference_nce(signal, other_signal, own) + reference_nce(text, other_text, own)
    expected = within + 0.1 * 2 * reference_nce(signal, text, equal)
    torch.testing.assert_close(losses.total, expected)
    strict = build(alone_ratio=0.0, equal_reports="negatives").eval()
    strict.load_state_dict(objective.state_dict())
    between = strict(batch).parts["between"]
    torch.testing.assert_close(between, 2 * reference_nce(signal, text, own))
    assert (between - losses.parts["between"]).abs() > 1e-5


def test_alignment_waits_then_rises_and_always_counts_in_validation(batch):
    def weights(objective, n_steps):
        found = []
        for step in range(n_steps):
            objective.progress = step / n_steps
            found.append(float(objective(batch).parts["alignment"]))
        return found

    rising = build(alone_ratio=0.25, rising_ratio=0.25, alignment=0.4)
    assert weights(rising.train(), 8) == pytest.approx([0, 0, 0, 0.2, 0.4, 0.4, 0.4, 0.4])
    assert weights(rising.eval(), 2) == pytest.approx([0.4, 0.4])
    assert weights(build(alone_ratio=0.5).train(), 4) == pytest.approx([0, 0, 0.1, 0.1])
    with pytest.raises(ValueError, match="leave no batch with the whole weight"):
        DualContrastConfig(alone_ratio=0.5, rising_ratio=0.5)


def test_the_recipe_draws_the_passes_together_for_nine_tenths_of_its_batches():
    recipe = find_recipe("medualtime_pretraining")
    n_steps = recipe.training.epochs * (1027 // recipe.training.batch_size)
    assert n_steps == 64, "on the part of PTB-XL that the tables are made of"
    objective = DualContrast(recipe.objective, encoder=build().encoder).train()
    weights = []
    for step in range(n_steps):
        objective.progress = step / n_steps
        weights.append(objective.alignment)
    assert weights == [0.0] * 7 + [0.1] * 57


def test_one_batch_is_learnt_below_chance(batch, learn):
    objective = build(alone_ratio=0.0, noise=0.1)
    chance = 2 * torch.log(torch.tensor(6.0)) + 0.2 * torch.log(torch.tensor(6.0))
    losses = learn(objective, batch, n_steps=30)
    assert losses[-1] < 0.5 * losses[0]
    assert losses[-1] < chance


def test_gradients_reach_every_parameter_once_gates_are_open(batch, silent):
    objective = build(alone_ratio=0.0)
    for adapter in (objective.encoder.signal_adapter, objective.encoder.text_adapter):
        torch.nn.init.constant_(adapter.gate, 0.5)
    assert silent(objective, batch) == []


def test_windows_without_reports_are_compared_by_their_signals_alone(batch):
    objective = build(alone_ratio=0.0).eval()
    torch.manual_seed(1)
    alone = objective(with_reports(batch, [None] * 6))
    assert alone.parts["text"] == alone.parts["between"] == 0
    assert alone.parts["signal"] > 0
    torch.testing.assert_close(alone.total, alone.parts["signal"])


def test_noise_falls_on_real_samples_only(make_batch):
    batch = make_batch(2, 100, n_valid=[100, 40])
    noisy = add_noise(batch, 1.0).streams["ecg"].signal
    assert not noisy[1, :, 40:].any()
    difference = (noisy - batch.streams["ecg"].signal)[0]
    assert difference.std() == pytest.approx(1.0, abs=0.1)


def test_equal_reports_have_equal_numbers(batch):
    numbers = report_ids(with_reports(batch, ["a", "b", " a", None, "", "b "]))
    assert numbers.tolist() == numbers[[0, 1, 0, 3, 3, 1]].tolist()
    assert len(set(numbers.tolist())) == 3


def test_an_encoder_without_two_passes_is_refused(make_encoder):
    with pytest.raises(ConfigError, match="signal pass and a text pass"):
        DualContrast(DualContrastConfig(), encoder=make_encoder())
    with pytest.raises(ConfigError, match="signal pass and a text pass"):
        build(passes="signal")
