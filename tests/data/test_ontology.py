"""The ontology: complete, unambiguous, true to PTB-XL, and able to read reports."""

import ast
import csv
import os
from pathlib import Path

import pytest

from medts.core.errors import MedtsError, UnknownNameError
from medts.core.labels import LabelSet
from medts.data.ontology import (
    ancestors,
    by_snomed,
    concept,
    concepts,
    map_labels,
    meanings,
    mentions,
    plain_spelling,
    prompts,
    statements,
)
from medts.data.sources.ptb_xl import PtbXl

real_data = pytest.mark.skipif("MEDTS_DATA" not in os.environ, reason="MEDTS_DATA is not set")

PTB_XL = {label_set.name.removeprefix("ptb-xl/"): label_set for label_set in PtbXl().label_sets}


def single(name, *classes, **changes):
    return LabelSet(name=name, classes=classes, kind="single", **changes)


def test_statements_are_as_many_of_each_kind_as_ptb_xl_has():
    assert len(statements()) == 71
    sizes = {kind: len(statements(kind)) for kind in ("diagnostic", "form", "rhythm")}
    assert sizes == {"diagnostic": 44, "form": 19, "rhythm": 12}
    assert len({found.superclass for found in statements("diagnostic")}) == 5
    assert len({found.subclass for found in statements("diagnostic")}) == 23


@real_data
def test_statements_equal_the_official_table():
    path = Path(os.environ["MEDTS_DATA"]) / "ptb-xl" / "scp_statements.csv"
    with path.open(encoding="utf-8", newline="") as file:
        official = list(csv.DictReader(file))
    expected = [
        (
            row[""],
            tuple(kind for kind in ("diagnostic", "form", "rhythm") if row[kind] == "1.0"),
            row["diagnostic_subclass"],
            row["diagnostic_class"],
        )
        for row in official
    ]
    assert [(s.code, s.kinds, s.subclass, s.superclass) for s in statements()] == expected


def test_every_broader_concept_exists_and_leads_to_the_superclass():
    for found in concepts().values():
        assert all(parent in concepts() for parent in found.parents), found.code
        assert found.code not in ancestors(found.code)
    for found in statements("diagnostic"):
        assert found.superclass in (found.code, *ancestors(found.code)), found.code


def test_groups_that_share_a_code_with_a_statement_stay_apart():
    assert ancestors("AMI") == ("sub:AMI", "MI")
    assert ancestors("NDT") == ("sub:STTC", "STTC")
    assert ancestors("SR") == ()


def test_every_concept_has_english_and_german_wordings_of_its_own():
    owner = {}
    for found in concepts().values():
        assert len(found.phrases_en) >= 2, found.code
        assert found.phrases_de, found.code
        for phrase in (*found.phrases_en, *found.phrases_de, *found.wordings):
            assert owner.setdefault(plain_spelling(phrase), found.code) == found.code, phrase
    assert prompts("LVH")[0] == "left ventricular hypertrophy"
    assert prompts("LVH", "de")[0] == "linksventrikuläre Hypertrophie"


def test_snomed_codes_are_digits_with_one_meaning_each():
    codes = [code for found in concepts().values() for code in found.snomed]
    assert all(code.isdigit() and 6 <= len(code) <= 18 for code in codes)
    assert len(set(codes)) == len(codes)
    assert by_snomed("164889003").code == "AFIB"
    assert by_snomed("1") is None


def test_snomed_codes_carry_a_valid_check_digit():
    # the last digit of a SNOMED CT identifier is a Verhoeff check digit
    multiply = [[(i + j) % 5 + 5 * ((i // 5) ^ (j // 5)) for j in range(10)] for i in range(10)]
    for i in range(5, 10):
        multiply[i] = [(i - j) % 5 + 5 if j < 5 else (i - j) % 5 for j in range(10)]
    shuffle = [list(range(10)), [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]]
    while len(shuffle) < 8:
        shuffle.append([shuffle[-1][shuffle[1][digit]] for digit in range(10)])
    for found in concepts().values():
        for code in found.snomed:
            check = 0
            for place, digit in enumerate(reversed(code)):
                check = multiply[check][shuffle[place % 8][int(digit)]]
            assert check == 0, (found.code, code)


def test_an_unknown_concept_suggests_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'CLBBB'"):
        concept("CLBB")


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("sinus rhythm. normal ecg.", {"SR", "NORM"}),
        ("Vorhofflimmern/-flattern, überdrehter Linkstyp", {"AFIB", "LAD"}),
        ("ueberdrehter linkstyp linksanteriorer hemiblock", {"LAD", "LAFB"}),
        ("unvollstÄndiger rechtsschenkelblock", {"IRBBB"}),
        ("rechtsschenkelblock", {"RBBB"}),
        ("anterolaterale ischÄmie oder linksbelastung", {"ISCAL"}),
        ("a-v block i", {"1AVB"}),
        ("AV-Block II. Grades", {"2AVB"}),
        ("premature ventricular contraction(s)", {"PVC"}),
        ("ventrikulÄre extrasystole(n), bigeminus", {"PVC", "BIGU"}),
        ("st segments are depressed and t waves inverted in i, avl", {"STD_", "INVT"}),
        ("qrs(t) abnorm inferiorer infarkt", {"ABQRS", "IMI"}),
        ("abnormal ecg", set()),
        ("", set()),
    ],
)
def test_mentions_finds_the_narrowest_concept_however_it_is_spelt(sentence, expected):
    assert mentions(sentence) == expected


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("no ST elevation", set()),
        ("no definite ecg evidence of lvh or ischaemia", set()),
        ("no st elevation, t wave inversion or q waves present", set()),
        ("no st elevation, atrial fibrillation", {"AFIB"}),
        ("no st elevation. atrial fibrillation", {"AFIB"}),
        ("kein Vorhofflimmern mehr, Sinusrhythmus", {"SR"}),
        ("kein vorhofflimmern sinusrhythmus", {"SR"}),
        ("sinus rhythm without premature atrial contractions", {"SR"}),
        ("ohne ST-Hebung, aber ST-Senkung", {"STD_"}),
        ("previous anteroseptal infarct unlikely", set()),
        ("left axis deviation, anterior infarct is excluded", {"LAD"}),
        ("atrial flutter is not present", set()),
        ("anteroseptal infarct cannot be excluded", {"ASMI"}),
        ("septaler infarkt nicht auszuschliessen inferiorer infarkt", {"ASMI", "IMI"}),
        ("otherwise no definite pathology", {"NORM"}),
    ],
)
def test_mentions_leaves_out_what_is_denied_and_keeps_what_is_only_doubted(sentence, expected):
    assert mentions(sentence) == expected


@real_data
def test_real_reports_name_the_rhythms_that_were_coded():
    path = Path(os.environ["MEDTS_DATA"]) / "ptb-xl" / "ptbxl_database.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = [
            (mentions(row["report"]), ast.literal_eval(row["scp_codes"]))
            for row in csv.DictReader(file)
        ]
    for code in ("SR", "AFIB", "STACH", "SBRAD", "PACE", "ABQRS"):
        coded = [code in found for found, codes in rows if code in codes]
        named = [code in codes for found, codes in rows if code in found]
        assert sum(coded) / len(coded) > 0.9, code
        assert sum(named) / len(named) > 0.9, code


def test_ptb_xl_rhythms_map_to_other_corpora_by_meaning():
    mit = single("mit-bih/rhythm", "(N", "(AFIB", "(AFL", "(B", "(SBR", "(SVTA", "(P", "(VT")
    assert map_labels(PTB_XL["rhythm"], mit) == {
        "SR": "(N",
        "AFIB": "(AFIB",
        "AFLT": "(AFL",
        "SBRAD": "(SBR",
        "SVTAC": "(SVTA",
        "PSVT": "(SVTA",
        "PACE": "(P",
    }
    cinc = single("cinc-2017/rhythm", "N", "A", "O", "~")
    other = meanings(cinc)["O"]
    assert other[0] == "OTHER"
    assert {"AFLT", "SBRAD", "BIGU"} <= set(other)
    assert not {"SR", "AFIB", "AFAFL", "NORM"} & set(other)
    assert map_labels(PTB_XL["rhythm"], cinc) == {"SR": "N", "AFIB": "A"}
    assert map_labels(PTB_XL["super"], cinc) == {"NORM": "N"}
    chapman = single("chapman-shaoxing/rhythm", "SR", "AFIB", "AF", "ST")
    assert map_labels(chapman, PTB_XL["rhythm"]) == {
        "SR": "SR",
        "AFIB": "AFIB",
        "AF": "AFLT",
        "ST": "STACH",
    }


def test_statements_map_to_broader_classes_and_never_to_narrower_ones():
    cpsc = single(
        "cpsc-2018/rhythm-or-finding", "Normal", "AF", "I-AVB", "LBBB", "RBBB", "PAC", "PVC", "STD"
    )
    forward = map_labels(PTB_XL["all"], cpsc)
    assert forward["CRBBB"] == forward["IRBBB"] == "RBBB"
    assert "RBBB" not in map_labels(cpsc, PTB_XL["all"])
    assert map_labels(cpsc, PTB_XL["super"]) == {
        "Normal": "NORM",
        "I-AVB": "CD",
        "LBBB": "CD",
        "RBBB": "CD",
    }
    to_super = map_labels(PTB_XL["diag"], PTB_XL["super"])
    assert to_super == {s.code.strip("_"): s.superclass for s in statements("diagnostic")}
    to_sub = map_labels(PTB_XL["diag"], PTB_XL["sub"])
    assert to_sub == {s.code.strip("_"): s.subclass.strip("_") for s in statements("diagnostic")}


def test_classes_are_known_by_code_system_and_by_wording():
    snomed = single("clinic/codes", "164889003", "59931005", "999", system="snomed-ct")
    assert map_labels(snomed, PTB_XL["all"]) == {"164889003": "AFIB", "59931005": "INVT"}
    words = single("clinic/words", "Vorhofflimmern", "Sinus tachycardia", "Gout")
    assert map_labels(words, PTB_XL["rhythm"]) == {
        "Vorhofflimmern": "AFIB",
        "Sinus tachycardia": "STACH",
    }


def test_a_class_with_two_equally_good_counterparts_is_refused():
    scored = single("cinc-2021/scored", "PVC", "VPB", "NSR")
    with pytest.raises(MedtsError, match="'PVC' fits 'PVC' and 'VPB'"):
        map_labels(PTB_XL["form"], scored)
