"""Text scores against values computed by hand."""

import math

import numpy as np
import pytest

from medts.core.errors import ConfigError, MedtsError
from medts.metrics import text
from medts.metrics.text import text_scores

DRAFT = "sinus rhythm with left bundle branch block"
TRUTH = "sinus rhythm left bundle branch block present"


def scored(generated, written, weights=None):
    pytest.importorskip("sacrebleu")
    pytest.importorskip("rouge_score")
    nothing = [set() for _ in written]
    return text_scores(generated, written, (nothing, nothing), weights)


def test_equal_texts_score_one_and_disjoint_texts_zero():
    for name in ("bleu_1", "bleu_4", "rouge_l"):
        assert scored([DRAFT], [DRAFT])[name][0] == pytest.approx(1.0)
        assert scored([DRAFT], ["nothing alike here"])[name][0] == 0.0
        assert scored([""], ["nothing"])[name][0] == 0.0
        assert scored(["something"], [""])[name][0] == 0.0


def test_bleu_by_hand():
    """Seven words each; n-grams 6 of 7, 4 of 6, 2 of 5 and 1 of 4 are shared; no penalty."""
    found = scored([DRAFT], [TRUTH])
    assert found["bleu_4"][0] == pytest.approx((6 / 7 * 4 / 6 * 2 / 5 * 1 / 4) ** 0.25)
    assert found["bleu_1"][0] == pytest.approx(6 / 7)


def test_bleu_clips_repeats_punishes_brevity_and_pools_the_corpus():
    """The example of Papineni et al.: 'the' seven times finds two in the reference."""
    assert scored(["the " * 7], ["the cat is on the mat"])["bleu_1"][0] == pytest.approx(2 / 7)
    brief = scored(["the cat"], ["the cat is here"])["bleu_1"][0]
    assert brief == pytest.approx(math.exp(1 - 4 / 2))
    pooled = scored(["a b", "x"], ["a b", "y z"])["bleu_1"][0]
    assert pooled == pytest.approx(2 / 3 * math.exp(1 - 4 / 3))


def test_rouge_l_by_hand():
    """Longest common subsequence: six words of seven and seven."""
    assert scored([DRAFT], [TRUTH])["rouge_l"][0] == pytest.approx(12 / 14)
    found = scored(["a b c", "z"], ["c b a", "z"])["rouge_l"][0]
    assert found == pytest.approx((2 / 6 + 1) / 2)


def test_a_weight_counts_a_pair_as_often_as_if_it_were_repeated():
    generated, written = [DRAFT, "atrial fibrillation now"], [TRUTH, "atrial fibrillation"]
    weighted = scored(generated, written, np.array([[2.0, 1.0], [0.0, 1.0]]))
    repeated = scored([generated[0], *generated], [written[0], *written])
    for name in ("bleu_1", "bleu_4", "rouge_l"):
        assert weighted[name][0] == pytest.approx(repeated[name][0])
        assert weighted[name][1] == pytest.approx(scored(generated[1:], written[1:])[name][0])


def test_findings_are_pooled_over_the_corpus(monkeypatch):
    _without_words(monkeypatch)
    stated = ([{"SR", "MI"}, {"AFIB"}, set()], [{"SR"}, {"AFIB", "LVH"}, {"SR"}])
    found = text_scores(["a"] * 3, ["a"] * 3, stated)
    assert found["finding_precision"][0] == pytest.approx(2 / 3)
    assert found["finding_recall"][0] == pytest.approx(2 / 4)
    assert found["finding_f1"][0] == pytest.approx(2 * 2 / 7)
    nothing = text_scores(["a"], ["a"], ([set()], [set()]))
    assert all(math.isnan(nothing[f"finding_{n}"][0]) for n in ("precision", "recall", "f1"))


@pytest.mark.parametrize("written", [["a", "b"], []])
def test_lists_that_do_not_fit_are_refused(written):
    nothing = [set() for _ in written]
    with pytest.raises(MedtsError) as refused:
        text_scores(written[:1], written, (nothing, nothing))
    assert refused.value.field == "reports"


def test_a_missing_package_is_named_with_how_to_install_it(monkeypatch):
    def import_module(name):
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(text.importlib, "import_module", import_module)
    with pytest.raises(ConfigError, match="medts\\[text\\]"):
        text_scores(["a"], ["a"], ([set()], [set()]))


def _without_words(monkeypatch):
    """Leaves the scores of words out, so that their packages are not needed."""
    monkeypatch.setattr(text, "_bleu", lambda *_, order: np.zeros(1))
    monkeypatch.setattr(text, "_rouge_l", lambda generated, _: np.zeros(len(generated)))
