"""How near a drafted report is to the written one: BLEU, METEOR, ROUGE-L, and findings.

The first three compare words and say little about medicine: "no infarction" is nearly "infarction"
to all of them. `finding_scores` compares what is stated; the findings of a text come from the
ontology, which the caller asks. Words are runs of letters and digits in lower case.

Departures: METEOR has its exact and stem stages only; synonyms and paraphrases, which need WordNet
and tables of English, are left out, and the stemmer is a short one (plural, -ing, -ed, -al), not
Porter's. Scores are therefore a little lower than published ones. BLEU is not smoothed.

Axes: n pairs of texts.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence, Set
from itertools import pairwise

from medts.core.errors import MedtsError

_WORD = re.compile(r"[^\W_]+")

METEOR_ALPHA, METEOR_BETA, METEOR_GAMMA = 0.9, 3.0, 0.5
"""Weight of recall, and shape and weight of the penalty for scattered matches (Lavie 2007)."""


def words_of(text: str) -> list[str]:
    """Returns the words of a text.

    >>> words_of("ST-elevation, V2.")
    ['st', 'elevation', 'v2']
    """
    return _WORD.findall(text.lower())


def bleu(drafted: Sequence[str], written: Sequence[str], *, n: int = 4) -> float:
    """Returns corpus BLEU with n-grams up to ``n``, one reference each (Papineni et al., 2002).

    The geometric mean of n-gram precisions, clipped by the reference and pooled over the corpus,
    times a penalty for drafts shorter than what was written. 0 where some length has no match.

    Raises:
        MedtsError: If the lists differ in length or are empty.
    """
    pairs = _pairs(drafted, written)
    matched, total = Counter[int](), Counter[int]()
    for draft, truth in pairs:
        for size in range(1, n + 1):
            found, known = _ngrams(draft, size), _ngrams(truth, size)
            matched[size] += sum((found & known).values())
            total[size] += sum(found.values())
    if not all(matched[size] for size in range(1, n + 1)):
        return 0.0
    n_draft, n_truth = (sum(len(pair[side]) for pair in pairs) for side in (0, 1))
    brevity = 1.0 if n_draft > n_truth else math.exp(1 - n_truth / n_draft)
    precisions = [math.log(matched[size] / total[size]) for size in range(1, n + 1)]
    return brevity * math.exp(sum(precisions) / n)


def rouge_l(drafted: Sequence[str], written: Sequence[str]) -> float:
    """Returns the mean F1 of the longest common subsequence of words (Lin, 2004).

    Raises:
        MedtsError: If the lists differ in length or are empty.
    """
    values = []
    for draft, truth in _pairs(drafted, written):
        common = _longest_common(draft, truth)
        values.append(_f1(common, len(draft), len(truth)))
    return sum(values) / len(values)


def meteor(drafted: Sequence[str], written: Sequence[str]) -> float:
    """Returns the mean METEOR with exact and stem matches (Banerjee and Lavie, 2005).

    The harmonic mean of precision and recall, which weighs recall nine to one, less a penalty for
    matches in many separate runs.

    Raises:
        MedtsError: If the lists differ in length or are empty.
    """
    values = [_meteor(draft, truth) for draft, truth in _pairs(drafted, written)]
    return sum(values) / len(values)


def finding_scores(drafted: Sequence[Set[str]], written: Sequence[Set[str]]) -> dict[str, float]:
    """Returns precision, recall and F1 of stated findings, pooled over the corpus.

    Args:
        drafted: Findings that each draft states.
        written: Findings that each written report states.

    Returns:
        ``finding_precision``, ``finding_recall``, ``finding_f1``; NaN where there is nothing to
        divide by.

    Raises:
        MedtsError: If the lists differ in length or are empty.
    """
    _check_lengths(len(drafted), len(written))
    n_common = sum(len(d & w) for d, w in zip(drafted, written, strict=True))
    n_drafted, n_written = (sum(map(len, each)) for each in (drafted, written))
    return {
        "finding_precision": n_common / n_drafted if n_drafted else math.nan,
        "finding_recall": n_common / n_written if n_written else math.nan,
        "finding_f1": _f1(n_common, n_drafted, n_written) if n_drafted + n_written else math.nan,
    }


def stem(word: str) -> str:
    """Takes common English endings off a word of more than four letters.

    >>> stem("elevations"), stem("depressed"), stem("anterior")
    ('elevation', 'depress', 'anterior')
    """
    for ending in ("ings", "ing", "ied", "ies", "ed", "es", "al", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 4 and not word.endswith("ss"):
            kept = word[: -len(ending)]
            return f"{kept}y" if ending in ("ied", "ies") else kept
    return word


def _meteor(draft: list[str], truth: list[str]) -> float:
    place = _align(draft, truth)
    n_matched = sum(at is not None for at in place)
    if n_matched == 0:
        return 0.0
    precision, recall = n_matched / len(draft), n_matched / len(truth)
    mean = precision * recall / (METEOR_ALPHA * precision + (1 - METEOR_ALPHA) * recall)
    followed = sum(a is not None and b is not None and b == a + 1 for a, b in pairwise(place))
    n_runs = n_matched - followed
    penalty = METEOR_GAMMA * (n_runs / n_matched) ** METEOR_BETA
    return mean * (1 - penalty)


def _align(draft: list[str], truth: list[str]) -> list[int | None]:
    """Gives each word of the draft its word of the other text: exact matches first, then stems.

    Among equal words the one that continues the run is taken, otherwise the first.
    """
    place: list[int | None] = [None] * len(draft)
    free = set(range(len(truth)))
    for form in (str, stem):
        forms = [form(word) for word in truth]
        for at, word in enumerate(draft):
            if place[at] is not None:
                continue
            choices = [k for k in sorted(free) if forms[k] == form(word)]
            if not choices:
                continue
            before = place[at - 1] if at else None
            wanted = None if before is None else before + 1
            place[at] = wanted if wanted in choices else choices[0]
            free.discard(place[at])  # pyright: ignore[reportArgumentType] - just set
    return place


def _longest_common(first: list[str], second: list[str]) -> int:
    previous = [0] * (len(second) + 1)
    for word in first:
        row = [0]
        for column, other in enumerate(second, start=1):
            is_same = word == other
            row.append(previous[column - 1] + 1 if is_same else max(row[-1], previous[column]))
        previous = row
    return previous[-1]


def _ngrams(words: list[str], size: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[at : at + size]) for at in range(len(words) - size + 1))


def _f1(n_common: int, n_first: int, n_second: int) -> float:
    return 2 * n_common / (n_first + n_second) if n_first + n_second else 0.0


def _pairs(drafted: Sequence[str], written: Sequence[str]) -> list[tuple[list[str], list[str]]]:
    _check_lengths(len(drafted), len(written))
    return [(words_of(d), words_of(w)) for d, w in zip(drafted, written, strict=True)]


def _check_lengths(n_drafted: int, n_written: int) -> None:
    if n_drafted != n_written or not n_drafted:
        raise MedtsError(
            f"{n_drafted} drafts and {n_written} written reports",
            field="drafts",
            remedy="Give one draft for every written report, and at least one",
        )
