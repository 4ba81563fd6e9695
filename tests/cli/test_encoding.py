"""Output survives the encoding of any terminal, and JSON stays JSON."""

import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from medts.cli.encoding import print_json, survive_any_encoding
from medts.cli.main import main


@pytest.mark.parametrize("encoding", ["ascii", "gbk", "cp932", "cp437", "latin-1", "utf-8"])
def test_every_verb_writes_in_every_encoding(tmp_path, monkeypatch, encoding):
    np.savez(
        tmp_path / "e.npz",
        signal=np.zeros((1, 500)),
        sampling_rate=250,
        channels=["Fp1"],
        unit="uV",
    )
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2))
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    assert main(["info", str(tmp_path / "e.npz")]) == 0
    assert main(["info", str(tmp_path / "größe–①.npz")]) == 2
    out.flush()
    err.flush()
    said = out.buffer.getvalue().decode(encoding)
    assert "µV" in said or "uV" in said
    assert "Fp1" in said
    assert b"gr" in err.buffer.getvalue()


def test_json_is_exact_in_every_encoding(monkeypatch):
    value = {"file": "größe–①\udcff.npz", "unit": "µV"}
    for encoding in ("ascii", "cp932", "utf-8"):
        out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        monkeypatch.setattr(sys, "stdout", out)
        survive_any_encoding()
        print_json(value)
        out.flush()
        assert json.loads(out.buffer.getvalue().decode(encoding)) == value


def test_help_is_written_where_the_locale_knows_ascii_alone():
    done = subprocess.run(
        [sys.executable, "-m", "medts", "list", "sources"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
