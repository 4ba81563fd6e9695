import json

import pytest
import tyro

from medts.cli.evaluate import protocol_name, with_settings_of
from medts.cli.main import main
from medts.evaluation.protocols.base import Protocol

NEEDED = ["--model", "m", "--data", "s", "--folds", "9", "--out", "o"]


@pytest.mark.parametrize("protocol", sorted(Protocol.listed().found))
def test_every_protocol_has_its_settings_as_flags(protocol):
    kind = with_settings_of(protocol)
    asked = tyro.cli(kind, args=[*NEEDED, "--protocol", protocol, "--seed", "3"])
    assert asked.protocol == protocol
    assert asked.settings == type(asked.settings)()
    assert asked.seed == 3


def test_settings_are_read_from_their_flags():
    kind = with_settings_of("few_shot")
    asked = tyro.cli(kind, args=[*NEEDED, "--shots", "1", "5", "--classifier", "centroid"])
    assert asked.settings.shots == (1, 5)
    assert asked.settings.classifier == "centroid"


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["--folds", "9"], "held_out"),
        (["--protocol", "few_shot", "--folds", "9"], "few_shot"),
        (["--folds", "9", "--protocol=few_shot"], "few_shot"),
    ],
)
def test_the_protocol_is_found_wherever_it_stands(arguments, name):
    assert protocol_name(arguments) == name


def test_a_misspelt_protocol_is_one_line(capsys):
    assert main(["evaluate", "--protocol", "few-shot", *NEEDED]) == 2
    error = capsys.readouterr().err
    assert "Did you mean 'few_shot'" in error
    assert error.count("\n") == 1


def test_a_probe_is_measured_from_the_command_line(tiny_run, synthetic_store, tmp_path, capsys):
    asked = ["--model", str(tiny_run), "--data", str(synthetic_store.paths[0]), "--folds", "9-10",
             "--protocol", "linear_probe", "--train-folds", "1-7", "--out", str(tmp_path),
             "--controls", "random_encoder", "--labels", "synthetic/morphology"]  # fmt: skip
    assert main(["evaluate", *asked, "--val-folds", "9"]) == 2
    assert "both validation and test" in capsys.readouterr().err
    assert main(["evaluate", *asked]) == 2
    assert "--val-folds" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert main(["evaluate", *asked, "--val-folds", "8"]) == 0
    printed = capsys.readouterr().out
    assert "random encoder" in printed
    content = json.loads((tmp_path / "metrics.json").read_text())
    assert content["protocol"] == "linear_probe"
    assert content["label_set"] == "synthetic/morphology"
    assert "linear probe" in (tmp_path / "report.html").read_text().lower()


def test_means_over_draws_are_printed_and_no_page_is_made_up(
    tiny_run, synthetic_store, tmp_path, capsys
):
    asked = ["--model", str(tiny_run), "--data", str(synthetic_store.paths[0]), "--folds", "9-10",
             "--protocol", "label_fraction", "--train-folds", "1-7", "--val-folds", "8",
             "--fractions", "0.2", "0.5", "--draws", "2", "--controls",
             "--out", str(tmp_path)]  # fmt: skip
    assert main(["evaluate", *asked]) == 0
    printed = capsys.readouterr().out
    assert "50 % of labels" in printed
    assert "subjects and draws" in printed
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {"draws.parquet", "metrics.json", "predictions.parquet"}


def test_a_device_that_is_not_there_is_one_line(tiny_run, synthetic_store, tmp_path, capsys):
    asked = ["--model", str(tiny_run), "--data", str(synthetic_store.paths[0]), "--folds", "9",
             "--out", str(tmp_path), "--device", "cuda:99"]  # fmt: skip
    assert main(["evaluate", *asked]) == 2
    assert "device: 'cuda:99': torch sees" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_range_takes_the_folds_that_exist_and_prints_them(
    tiny_run, synthetic_store, tmp_path, capsys
):
    asked = ["--model", str(tiny_run), "--data", str(synthetic_store.paths[0]),
             "--out", str(tmp_path)]  # fmt: skip
    assert main(["evaluate", *asked, "--folds", "9-51"]) == 0
    assert "fold 9, 10" in " ".join(capsys.readouterr().out.split())
    assert main(["evaluate", *asked, "--folds", "9,11"]) == 2
    assert "no record in fold '11'" in capsys.readouterr().err
    assert main(["evaluate", *asked, "--folds", "9,11-51"]) == 2
    assert "none of the folds 11" in capsys.readouterr().err
