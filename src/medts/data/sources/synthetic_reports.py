"""Clinical-style report templates for the synthetic dataset, in varied wording.

The same finding is worded in many ways, reports differ in length and order, some state what is
absent, and some are as terse as a busy reader. Whatever is stated is mentioned, and nothing else
is affirmed.
"""

from collections.abc import Sequence

import numpy as np

from medts.data.ontology import read_table

_ROWS = list(read_table("synthetic_reports.csv"))

PHRASES = {row["code"]: tuple(row["phrases"].split("|")) for row in _ROWS}
"""Wordings of each class, the plainest first."""

_SHORT = {row["code"]: row["short"] for row in _ROWS}

_ABSENT = {
    "no bundle branch block": ("CLBBB", "CRBBB"),
    "no signs of left ventricular hypertrophy": ("LVH",),
    "no ST elevation": ("STE",),
    "no ST depression": ("STD",),
    "no significant ST deviation": ("STE", "STD", "CLBBB"),
    "no T wave inversion": ("INVT", "CLBBB", "CRBBB"),
    "no ectopic beats": ("PVC", "BIGU"),
}

_NORMAL_DETAILS = (
    "Normal axis and intervals.",
    "PR, QRS and QT are within limits.",
    "Normal P-QRS-T morphology.",
    "Progression of R waves is normal.",
)
_RATES = (
    "{} at {} bpm",
    "{}, rate {} bpm",
    "{}, ventricular rate {} bpm",
    "{}, heart rate {} beats per minute",
    "{} ({}/min)",
)
_FRAMES = ("{}", "{}", "Shows {}", "Tracing shows {}", "Evidence of {}", "ECG demonstrates {}")
_CLOSINGS = (
    "Abnormal ECG.",
    "Clinical correlation advised.",
    "Compare with previous tracing.",
    "Suggest follow-up.",
)


def write_report(
    rng: np.random.Generator,
    *,
    rhythm: str,
    findings: Sequence[str],
    rate_bpm: int,
    remarks: Sequence[str] = (),
) -> str:
    """Words a report: rhythm, findings, sometimes what is absent, and remarks on quality."""
    if rng.random() < 0.18:
        return _terse(rng, rhythm, findings, rate_bpm)
    is_normal = rhythm == "SR" and not findings
    sentences = [_rhythm_sentence(rng, rhythm, rate_bpm), *_finding_sentences(rng, findings)]
    if is_normal:
        verdict = _sentence(str(rng.choice(PHRASES["NORM"])))
        sentences.insert(int(rng.integers(0, 2)), verdict)
        if rng.random() < 0.5:
            sentences.append(str(rng.choice(_NORMAL_DETAILS)))
    if rng.random() < 0.45:
        sentences += _absence_sentences(rng, {rhythm, *findings})
    if not is_normal and rng.random() < 0.3:
        sentences.append(str(rng.choice(_CLOSINGS)))
    if rng.random() < 0.6:
        sentences += [_sentence(remark) for remark in remarks]
    return " ".join(sentences)


def _terse(rng: np.random.Generator, rhythm: str, findings: Sequence[str], rate_bpm: int) -> str:
    words = [f"{_SHORT[rhythm]} {rate_bpm}", *(_SHORT[code] for code in findings)]
    if rhythm == "SR" and not findings:
        words.append(str(rng.choice(["normal", "normal ECG", "WNL"])))
    joint = str(rng.choice([", ", ". ", "; "]))
    return _sentence(joint.join(words))


def _rhythm_sentence(rng: np.random.Generator, rhythm: str, rate_bpm: int) -> str:
    phrase = str(rng.choice(PHRASES[rhythm]))
    if rng.random() < 0.75:
        phrase = str(rng.choice(_RATES)).format(phrase, rate_bpm)
    return _sentence(phrase)


def _finding_sentences(rng: np.random.Generator, findings: Sequence[str]) -> list[str]:
    order = [findings[int(k)] for k in rng.permutation(len(findings))]
    phrases = [str(rng.choice(PHRASES[code])) for code in order]
    if len(phrases) > 1 and rng.random() < 0.5:
        phrases = [" and ".join(phrases)]
    return [_sentence(str(rng.choice(_FRAMES)).format(phrase)) for phrase in phrases]


def _absence_sentences(rng: np.random.Generator, stated: set[str]) -> list[str]:
    free = [text for text, codes in _ABSENT.items() if not stated & set(codes)]
    chosen = rng.permutation(len(free))[: int(rng.integers(1, 3))]
    return [_sentence(" and ".join(free[k] for k in chosen))] if len(chosen) else []


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
