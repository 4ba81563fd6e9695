import json

import numpy as np
import pytest
from drawn import boxes, read_svg
from html_page import Page

from medts.core.records import Record, Stream
from medts.evaluation.explained import Curves, Explained, StreamRelevance
from medts.report.explanation import draw_relevance, heat_of, write_explanation


def curves(height=0.5):
    shares = np.linspace(0, 1, 3)
    return Curves(shares, np.array([0.7, 0.2, 0.1]), np.array([0.1, height, 0.7]))


@pytest.fixture
def found():
    signal = np.random.default_rng(0).normal(0, 0.1, (2, 1000))
    record = Record("r<1>", {"ecg": Stream(signal, ("I", "II"), 100.0, "ecg", "mV")})
    relevance = np.zeros((2, 100))
    relevance[0, 30:40] = 0.02
    relevance[1] = np.nan
    return Explained(
        record=record,
        label="A",
        label_meaning="word",
        probability=0.7,
        method="attention",
        streams={"ecg": StreamRelevance(("I", "II"), relevance, 0.0, 10.0, {"I": 0.5, "II": 0.0})},
        n_tokens={"patches": 12, "window": 5},
        curves={"attention": [curves()], "random": [curves(0.1), curves(0.3)]},
    )


def test_relevance_is_drawn_behind_the_recording_at_its_time(found):
    drawing = read_svg(draw_relevance(found, "ecg"))
    (heat,) = drawing.of_class("heat")
    (trace,) = drawing.channel("I")
    ((x, _, width, _),) = boxes(heat.get("d", ""))
    assert x - trace[0, 0] == pytest.approx(75.0, abs=0.02)
    assert width == pytest.approx(25.0)
    assert {"I", "II", "50 %", "0 %"} <= set(drawing.words)


def test_the_strongest_relevance_is_fully_coloured(found):
    heat = heat_of(found.streams["ecg"])
    assert np.nanmax(heat.strength["I"]) >= 1.0
    none = StreamRelevance(("I",), np.full((1, 9), np.nan), 0.0, 1.0, {})
    assert np.isnan(heat_of(none).strength["I"]).all()


def test_the_page_is_whole_and_the_numbers_lie_beside_it(found, tmp_path):
    path, numbers = write_explanation(tmp_path, found)
    page = Page(path.read_text(encoding="utf-8"))
    assert page.is_harmless()
    between = f"{curves(0.1).score:.3f} to {curves(0.3).score:.3f}"
    said = page.said.replace("( ", "(").replace(" )", ")")
    for words in ("Explanation of r<1>", "A (word): probability 0.700",
                  "12 after patches, 5 after window", between):  # fmt: skip
        assert words in said
    content = json.loads(numbers.read_text())
    assert content["channels"]["ecg"]["I"] == pytest.approx(0.5)
    assert content["faithfulness"]["attention"]["score"] == [pytest.approx(curves().score)]
    assert len(content["faithfulness"]["random"]["score"]) == 2
    assert content["method"] == "attention"
