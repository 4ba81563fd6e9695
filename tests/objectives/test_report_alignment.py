from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError
from recorded import only

from medts.core.errors import ConfigError, MedtsError
from medts.losses.contrastive import group_ids
from medts.models.melp import Melp
from medts.models.settings.melp import MelpConfig
from medts.models.settings.melp_tower import MelpTowerConfig
from medts.nn.settings import TextConfig
from medts.objectives.report_alignment import (
    ReportAlignment,
    hide_leads,
    hide_sentences,
    is_constant,
)
from medts.objectives.settings.report_alignment import ReportAlignmentConfig

REPORTS = (
    "sinus rhythm. normal ecg.",
    "atrial fibrillation. left axis.",
    "old anterior infarct.",
    "pacemaker",
    "left bundle branch block. long qt.",
    "sinus tachycardia. st depression.",
    "right axis; p pulmonale",
    "ventricular ectopics. low voltage.",
)


@pytest.fixture
def build(text_folder):
    """Builds objectives with the same small encoder."""

    def make(*, encoder=None, **weights):
        settings = {
            "tower": MelpTowerConfig(
                n_convs=3, conv_dim=16, dim=32, depth=1, n_heads=2, hidden=64, position_kernel=8,
                position_groups=4, dropout=0.0, conv_gradient=1.0, is_amplitude_kept=True,
            ),
            "text": TextConfig(name=str(text_folder), max_tokens=48),
            "n_frozen_text_layers": 1,
            "shared_dim": 32,
            "n_beats": 4,
            "n_pooler_heads": 2,
            "n_caption_queries": 6,
            "caption_dim": 32,
            "decoder_layers": 1 if weights.get("token", 1) else 0,
            "decoder_dim": 32,
            "decoder_heads": 2,
        }  # fmt: skip
        torch.manual_seed(0)
        melp = Melp(MelpConfig(**{**settings, **(encoder or {})}))
        config = ReportAlignmentConfig(**{"lead_hiding": 0.0, **weights})
        return ReportAlignment(config, encoder=melp)

    return make


def with_text(batch, texts=REPORTS):
    return replace(batch, text=tuple(texts))


def test_the_levels_are_weighted_as_asked_and_every_parameter_learns(build, make_batch, silent):
    objective, batch = build(rhythm=0.5, beat=0.3, token=1.5), with_text(make_batch())
    losses = objective(batch)
    parts = losses.parts
    expected = 0.5 * parts["rhythm"] + 0.3 * parts["beat"] + 1.5 * parts["token"]
    torch.testing.assert_close(losses.total.detach(), expected)
    assert parts["unpaired"] == 0
    # A key's bias moves no softmax over keys, so only rounding reaches it.
    assert [name for name in silent(objective, batch) if "key" not in name] == []


@pytest.mark.parametrize("level", ["rhythm", "beat", "token"])
def test_each_level_can_be_switched_off(build, make_batch, level):
    objective = build(**{level: 0.0})
    losses = objective(with_text(make_batch()))
    assert level not in losses.parts
    losses.total.backward()


def test_what_contradicts_itself_is_refused(build, make_encoder):
    with pytest.raises(ValidationError, match="all three levels are off"):
        ReportAlignmentConfig(rhythm=0.0, beat=0.0, token=0.0)
    with pytest.raises(ConfigError, match="contradict each other"):
        build(token=0.0, encoder={"decoder_layers": 1})
    with pytest.raises(ConfigError, match="needs an encoder with a text side"):
        ReportAlignment(ReportAlignmentConfig(), encoder=make_encoder())


def test_windows_without_a_report_or_a_signal_take_no_part(build, make_batch):
    objective = build().eval()
    batch = with_text(make_batch())
    kept = [0, 1, 2, 4, 5]
    texts = [text if row in kept or row == 7 else None for row, text in enumerate(REPORTS)]
    texts[6] = " .. "
    stream = batch.streams["ecg"]
    is_present = torch.ones(8, dtype=torch.bool)
    is_present[7] = False
    signal = stream.signal * is_present[:, None, None]
    partly = replace(
        with_text(batch, texts),
        streams={"ecg": replace(only(stream, windows=is_present), signal=signal)},
    )
    losses = objective(partly)
    assert losses.parts["unpaired"] == pytest.approx(3 / 8)
    few = make_batch(5)
    few = replace(
        with_text(few, [REPORTS[row] for row in kept]),
        streams={"ecg": replace(few.streams["ecg"], signal=stream.signal[kept])},
    )
    torch.testing.assert_close(losses.total, objective(few).total, atol=1e-4, rtol=1e-4)


def test_a_batch_without_reports_costs_nothing(build, make_batch):
    losses = build()(make_batch())
    losses.total.backward()
    assert losses.total == 0
    assert losses.parts["unpaired"] == 1


def test_equal_reports_are_read_once_and_attract_each_other(build, make_batch):
    objective = build(token=0.0, beat=0.0)
    batch = with_text(make_batch(), REPORTS[:2] * 4)
    read = []
    objective.encoder.report.register_forward_pre_hook(lambda _, args: read.append(args[0]))
    objective(batch)
    assert read == [list(REPORTS[:2])]


def test_the_epoch_is_chosen_by_the_rhythm_level_where_it_is_on(build, make_batch):
    batch = with_text(make_batch())
    losses, prediction = build().eval().validate(batch)
    assert losses.total == losses.parts["rhythm"]
    assert prediction is None
    losses, _ = build(rhythm=0.0).eval().validate(batch)
    assert losses.total > losses.parts["beat"]


def test_a_word_to_be_written_does_not_reach_its_own_prediction(build, make_batch):
    objective = build().eval()
    reports = objective.encoder.read(["normal ecg"])
    other = objective.encoder.read(["normal ecx"])
    memory = objective.encoder.gather_captions(objective.encoder(make_batch(1)))
    with torch.no_grad():
        first = objective.encoder.decoder(reports.states[:, :-1], memory)
        second = objective.encoder.decoder(other.states[:, :-1], memory)
    torch.testing.assert_close(first[:, :10], second[:, :10])  # start token and nine characters


def test_the_scale_never_passes_a_hundred(build, make_batch):
    objective = build()
    objective.log_scale.data.fill_(9.0)
    objective(with_text(make_batch()))
    assert objective.log_scale.exp().item() == pytest.approx(100.0)
    objective.log_scale.data.fill_(-1.0)
    objective(with_text(make_batch()))
    assert objective.log_scale == 0.0


def test_half_the_leads_are_hidden_in_training_and_none_at_evaluation(make_batch, build):
    batch = make_batch(200, 16)
    hidden = hide_leads(batch, 0.5).streams["ecg"]
    assert 0.46 < hidden.is_channel_present.float().mean() < 0.54
    assert not hidden.signal[~hidden.is_channel_present].any()
    stream = batch.streams["ecg"]
    is_there = torch.zeros_like(stream.is_channel_present)
    is_there[:, 3] = True
    lonely = replace(batch, streams={"ecg": only(stream, channels=is_there)})
    assert torch.equal(hide_leads(lonely, 0.9).streams["ecg"].is_channel_present, is_there)

    objective, batch = build(lead_hiding=0.5).eval(), with_text(make_batch())
    assert torch.equal(objective(batch).total, objective(batch).total)
    objective.train()
    assert not torch.equal(objective(batch).total, objective(batch).total)


def test_sentences_are_hidden_from_the_rhythm_level_in_training_alone(
    build, make_batch, monkeypatch
):
    objective, batch = build(sentence_hiding=0.9), with_text(make_batch(8))
    read = []
    whole = Melp.read
    monkeypatch.setattr(Melp, "read", lambda melp, texts: read.append(texts) or whole(melp, texts))
    objective.train()(batch)
    full, parts = read
    assert full == list(REPORTS)
    assert all(part in text for part, text in zip(parts, REPORTS, strict=True))
    assert sum(map(len, parts)) < sum(map(len, REPORTS))
    read.clear()
    objective.eval()(batch)
    assert read == [list(REPORTS)]


def test_each_sentence_is_hidden_as_often_as_asked_but_never_the_last_one():
    torch.manual_seed(0)
    text = "sinus rhythm. PR 0.12 s. left axis"
    drawn = [hide_sentences(text, 0.5) for _ in range(2000)]
    assert set(drawn) == {
        "sinus rhythm.", "PR 0.12 s.", "left axis", "sinus rhythm. PR 0.12 s.",
        "sinus rhythm. left axis", "PR 0.12 s. left axis", text,
    }  # fmt: skip
    assert sum("left axis" in each for each in drawn) / 2000 == pytest.approx(
        0.5 + 1 / 24, abs=0.03
    )
    assert {hide_sentences("pacemaker", 0.99) for _ in range(50)} == {"pacemaker"}
    assert {hide_sentences(text, 0.0) for _ in range(50)} == {text}


def test_the_alarm_ends_a_run_with_constant_embeddings_and_spares_a_sound_one(build, make_batch):
    objective, batch = build(collapse_after=3), with_text(make_batch())
    for _ in range(5):
        objective(batch)
    torch.nn.init.zeros_(objective.encoder.beat_projection.weight)
    objective(batch)
    objective(batch)
    with pytest.raises(MedtsError, match="embeddings of recordings have been the same for 3"):
        objective(batch)
    objective.eval()
    objective(batch)


def test_constant_means_alike_at_any_length():
    one = torch.randn(1, 6)
    assert is_constant(one.expand(4, 6))
    assert is_constant(torch.zeros(4, 6))
    assert not is_constant(one + 0.1 * torch.randn(4, 6))


def test_groups_of_texts_are_the_same_on_every_process():
    first, second = group_ids(REPORTS), group_ids(REPORTS[::-1])
    assert torch.equal(first, second.flip(0))
    assert len(set(first.tolist())) == len(REPORTS)


def test_shuffled_pairs_give_every_recording_the_report_of_another(build, make_batch):
    torch.manual_seed(0)
    objective, batch = build(shuffles_pairs=True, token=0.0, beat=0.0).eval(), make_batch()
    paired = build(token=0.0, beat=0.0).eval()(with_text(batch)).total
    mixed = {round(objective(with_text(batch)).total.item(), 4) for _ in range(8)}
    assert len(mixed) > 2
    assert round(paired.item(), 4) not in mixed


def test_a_few_distinct_pairs_are_learnt_by_heart_at_all_three_levels(build, make_batch, learn):
    objective, batch = build(), with_text(make_batch())
    objective.eval()  # no dropout in the language model
    objective.train = lambda mode=True: objective
    learn(objective, batch, n_steps=110, learning_rate=2e-3)
    parts = objective(batch).parts
    assert parts["rhythm"] < 0.05
    assert parts["beat"] < 0.05
    assert parts["token"] < 0.15
    with torch.no_grad():
        cosine = (
            objective.encoder.embed_batch(batch) @ objective.encoder.embed_text(list(REPORTS)).T
        )
    assert cosine.argmax(dim=1).tolist() == list(range(8))
    assert cosine.argmax(dim=0).tolist() == list(range(8))
    drafts = objective.encoder.draft(batch, max_tokens=40)
    letters = [draft.replace(" ", "") for draft in drafts]  # tokens here are single characters
    assert sum(a == b.replace(" ", "") for a, b in zip(letters, REPORTS, strict=True)) >= 6
