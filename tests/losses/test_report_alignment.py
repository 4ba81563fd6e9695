import math

import pytest
import torch
import torch.nn.functional as F

from medts.losses.contrastive import symmetric_nll
from medts.losses.report_alignment import (
    beat_attention,
    beat_loss,
    beat_scores,
    rhythm_loss,
    sampled_token_loss,
    token_loss,
)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


N_SENTENCES = [3, 1, 2, 4]
IS_SENTENCE = torch.arange(4) < torch.tensor(N_SENTENCES)[:, None]
BEATS, SENTENCES = draw(4, 5, 6), draw(4, 4, 6, seed=1) * IS_SENTENCE[..., None]
DISTINCT = torch.arange(4)


def loop_score(beats, sentences, variant):
    """One recording and one report, as the formula reads."""
    gathered = []
    for sentence in sentences:
        if variant == "clean":
            cosine = F.cosine_similarity(beats, sentence[None], dim=1)
            weight = (cosine / 0.25).softmax(dim=0)
        else:
            share = torch.stack([(beats @ each) for each in sentences], dim=1).softmax(dim=1)
            column = next(i for i, each in enumerate(sentences) if each is sentence)
            weight = (4.0 * share[:, column]).softmax(dim=0)
        gathered.append(F.cosine_similarity(weight @ beats, sentence, dim=0))
    total = torch.stack([(5.0 * each).exp() for each in gathered])
    return (total.mean() if variant == "clean" else total.sum()).log()


@pytest.mark.parametrize("variant", ["clean", "code"])
def test_vectorised_beat_scores_are_those_of_a_loop(variant):
    found = beat_scores(BEATS, SENTENCES, IS_SENTENCE, variant=variant)
    reports = [list(s[:n]) for s, n in zip(SENTENCES, N_SENTENCES, strict=True)]
    rows = [torch.stack([loop_score(b, each, variant) for each in reports]) for b in BEATS]
    expected = torch.stack(rows)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_padding_of_sentences_changes_nothing():
    longer = F.pad(SENTENCES, (0, 0, 0, 3), value=7.0)
    is_sentence = F.pad(IS_SENTENCE, (0, 3))
    for variant in ("clean", "code"):
        torch.testing.assert_close(
            beat_scores(BEATS, longer, is_sentence, variant=variant),
            beat_scores(BEATS, SENTENCES, IS_SENTENCE, variant=variant),
        )


def test_one_sentence_weighs_beats_unevenly_in_the_clean_form_and_evenly_in_the_code():
    sentence, is_sentence = SENTENCES[:, :1], torch.ones(4, 1, dtype=torch.bool)
    weight = beat_attention(BEATS, sentence)
    torch.testing.assert_close(weight.sum(dim=1), torch.ones(4, 4, 1))
    assert (weight.amax(dim=1) > 1.5 * weight.amin(dim=1)).all()
    even = F.cosine_similarity(BEATS.mean(dim=1)[:, None], sentence[None, :, 0], dim=2) / 0.2
    scores = beat_scores(BEATS, sentence, is_sentence, variant="code")
    torch.testing.assert_close(scores, even, atol=1e-5, rtol=1e-5)


def test_a_repeated_sentence_moves_the_mean_form_not_but_the_sum_form():
    once, twice = SENTENCES[:, :1], SENTENCES[:, :1].repeat(1, 2, 1)
    one, two = torch.ones(4, 1, dtype=torch.bool), torch.ones(4, 2, dtype=torch.bool)
    torch.testing.assert_close(beat_scores(BEATS, once, one), beat_scores(BEATS, twice, two))
    longer = beat_scores(BEATS, twice, two, variant="code")
    shorter = beat_scores(BEATS, once, one, variant="code")
    torch.testing.assert_close(longer, shorter + math.log(2))


def test_the_rhythm_level_is_clip_where_all_reports_differ():
    recordings, reports = draw(6, 8), draw(6, 8, seed=1)
    logits = F.normalize(recordings, dim=1) @ F.normalize(reports, dim=1).T / 0.07
    right = torch.arange(6)
    expected = (F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right)) / 2
    found = rhythm_loss(recordings, reports, right, 1 / 0.07)
    torch.testing.assert_close(found, expected)


def test_equal_reports_are_no_negatives_of_each_other():
    report = F.normalize(draw(3, 8), dim=1)
    reports = report[[0, 0, 1, 2]]
    group = torch.tensor([5, 5, 7, 9])
    apart = rhythm_loss(reports, reports, torch.arange(4), 100.0)
    assert apart > 0.3  # each of the two equal ones is told to be nearer to itself than to its twin
    matched = rhythm_loss(reports, reports, group, 100.0)
    assert matched == pytest.approx(0.5 * math.log(2), abs=1e-3)  # an even share is all there is
    scores = torch.full((4, 4), -50.0).where(group[:, None] != group, torch.tensor(50.0))
    gradient_free = scores.clone().requires_grad_()
    symmetric_nll(gradient_free, group).backward()
    assert gradient_free.grad.abs().max() < 1e-6


def test_the_scale_learns():
    scale = torch.tensor(2.0, requires_grad=True)
    rhythm_loss(draw(5, 4), draw(5, 4, seed=1), torch.arange(5), scale).backward()
    assert scale.grad != 0


def test_beats_that_fit_cost_less_than_beats_that_do_not():
    fitting = SENTENCES[:, :1] + 0.1 * draw(4, 5, 6)
    good = beat_loss(fitting, SENTENCES[:, :1], IS_SENTENCE[:, :1], DISTINCT)
    bad = beat_loss(fitting.flip(0), SENTENCES[:, :1], IS_SENTENCE[:, :1], DISTINCT)
    assert good < 0.1 < bad


@pytest.mark.parametrize("variant", ["clean", "code"])
def test_gradients_are_finite_even_for_beats_that_are_zero(variant):
    beats = BEATS.clone()
    beats[0] = 0.0
    beats.requires_grad_()
    beat_loss(beats, SENTENCES, IS_SENTENCE, DISTINCT, variant=variant).backward()
    assert torch.isfinite(beats.grad).all()
    assert beats.grad[1:].any()


def test_half_precision_is_lifted():
    half = beat_scores(BEATS.bfloat16(), SENTENCES.bfloat16(), IS_SENTENCE)
    assert half.dtype == torch.float
    torch.testing.assert_close(half, beat_scores(BEATS, SENTENCES, IS_SENTENCE), atol=0.1, rtol=0.1)


def test_writing_costs_nothing_where_nothing_is_to_be_written():
    logits = draw(0, 7).requires_grad_()
    loss = token_loss(logits, torch.zeros(0, dtype=torch.long))
    loss.backward()
    assert loss == 0
    logits = torch.zeros(3, 7)
    assert token_loss(logits, torch.tensor([1, 2, 3])) == pytest.approx(math.log(7))


def test_with_all_other_words_drawn_the_estimate_is_the_loss_itself():
    hidden, rows = torch.randn(6, 8), torch.randn(40, 8)
    words = torch.tensor([3, 3, 9, 17, 0, 39])
    exact = token_loss(hidden @ rows.T, words)
    torch.testing.assert_close(sampled_token_loss(hidden, rows, words, n_sampled=36), exact)
    torch.testing.assert_close(sampled_token_loss(hidden, rows, words, n_sampled=1000), exact)
    assert sampled_token_loss(hidden[:0], rows, words[:0], n_sampled=4) == 0


def test_a_part_of_the_words_estimates_the_whole_sum_without_bias():
    torch.manual_seed(0)
    hidden, rows = torch.randn(1, 8), torch.randn(60, 8)
    words = torch.tensor([7])
    logits = (hidden @ rows.T)[0]
    drawn = [sampled_token_loss(hidden, rows, words, n_sampled=10) for _ in range(4000)]
    power = torch.stack([(loss + logits[7]).exp() for loss in drawn])  # the estimated sum
    torch.testing.assert_close(power.mean(), logits.exp().sum(), rtol=0.03, atol=0)
    assert power.std() > 0
