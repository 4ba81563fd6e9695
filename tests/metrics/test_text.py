"""Text scores against values computed by hand."""

import math

import pytest

from medts.core.errors import MedtsError
from medts.metrics.text import bleu, finding_scores, meteor, rouge_l, stem, words_of

DRAFT = "sinus rhythm with left bundle branch block"
TRUTH = "sinus rhythm left bundle branch block present"


def test_equal_texts_score_one_and_disjoint_texts_zero():
    assert bleu([DRAFT], [DRAFT]) == pytest.approx(1.0)
    assert rouge_l([DRAFT], [DRAFT]) == pytest.approx(1.0)
    assert meteor([DRAFT], [DRAFT]) == pytest.approx(1 - 0.5 / 7**3)
    for score in (bleu, rouge_l, meteor):
        assert score([DRAFT], ["nothing alike here"]) == 0.0
        assert score([""], ["nothing"]) == 0.0
        assert score(["something"], [""]) == 0.0


def test_bleu_by_hand():
    """Seven words each; n-grams 6 of 7, 4 of 6, 2 of 5 and 1 of 4 are shared; no penalty."""
    expected = (6 / 7 * 4 / 6 * 2 / 5 * 1 / 4) ** 0.25
    assert bleu([DRAFT], [TRUTH]) == pytest.approx(expected)
    assert bleu([DRAFT], [TRUTH], n=1) == pytest.approx(6 / 7)


def test_bleu_clips_repeats_punishes_brevity_and_pools_the_corpus():
    """The example of Papineni et al.: 'the' seven times finds two in the reference."""
    assert bleu(["the " * 7], ["the cat is on the mat"], n=1) == pytest.approx(2 / 7)
    assert bleu(["the cat"], ["the cat is here"], n=1) == pytest.approx(math.exp(1 - 4 / 2))
    pooled = bleu(["a b", "x"], ["a b", "y z"], n=1)
    assert pooled == pytest.approx(2 / 3 * math.exp(1 - 4 / 3))


def test_rouge_l_by_hand():
    """Longest common subsequence: six words of seven and seven."""
    assert rouge_l([DRAFT], [TRUTH]) == pytest.approx(12 / 14)
    assert rouge_l(["a b c", "z"], ["c b a", "z"]) == pytest.approx((2 / 6 + 1) / 2)


def test_meteor_by_hand():
    """Six exact matches in two runs: P = R = 6/7, penalty 0.5 (2/6)^3."""
    expected = 6 / 7 * (1 - 0.5 * (2 / 6) ** 3)
    assert meteor([DRAFT], [TRUTH]) == pytest.approx(expected)
    precision, recall = 1 / 2, 1 / 4
    mean = precision * recall / (0.9 * precision + 0.1 * recall)
    assert meteor(["b x"], ["a b c d"]) == pytest.approx(mean * 0.5)


def test_meteor_counts_words_of_the_same_stem():
    """Both words match in one run, one of them by its stem."""
    assert meteor(["elevated segments"], ["elevated segment"]) == pytest.approx(1 - 0.5 / 8)
    assert stem("st") == "st"
    assert stem("pass") == "pass"
    assert stem("abnormalities") == "abnormality"


def test_meteor_prefers_the_match_that_continues_a_run():
    """The second "left" of the text follows "block" as in the draft, so there is one run."""
    one_run = meteor(["block left axis"], ["left bundle block left axis"])
    precision, recall = 1.0, 3 / 5
    mean = precision * recall / (0.9 * precision + 0.1 * recall)
    assert one_run == pytest.approx(mean * (1 - 0.5 * (1 / 3) ** 3))


def test_findings_are_pooled_over_the_corpus():
    found = finding_scores([{"SR", "MI"}, {"AFIB"}, set()], [{"SR"}, {"AFIB", "LVH"}, {"SR"}])
    assert found["finding_precision"] == pytest.approx(2 / 3)
    assert found["finding_recall"] == pytest.approx(2 / 4)
    assert found["finding_f1"] == pytest.approx(2 * 2 / 7)
    nothing = finding_scores([set()], [set()])
    assert all(math.isnan(value) for value in nothing.values())


def test_words_and_lists_that_do_not_fit():
    assert words_of("ST-elevation, V2. Ä") == ["st", "elevation", "v2", "ä"]
    for score in (bleu, rouge_l, meteor):
        with pytest.raises(MedtsError, match="1 drafts and 2 written"):
            score(["a"], ["a", "b"])
    with pytest.raises(MedtsError, match="0 drafts"):
        finding_scores([], [])
