import json
from dataclasses import dataclass, field

import pytest
import tyro

from medts.cli.flags import Computing, DeviceFlags, Reading, ReadingFlags
from medts.cli.main import main
from medts.core.answer import Answer
from medts.core.errors import ConfigError
from medts.formats import FORMATS


@dataclass(frozen=True)
class Verb:
    compute: Computing = field(default_factory=DeviceFlags)
    reading: Reading = field(default_factory=ReadingFlags)


@pytest.fixture
def file(synthetic_store, tmp_path):
    FORMATS["wfdb"].write(synthetic_store.record(5), tmp_path / "ecg.hea")
    return tmp_path / "ecg.hea"


def test_the_flags_have_no_prefix():
    given = ["--device", "cuda:1", "--precision", "bf16", "--workers", "3", "--sampling-rate"]
    given += ["250", "--unit", "mV", "--channels", "I", "II", "--modality", "ecg"]
    found = tyro.cli(Verb, args=[*given, "--rename", "EKG1=I"])
    assert found.compute == DeviceFlags("cuda:1", "bf16", 3)
    assert found.reading.hints() == {
        "sampling_rate": 250.0,
        "unit": "mV",
        "channels": ("I", "II"),
        "modality": "ecg",
        "rename": {"EKG1": "I"},
    }


def test_what_was_not_given_is_no_hint():
    assert ReadingFlags().hints() == {}


@pytest.mark.parametrize("text", ["I", "=I", "EKG1="])
def test_a_renaming_says_what_becomes_what(text):
    with pytest.raises(ConfigError, match="OLD=NEW"):
        ReadingFlags(rename=(text,)).hints()


@pytest.mark.parametrize("verb", ["predict", "stream", "explain"])
def test_a_device_that_is_not_there_is_one_line(verb, tiny_run, file, tmp_path, capsys):
    arguments = [verb, str(tiny_run), str(file), "--device", "cuda:99"]
    arguments += ["--out", str(tmp_path / "out")] if verb == "explain" else []
    assert main(arguments) == 2
    assert "device: 'cuda:99': torch sees" in capsys.readouterr().err


def test_prediction_prints_the_answer_as_json_whatever_the_workers(tiny_run, file, capsys):
    files = [str(file)] * 3
    assert main(["predict", str(tiny_run), *files, "--json", "--workers", "2"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line.pop("file") for line in lines] == files
    answers = [Answer.model_validate(line) for line in lines]
    assert answers[0] == answers[1] == answers[2]
    assert answers[0].schema_version == lines[0]["schema"] == 1


def test_channels_are_kept_by_name(tiny_run, file, capsys):
    asked = ["predict", str(tiny_run), str(file), "--json"]
    assert main([*asked, "--channels", "I", "II"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["recording"]["streams"]["ecg"]["channels"] == ["I", "II"]
    assert len(found["recording"]["missing_channels"]) == 10


def test_a_bundle_is_a_path_only_if_it_is_written_as_one(tiny_run, file, capsys, monkeypatch):
    monkeypatch.chdir(tiny_run)
    assert main(["predict", "bundle", str(file)]) == 2
    assert "unknown bundle 'bundle'. Write ./bundle" in capsys.readouterr().err
    assert main(["predict", "./bundle", str(file), "--json"]) == 0
    assert main(["info", "./bundle"]) == 0
    assert "gives its expected output" in capsys.readouterr().out


def test_leaks_that_cannot_be_checked_need_a_flag(tiny_run, synthetic_store, tmp_path, capsys):
    from medts.data.seen import Seen
    from medts.inference.bundle import load_bundle

    bundle = load_bundle(tiny_run)
    hidden = Seen(corpus="synthetic", key_id="another", subjects=("token",))
    bundle.provenance = bundle.provenance.but(seen=(hidden,))
    folder = bundle.save(tmp_path / "bundle")
    asked = ["evaluate", "--model", str(folder), "--data", str(synthetic_store.paths[0])]
    asked += ["--folds", "9", "--out", str(tmp_path / "out")]
    assert main(asked) == 2
    assert "leaks cannot be checked" in capsys.readouterr().err
    assert main([*asked, "--allow-unchecked", "--workers", "1"]) == 0
    assert "UNCHECKED" in (tmp_path / "out" / "metrics.json").read_text()


def test_the_bundle_may_be_named_by_flag_and_is_else_the_first_path(tiny_run, file, capsys):
    assert main(["predict", str(file), "--model", str(tiny_run), "--json"]) == 0
    by_flag = capsys.readouterr().out
    assert main(["predict", str(tiny_run), str(file), "--json"]) == 0
    assert capsys.readouterr().out == by_flag
    assert main(["predict", "--model", str(tiny_run)]) == 2
    assert "no recording given" in capsys.readouterr().err
