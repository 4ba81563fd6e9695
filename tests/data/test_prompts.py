"""Prompts: from the ontology for every published task, and from files in MERL's format."""

import json

import pytest

from medts.core.errors import MedtsError, ReadError, UnknownNameError
from medts.core.labels import LabelSet
from medts.data.prompts import (
    check_prompts,
    class_phrases,
    n_long_prompts,
    read_prompts,
)
from medts.data.sources import find_source

TASKS = {
    "ptb-xl/super": 5,
    "ptb-xl/sub": 23,
    "ptb-xl/form": 19,
    "ptb-xl/rhythm": 12,
    "cpsc-2018/rhythm-or-finding": 9,
    "chapman-shaoxing/findings": 38,
}


def label_set_of(name):
    source = find_source(name.split("/")[0])()
    return next(each for each in source.label_sets if each.name == name)


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("language", ["en", "de"])
def test_every_class_of_the_papers_tasks_has_prompts_of_its_own(name, language):
    label_set = label_set_of(name)
    found = class_phrases(label_set, language=language)
    assert tuple(found) == label_set.classes
    assert len(found) == TASKS[name]
    assert all(found.values())
    check_prompts(found, where=name)
    if language == "en":
        assert min(map(len, found.values())) >= 2, "several wordings each"


def test_the_plainest_phrase_comes_first():
    found = class_phrases(label_set_of("ptb-xl/rhythm"), n_phrases=1, is_narrower_named=False)
    assert found["AFIB"] == ("atrial fibrillation",)


def test_a_class_without_words_has_no_phrase_and_its_own_come_first():
    unknown = LabelSet(name="x/y", classes=("zork",), kind="multi")
    assert class_phrases(unknown) == {"zork": ()}
    assert class_phrases(unknown.but(phrases={"zork": ("a zork",)})) == {"zork": ("a zork",)}


def test_a_file_is_read_by_name_and_in_any_order(tmp_path):
    path = tmp_path / "prompts.json"
    given = {"AFIB": ("Vorhofflimmern", "atrial fibrillation"), "SR": ("sinus rhythm",)}
    path.write_text(json.dumps(given | {"SR": "sinus rhythm"}))
    assert read_prompts(path) == given
    assert list(read_prompts(path, ["SR", "AFIB"])) == ["SR", "AFIB"]
    with pytest.raises(UnknownNameError, match="AFIB"):
        read_prompts(path, ["AFIBB"])


def test_merls_format_is_one_text_per_class(tmp_path):
    path = tmp_path / "CKEPE_prompt.json"
    text = "first degree AV block, first-degree atrioventricular block."
    path.write_text(json.dumps({"1AVB": text}))
    assert read_prompts(path) == {"1AVB": (text,)}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "Expecting value"),
        ("[]", "not an object"),
        ("{}", "not an object"),
        ('{"A": 1}', "A: neither a text nor a list"),
        ('{"A": ["x", 2]}', "A: neither a text nor a list"),
        ('{"A": "x", "A": "y"}', "class A occurs twice"),
        ('{"A": " . "}', "the prompt of 'A' is empty"),
        ('{"A": []}', "the prompt of 'A' is empty"),
        ('{"A": "sinus rhythm.", "B": "Sinus  rhythm"}', "'A' and 'B' have the same prompt"),
        ('{"A": ["x", "X."]}', "'A' has a prompt twice"),
    ],
)
def test_files_that_cannot_be_meant_are_refused(tmp_path, content, message):
    path = tmp_path / "prompts.json"
    path.write_text(content)
    with pytest.raises(MedtsError, match=message):
        read_prompts(path)


def test_a_missing_or_binary_file_is_named(tmp_path):
    with pytest.raises(ReadError, match="no such file"):
        read_prompts(tmp_path / "absent.json")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ReadError, match=r"binary\.json"):
        read_prompts(tmp_path / "binary.json")


def test_prompts_a_thousand_words_long_are_allowed_and_counted(tmp_path):
    path = tmp_path / "prompts.json"
    path.write_text(json.dumps({"A": " ".join(f"word{n}" for n in range(1000)), "B": "short"}))
    assert n_long_prompts(read_prompts(path)) == 1
