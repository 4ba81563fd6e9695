"""Reports of a corpus: what is cut off, masked, left out, redacted; and that lists never shift."""

import csv

import numpy as np
import pytest

from medts.core.errors import ConfigError
from medts.core.labels import LabelSet
from medts.core.reports import ReportSettings
from medts.core.sentences import split_sentences as read_sentences
from medts.data.report_grades import GRADES
from medts.data.reports import (
    as_read,
    clean_report,
    distinct,
    hide_persons,
    prepare,
    without_classes,
)
from medts.data.sources.ptb_xl import PtbXl


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("sinus rhythm. Edit: NORM 100, rSIII(NORM 100)", "sinus rhythm."),
        ("t-förändringconsensus label derived from: {'NDT': 100.0}", "t-förändring"),
        ("normales ekg 4.46      unbestÄtigter bericht", "normales ekg"),
        ("*** Sinus   rhythm ***\r\n=- Normal", "sinus rhythm. normal."),
        (
            "nothing of note\nprobably ok.\n\n qt 0.4 s;\nend",
            "nothing of note. probably ok. qt 0.4 s. end.",
        ),
        ("trace only requested. Edit: IMI 15", ""),
        ("", ""),
        ("  12 . ", ""),
    ],
)
def test_codes_paperwork_and_marks_are_cut_off(text, clean):
    assert clean_report(text) == clean


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("compared with tracings of 3:3:92 and 30:4,92", {"date": 2}),
        ("vom 28.12.93, am 1994-01-05 und 3. März 1994", {"date": 3}),
        ("Dr. Weber, Frau Meier-Schulz, MRN 00123", {"id": 1, "name": 2}),
        ("fallnr 12x3 und 12345678", {"id": 2}),
        ("ask dr smith", {"name": 1}),
        ("write to a.b@hospital.org", {"contact": 1}),
        ("rate 101 per minute, qt 0.44, v4,5,6, av-block 1.grades, 80/360 ms, 4.46", {}),
        ("sinus rhythm in v1-3, st 2:1 block", {}),
        ("PR 200 ms prolonged, QRS 120ms wide, 80 ms and more", {}),
        ("QRS 0.10-0.12, PR 160  ms normal, PR interval in ms prolonged, mr present", {}),
        ("rate 70 12.03.1998 QRS 90 0,10-0,12 3/4/92, 12.5.97,", {"date": 3}),
        ("Prof. Dr. med. Hans Weber, Mr Jones, ms. miller", {"name": 3}),
    ],
)
def test_what_may_name_a_person_is_found_and_blotted_out(text, kinds):
    masked, counts = hide_persons(text)
    assert counts == kinds
    assert masked.count("[") == sum(kinds.values())
    assert (masked == text) == (not kinds)


def test_what_cannot_be_used_keeps_its_place_and_is_counted():
    texts = [
        "sinus rhythm. normal ecg.",
        None,
        "",
        " . ",
        "trace only requested.",
        "word " * 10_000,
        "ritmo sinusal",
        "sinusrhythmus linkstyp",
    ]
    found = prepare(texts)
    assert [report is not None for report in found.reports] == [1, 0, 0, 0, 0, 1, 1, 1]
    assert found.excluded == {"empty": 3, "says nothing": 1}
    assert found.n_cut == 1
    assert found.languages == {"en": 1, "unknown": 2, "de": 1}
    assert found.texts[6:] == ["ritmo sinusal.", "sinus rhythm. left axis deviation."]
    assert found.coverage.n_known_words == found.coverage.n_words == 2

    strict = ReportSettings(keep_unknown=False, min_words=3, translate=False, hides_persons=False)
    found = prepare([*texts, "sinus rhythm of 3:3:92"], strict)
    assert found.excluded == {
        "empty": 3, "says nothing": 1, "unknown language": 1, "too short": 2,
    }  # fmt: skip
    assert [report is not None for report in found.reports] == [1, 0, 0, 0, 0, 0, 0, 0, 1]
    assert found.texts[-1] == "sinus rhythm of 3:3:92."
    assert found.masked == {"date": 1}


def test_an_unknown_language_is_left_out_where_that_is_asked_for():
    found = prepare(["ritmo sinusal"], ReportSettings(keep_unknown=False))
    assert found.reports == (None,)
    assert found.excluded == {"unknown language": 1}


def test_every_report_with_a_word_has_a_sentence_and_keeps_its_source():
    texts = ["x", "sinusrhythmus", "no stop here at all", "a. b; c! d?"]
    for text, report in zip(texts, prepare(texts).reports, strict=True):
        assert report is not None
        assert report.sentences
        assert report.source == text
        assert all("." not in sentence for sentence in report.sentences)


def test_distinct_texts_point_back_to_their_records():
    texts, place = distinct(["b", None, "a", "b"])
    assert texts == ["b", "a"]
    assert place.tolist() == [0, -1, 1, 0]
    assert distinct([])[1].dtype == np.int64


def test_sentences_that_name_a_class_go_whether_stated_denied_narrower_or_broader():
    super_set = next(each for each in PtbXl().label_sets if each.name == "ptb-xl/super")
    sentences = [
        "sinus rhythm",
        "left axis deviation",
        "anteroseptal infarction",
        "no st-t changes",
        "unvollständiger rechtsschenkelblock",
        "moderate voltage criteria for left ventricular hypertrophy",
        "normal ecg",
        "abnormal ecg",
    ]
    assert without_classes(sentences, super_set) == ("sinus rhythm", "left axis deviation")
    blocks = LabelSet(name="x/blocks", classes=("CRBBB", "CLBBB"), kind="multi", system="scp-ecg")
    grades = LabelSet(name="x/grade", classes=GRADES, kind="single")
    verdicts = ["kein normales ekg", "sonst normales ekg", "abnormal ecg", "sinus rhythm"]
    assert without_classes(verdicts, grades) == ("sinus rhythm",)
    assert without_classes(["bundle branch block", "lvh", "sinus rhythm"], blocks) == (
        "lvh",
        "sinus rhythm",
    )


def test_ptb_xl_reports_are_counted_as_in_the_documentation(real_data):
    with (real_data / "ptb-xl" / "ptbxl_database.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    train = [row["report"] for row in rows if int(row["strat_fold"]) <= 7]
    found = prepare(train)
    assert len(train) == len(found.reports) == 1048
    assert len(distinct(train)[0]) == 636
    assert len(distinct(found.texts)[0]) == 584
    for report in filter(None, found.reports):
        read_again = [each.rstrip(".;") for each in read_sentences(report.text)]
        assert read_again == list(report.sentences)
    assert found.excluded == {"says nothing": 20}
    assert found.languages == {"de": 674, "en": 327, "sv": 27}
    assert found.leaks_removed == 39
    assert found.masked == {"date": 6}
    assert found.coverage.n_known_words / found.coverage.n_words > 0.99
    unseen = prepare([row["report"] for row in rows if row["strat_fold"] == "9"]).coverage
    assert unseen.n_known_words / unseen.n_words > 0.94


def test_a_redacted_report_names_no_class_and_may_have_nothing_left():
    classes = ("NORM", "MI", "STTC", "CD", "HYP")
    learnt = LabelSet(name="ptb-xl/super", classes=classes, kind="multi")
    settings = ReportSettings(is_redacted=True)
    assert settings.hiding([]).hidden_classes_of == ()
    assert ReportSettings().hiding([learnt]).hidden_classes_of == ()
    written = ["sinus rhythm. left bundle branch block.", "myocardial infarction.", None]
    found = prepare(written, settings.hiding([learnt]))
    assert found.texts == ["sinus rhythm.", None, None]
    assert found.excluded["says only what is hidden"] == 1


def test_a_sentence_is_redacted_by_what_it_says_in_either_language():
    """The ontology knows this German wording of ST-T changes, but not the lexicon's English."""
    classes = ("NORM", "MI", "STTC", "CD", "HYP")
    learnt = LabelSet(name="ptb-xl/super", classes=classes, kind="multi")
    german = "unspezifisches abnormales t"
    assert without_classes([german], learnt) == ()
    settings = ReportSettings(is_redacted=True, hidden_classes_of=(learnt,))
    found = prepare([f"sinusrhythmus. {german}."], settings)
    assert found.texts == ["sinus rhythm."]
    assert found.coverage.n_sentences == 2


def test_reports_are_not_redacted_in_silence_when_nothing_can_be_hidden():
    strange = LabelSet(name="x/strange", classes=("zork", "blorp"), kind="multi")
    # One grade is no grading.
    mixed = LabelSet(name="x/mixed", classes=("borderline", "blorp"), kind="multi")
    for hidden in ((), (strange,), (mixed,)):
        with pytest.raises(ConfigError) as caught:
            prepare(["normal ecg"], ReportSettings(is_redacted=True, hidden_classes_of=hidden))
        assert caught.value.field == "reports.hidden_classes_of"
        assert all(each.name in caught.value.problem for each in hidden)


def test_a_long_report_is_cut_and_counted_not_lost():
    settings = ReportSettings(max_words=6)
    long = "Sinus rhythm.\nLeft axis  deviation. Atrial fibrillation"
    found = prepare([long, "sinus rhythm", None, "a b c d e f "], settings)
    assert found.texts[0] == "sinus rhythm. left axis deviation. atrial."
    assert found.reports[0].source == long
    assert found.n_cut == 1
    assert "too long" not in found.excluded
    (ten_thousand,) = as_read(["sinus " * 10_000], ReportSettings())
    assert len(ten_thousand.split()) == 1000


def test_half_a_sentence_at_the_cut_is_not_read_where_classes_are_hidden():
    blocks = LabelSet(name="x/blocks", classes=("CLBBB",), kind="multi", system="scp-ecg")
    settings = ReportSettings(is_redacted=True, hidden_classes_of=(blocks,), max_words=5)
    written = ["sinus rhythm. complete left bundle branch block.", "sinus rhythm in all leads"]
    assert prepare(written, settings).texts == ["sinus rhythm.", "sinus rhythm in all leads."]


def test_a_text_stands_in_for_every_report_and_nothing_of_a_report_is_left():
    settings = ReportSettings(stands_in="report")
    written = ["Dr. Weber: AV-Block. Edit: NORM 100", None, "", "word " * 2000, "sinus rhythm"]
    assert as_read(written, settings) == ("report.",) * 5
    found = prepare(written, settings)
    assert found.texts == ["report."] * 5
    assert {report.source for report in found.reports} == {"report"}
    assert found == prepare([None] * 5, settings)
    learnt = LabelSet(name="ptb-xl/super", classes=("NORM", "MI"), kind="multi")
    redacted = settings.but(is_redacted=True, hidden_classes_of=(learnt,))
    assert as_read(written, redacted) == ("report.",) * 5
    with pytest.raises(ConfigError, match="'normal ecg' cannot stand in for reports: says only"):
        as_read(written, redacted.but(stands_in="normal ecg"))


def test_a_model_reads_each_report_in_its_place_under_its_own_settings():
    written = ["Sinusrhythmus", None, "", "Sinusrhythmus", "Lagetyp normal"]
    assert as_read(written, None) == tuple(written)
    english = ("sinus rhythm.", None, None, "sinus rhythm.", "normal axis.")
    assert as_read(written, ReportSettings()) == english
    german = ("sinusrhythmus.", None, None, "sinusrhythmus.", "lagetyp normal.")
    assert as_read(written, ReportSettings(translate=False)) == german
    assert as_read(written[::-1], ReportSettings()) == english[::-1]
