"""Language, sentences and English of reports, on wordings as they occur in real ones."""

import csv
from pathlib import Path

import pytest

from medts.data.report_language import (
    coverage,
    detect_language,
    split_sentences,
    translate,
    without_paperwork,
)
from medts.data.report_lexicon import pieces
from medts.data.tables import __path__ as tables_path


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("sinusrhythmus lagetyp normal normales ekg", "de"),
        ("sinus rhythm. no definite pathology.", "en"),
        ("t waves are inverted in v2, this may be due to ischaemia", "en"),
        ("sinusrytm vänster el-axel", "sv"),
        ("ritmo sinusal, bloqueo de rama derecha", "unknown"),
        ("normal", "unknown"),
        ("SR 66, LVH", "unknown"),
        ("", "unknown"),
        ("??? 12 34", "unknown"),
    ],
)
def test_the_language_is_that_of_its_own_words(text, language):
    assert detect_language(text) == language


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("", ()),
        (" .. . ", ()),
        ("sinus rhythm. normal ecg.", ("sinus rhythm", "normal ecg")),
        ("sinus rhythm.. normal ecg..", ("sinus rhythm", "normal ecg")),
        ("QT is 0.44 s. PR 0.2.", ("QT is 0.44 s", "PR 0.2")),
        (
            "intraventr. leitungsstörung, path. ekg. ende",
            ("intraventr. leitungsstörung, path. ekg", "ende"),
        ),
        ("AV-Block 1. Grades. Linkstyp.", ("AV-Block 1. Grades", "Linkstyp")),
        ("rhythm.normal", ("rhythm", "normal")),
        ("sinus rhythm\nnormal ecg", ("sinus rhythm", "normal ecg")),
        ("ritmo sinusal bloqueo", ("ritmo sinusal bloqueo",)),
        ("sinus rhythm normal ecg", ("sinus rhythm", "normal ecg")),
        (
            "sinusrhythmus qrs(t) abnorm    inferiorer infarkt    wahrscheinlich alt t neg in v1",
            (
                "sinusrhythmus",
                "qrs(t) abnorm",
                "inferiorer infarkt wahrscheinlich alt",
                "t neg in v1",
            ),
        ),
        (
            "st & t abnorm, wahrscheinlich anteriore ischämie oder linksbelastung",
            ("st & t abnorm, wahrscheinlich anteriore ischämie oder linksbelastung",),
        ),
    ],
)
def test_sentences_survive_decimals_abbreviations_and_missing_full_stops(text, sentences):
    assert split_sentences(text) == sentences


@pytest.mark.parametrize(
    ("written", "english"),
    [
        ("unvollständiger rechtsschenkelblock", "incomplete right bundle branch block"),
        ("unvollstaendiger rechtsschenkelblock", "incomplete right bundle branch block"),
        ("av-block i.grades", "first degree AV block"),
        ("supraventrikuläre extrasystole(n)", "premature supraventricular complexes"),
        ("inferiorer infarkt     alter unbest.", "inferior infarction of uncertain age"),
        (
            "regelmässiger rhythmus, keine p-welle erkannt",
            "regular rhythm, no P wave found",
        ),
        ("t neg in v4,v5", "negative T wave in v4,v5"),
        ("kan ej uteslutas", "cannot be excluded"),
        ("völlig unbekanntes wort", "völlig unbekanntes wort"),
    ],
)
def test_phrases_become_english_and_the_rest_stays(written, english):
    assert translate(written) == english


@pytest.mark.parametrize(
    "text", ["st-hebung (v2), q in iii ,avf. ", "((", "", "ÄÖ ß İ extrasystole(n). x"]
)
def test_pieces_lose_nothing(text):
    assert "".join(piece.gap + piece.text for piece in pieces(text)) == text


def test_paperwork_goes_and_findings_stay():
    assert without_paperwork("normales ekg 4.46     unbestätigter bericht") == "normales ekg"
    assert without_paperwork("trace only requested.") == "."
    assert without_paperwork("sinus rhythm.") == "sinus rhythm."


def test_coverage_counts_words_and_sentences_by_hand():
    found = coverage([("sinusrhythmus", "q in iii und zick"), ("zick zack",)])
    assert (found.n_words, found.n_known_words) == (8, 5)
    assert (found.n_sentences, found.n_known_sentences) == (3, 1)
    assert found.unknown == (("zick", 2), ("zack", 1))


def test_every_row_of_the_table_is_complete_and_no_phrase_means_two_things():
    path = Path(next(iter(tables_path))) / "report_phrases.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    owners: dict[tuple[str, str], str] = {}
    for row in rows:
        assert row["language"] in ("de", "en", "sv")
        assert row["role"] in ("finding", "before", "after", "joins", "empty")
        assert (row["english"] == "") == (row["role"] == "empty" or row["language"] == "en")
        for phrase in row["phrase"].split("|"):
            assert owners.setdefault((row["language"], phrase), row["english"]) == row["english"]
            assert not row["english"] or translate(phrase) == row["english"], phrase
