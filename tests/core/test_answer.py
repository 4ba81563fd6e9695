import json

import pytest

from medts.core.answer import Answer, ModelFacts, RecordingFacts, decide
from medts.core.labels import LabelSet

FINDINGS = LabelSet(name="a/findings", classes=("AF", "MI", "PVC"), kind="multi")
RHYTHM = LabelSet(name="a/rhythm", classes=("SR", "AF"), kind="single")


def make_answer(label_set=FINDINGS, probability=(0.5, 0.49, 0.9), thresholds=None):
    chosen = {"AF": 0.5, "MI": 0.5} if thresholds is None else thresholds
    by_class = dict(zip(label_set.classes, probability, strict=True))
    return Answer(
        record_id="r1",
        label_set=label_set.name,
        classes=decide(by_class, label_set, chosen),
        recording=RecordingFacts(missing_channels=("V1",)),
        model=ModelFacts(name="m", digest="d"),
    )


def test_a_class_is_stated_at_or_above_its_threshold_and_never_without_one():
    answer = make_answer()
    assert [each.decision for each in answer.classes.values()] == ["yes", "no", None]
    assert answer.stated == ("AF",)
    assert answer.probability == {"AF": 0.5, "MI": 0.49, "PVC": 0.9}
    assert answer.missing_channels == ("V1",)


def test_of_a_single_set_the_likeliest_class_is_stated():
    answer = make_answer(RHYTHM, (0.4, 0.6), {})
    assert answer.stated == ("AF",)
    assert [each.threshold for each in answer.classes.values()] == [None, None]


def test_an_answer_survives_json():
    answer = make_answer()
    assert Answer.model_validate_json(json.dumps(answer.as_json())) == answer
    with pytest.raises(ValueError, match="schema"):
        Answer.model_validate({**answer.as_json(), "schema": 2})


def test_the_keys_of_schema_1_are_these():
    schema = Answer.model_json_schema()
    assert schema["properties"]["schema"]["const"] == 1
    keys = {name: list(each["properties"]) for name, each in schema["$defs"].items()}
    assert {"Answer": list(schema["properties"]), **keys} == {
        "Answer": [
            "schema", "record_id", "label_set", "classes", "not_judged", "warnings", "is_usable",
            "quality", "measurements", "recording", "model",
        ],
        "ClassAnswer": ["probability", "decision", "threshold", "value", "unit"],
        "ChannelQuality": ["channel", "is_usable", "problems"],
        "Measurement": ["name", "value", "unit", "channel"],
        "StreamFacts": ["modality", "channels", "sampling_rate", "duration_s"],
        "RecordingFacts": ["streams", "missing_channels"],
        "ModelFacts": ["name", "digest"],
    }  # fmt: skip
    assert schema["$defs"]["ClassAnswer"]["properties"]["decision"]["anyOf"] == [
        {"enum": ["yes", "no", "unsure"], "type": "string"},
        {"type": "null"},
    ]
    assert list(make_answer().as_json()) == list(schema["properties"])
