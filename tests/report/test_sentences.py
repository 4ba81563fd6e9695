import numpy as np
import pytest
from drawn import boxes, read_svg
from html_page import HOSTILE, Page

from medts.core.records import Stream
from medts.report.sentences import sentence_page


def test_every_sentence_has_its_strip_of_paper_with_the_attention_behind_it():
    signal = np.zeros((2, 500))
    stream = Stream(signal, ("V1", "II"), 100.0, "ecg", "mV")
    attention = np.array([[0.0, 1.0, 0.0, 0.0], [0.1, 0.1, 0.1, 0.7]])
    html = sentence_page(stream, ["af.", HOSTILE], attention, 10.0, title="t", lead="draft")
    page = Page(html)
    assert page.is_harmless()
    assert "af." in page.said
    svgs = [f"<svg{each.split('</svg>')[0]}</svg>" for each in html.split("<svg")[1:]]
    assert len(svgs) == 2
    first = read_svg(svgs[0])
    assert "II" in first.words
    assert "V1" not in first.words
    (heat,) = first.of_class("heat")
    (trace,) = first.channel("II")
    ((x, _, width, _),) = boxes(heat.get("d", ""))
    # A token covers 2.5 s of a window of 10 s, also where the recording is shorter.
    assert (x - trace[0, 0], width) == (pytest.approx(62.5, abs=0.02), pytest.approx(62.5))
