"""`medts show` and `medts measure`: what a person sees of a file."""

import csv
import json
import re

import numpy as np
import pytest

import medts
from medts.cli.main import main
from medts.core.records import Record, Stream
from medts.data.sources.synthetic import synthetic_record
from medts.formats import FORMATS
from tests.cli.test_light_imports import run_without


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "ecg.hea"
    FORMATS["wfdb"].write(synthetic_record(rhythm="SR", seed=3, duration_s=40.0), path)
    return path


def test_a_page_has_drawing_overview_measurements_and_quality(file, tmp_path, capsys):
    page = tmp_path / "page.html"
    assert main(["show", str(file), "--out", str(page), "--start", "5"]) == 0
    assert capsys.readouterr().out.strip() == str(page)
    html = page.read_text()
    assert html.count("<svg") == 3
    for words in ("Quality: usable", "Heart rate", "25 mm/s", "10 s from 5 s on", "no finding"):
        assert words in html
    assert "http" not in re.sub(r"http://www.w3.org/\S+", "", html)


def test_without_a_name_the_page_goes_where_only_its_owner_may_look(file, capsys):
    assert main(["show", str(file)]) == 0
    path = capsys.readouterr().out.strip()
    import pathlib

    assert pathlib.Path(path).is_file()
    assert pathlib.Path(path).parent.stat().st_mode & 0o077 == 0


def test_svg_is_the_drawing_alone_and_other_names_are_refused(file, tmp_path, capsys):
    assert main(["show", str(file), "--out", str(tmp_path / "a.svg")]) == 0
    assert (tmp_path / "a.svg").read_text().startswith("<svg")
    assert main(["show", str(file), "--out", str(tmp_path / "a.gif")]) == 2
    assert "Write .html, .svg or .png" in capsys.readouterr().err
    assert main(["show", str(file), "--start", "99"]) == 2
    assert "It lasts 40 s" in capsys.readouterr().err


def test_a_poor_recording_says_so_at_the_top(tmp_path, capsys):
    noise = np.random.default_rng(0).normal(0, 0.3, (2, 2500)).astype(np.float32)
    path = tmp_path / "noise.hea"
    FORMATS["wfdb"].write(
        Record("noise", {"ecg": Stream(noise, ("I", "II"), 250.0, "ecg", "mV")}), path
    )
    page = tmp_path / "page.html"
    assert main(["show", str(path), "--out", str(page)]) == 0
    html = page.read_text()
    assert "Quality: not usable" in html
    assert "2 of 2 channels cannot be relied on" in html
    assert "Median beat" not in html
    assert main(["info", str(path)]) == 0
    assert "quality: not usable" in capsys.readouterr().out


def test_show_and_measure_need_nothing_heavy(file, tmp_path):
    heavy = ("torch", "scipy.signal", "scipy.stats", "sklearn", "pyarrow", "matplotlib")
    for command in (["show", str(file), "--out", str(tmp_path / "a.html")], ["measure", str(file)]):
        done = run_without(heavy, command)
        assert done.returncode == 0, done.stderr


def test_measure_prints_json_and_writes_a_row_for_each_recording(file, tmp_path, capsys):
    other = tmp_path / "deeper/other.hea"
    other.parent.mkdir()
    FORMATS["wfdb"].write(synthetic_record(rhythm="STACH", seed=1), other)
    table = tmp_path / "all.csv"
    assert main(["measure", str(tmp_path), "--json", "--out", str(table)]) == 0
    lines = capsys.readouterr().out.splitlines()
    found = [json.loads(line) for line in lines if line.startswith("{")]
    assert [each["record_id"] for each in found] == ["other", "ecg"]
    assert found[0]["rate_bpm"] > found[1]["rate_bpm"]
    assert found[1]["rate_bpm"] == pytest.approx(medts.measure(medts.read(file)).rate_bpm, abs=1e-3)
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert float(rows[1]["qrs_ms"]) == pytest.approx(found[1]["qrs_ms"])
    assert main(["measure", str(file)]) == 0
    assert "QRS, ms" in capsys.readouterr().out


def test_a_file_that_cannot_be_measured_does_not_stop_the_others(file, tmp_path, capsys):
    eeg = Record("eeg", {"eeg": Stream(np.ones((1, 500)), ("Cz",), 100.0, "eeg", "µV")})
    FORMATS["wfdb"].write(eeg, tmp_path / "eeg.hea")
    assert main(["measure", str(tmp_path / "eeg.hea"), str(file), "--json"]) == 2
    printed = capsys.readouterr()
    assert json.loads(printed.out)["record_id"] == "ecg"
    assert "no ECG in volts" in printed.err
    assert "1 of 2 recordings" in printed.err
