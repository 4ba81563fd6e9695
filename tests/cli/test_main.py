import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from medts.cli.main import VERBS, main


def test_help_names_every_verb(capsys):
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(verb in printed for verb in VERBS)


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_explains_itself(verb, capsys):
    try:
        code = main([verb, "--help"])
    except SystemExit as stop:
        code = stop.code
    assert code == 0
    assert len(capsys.readouterr().out) > 80


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from medts.cli.main import main; main(['--help']);"
        "heavy = {'torch', 'lightning', 'sklearn', 'scipy', 'pydantic', 'numpy', 'wfdb'};"
        "sys.exit(len(heavy & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_importing_the_package_imports_nothing_heavy():
    code = (
        "import sys, medts; heavy = {'torch', 'lightning', 'sklearn', 'scipy', 'numpy'};"
        "sys.exit(len(heavy & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["evalute"], "unknown verb 'evalute'. Did you mean 'evaluate'"),
        (["train", "xresnet"], "unknown recipe 'xresnet'. Did you mean 'xresnet1d'"),
        (["ingest", "ptbxl", ".", "store"], "unknown source 'ptbxl'. Did you mean 'ptb-xl'"),
        (["ingest", "ptb-xl", "nowhere", "store"], "nowhere"),
        (["info", "nowhere"], "nowhere"),
        (["predict", "./nowhere", "file.hea"], "no bundle here"),
    ],
)
def test_a_mistake_is_one_line_and_no_traceback(arguments, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert "Traceback" not in error


def test_a_package_of_an_extra_is_asked_for_by_the_extras_name(capsys, monkeypatch):
    import medts.cli.list as module

    def absent(_):
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(module, "run", absent)
    assert main(["list"]) == 2
    assert "pip install 'medts[train]'" in capsys.readouterr().err


def test_a_misspelt_field_gets_the_nearest_name(capsys, synthetic_store, tmp_path):
    arguments = ["train", "xresnet1d_test", "--data", str(synthetic_store.paths[0]),
                 "--labels", "synthetic/rhythm", "--train-folds", "1", "--val-folds", "2",
                 "--out", str(tmp_path), "--training.epoch", "3"]  # fmt: skip
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "--training.epochs" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["recipes", "sources", "models", "formats", "label-sets"])
def test_everything_can_be_listed(kind, capsys):
    assert main(["list", kind]) == 0
    assert len(capsys.readouterr().out.splitlines()) > 2


def test_the_whole_way_from_a_corpus_to_a_result(tmp_path, capsys):
    store, run, out = (str(tmp_path / name) for name in ("store", "run", "out"))
    assert main(["ingest", "synthetic", "-", store, "--workers", "1"]) == 0
    assert "1000 records listed, 1000 stored" in capsys.readouterr().out
    asked = ["--data", store, "--labels", "synthetic/rhythm", "--train-folds", "1-2",
             "--val-folds", "8", "--out", run, "--training.epochs", "1"]  # fmt: skip
    assert main(["train", "xresnet1d_test", *asked]) == 0
    assert "bundle" in capsys.readouterr().out
    asked = ["--model", run, "--data", store, "--folds", "9", "--out", out]
    assert main(["evaluate", *asked]) == 0
    printed = capsys.readouterr().out
    assert "majority" in printed
    assert "synthetic recordings" in printed
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["recipe"] == "xresnet1d_test"
    assert main(["evaluate", *asked[:5], "2", "--out", out]) == 2
    assert "trained on fold 2" in capsys.readouterr().err
    for thing in (store, run):
        assert main(["info", thing]) == 0
    assert "synthetic" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "interrupted; the same command goes on"),
        (
            OSError(28, "No space left on device", "runs/a/last.ckpt"),
            2,
            "runs/a/last.ckpt: No space",
        ),
        (PermissionError(13, "Permission denied", "here"), 2, "here: Permission denied"),
    ],
)
def test_what_ends_a_verb_is_one_line_with_its_code(raised, code, said, capsys, monkeypatch):
    def run(_):
        raise raised

    monkeypatch.setattr("medts.cli.list.run", run)
    assert main(["list"]) == code
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_sigterm_ends_a_verb_with_143_and_cleans_up(capsys, monkeypatch):
    cleaned = []

    def run(_):
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            cleaned.append(True)

    monkeypatch.setattr("medts.cli.list.run", run)
    assert main(["list"]) == 143
    assert cleaned
    assert "interrupted; the same command goes on" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_callers_own_handler_of_sigterm_stays_in_charge(monkeypatch):
    heard, before = [], signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("medts.cli.list.run", lambda _: signal.raise_signal(signal.SIGTERM))
    signal.signal(signal.SIGTERM, lambda *_: heard.append(True))
    try:
        assert main(["list"]) == 0
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [True]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device here that is always full")
def test_a_full_disk_behind_the_output_is_one_line():
    code = "import sys; from medts.cli.main import main; sys.exit(main(['--help']))"
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert ended.returncode == 2
    assert ended.stderr == "medts: No space left on device\n"
