import json
import re

import numpy as np
import pytest
import torch

from medts.core.errors import UnknownNameError
from medts.evaluation.drawing import figure_svg
from medts.evaluation.explanation import (
    bin_means,
    draw_explanation,
    lay_out,
    write_explanation,
)
from medts.evaluation.faithfulness import Curves
from medts.inference.explain import Explanation
from medts.tensors.batch import Batch, StreamBatch


def make_explanation(n_channels=3):
    is_channel_present = torch.ones(2, n_channels, dtype=torch.bool)
    is_channel_present[:, 2] = False
    signal = torch.randn(2, n_channels, 200, generator=torch.Generator().manual_seed(0))
    stream = StreamBatch(
        signal=signal * is_channel_present[..., None],
        is_valid=torch.ones(2, 200, dtype=torch.bool),
        is_channel_present=is_channel_present,
        is_present=torch.ones(2, dtype=torch.bool),
        channels=tuple(f"c{c}" for c in range(n_channels)),
        sampling_rate=100.0,
        modality="ecg",
    )
    relevance = torch.ones(2, n_channels, 200) * is_channel_present[..., None]
    relevance[1] *= 3.0
    return Explanation(
        record_id="r<1>",
        label="A",
        probability=0.7,
        method="attention",
        batch=Batch({"ecg": stream}, ("r1", "r1"), ("s", "s"), (None, None)),
        starts_s=(0.0, 1.0),
        relevance={"ecg": relevance / relevance.sum(dim=(1, 2), keepdim=True)},
        n_tokens={"patches": 12, "window": 5},
    )


def curves(height=0.5):
    shares = np.linspace(0, 1, 3)
    return Curves(shares, np.array([0.7, 0.2, 0.1]), np.array([0.1, height, 0.7]))


def test_windows_are_laid_beside_each_other_and_averaged_where_they_overlap():
    explanation = make_explanation()
    explanation.relevance["ecg"][1] *= 3
    timeline = lay_out(explanation, "ecg")
    one = 1 / 400
    assert timeline.relevance.shape == (3, 300)
    np.testing.assert_allclose(timeline.relevance[0, :100], one, rtol=1e-5)
    np.testing.assert_allclose(timeline.relevance[0, 100:200], 2 * one, rtol=1e-5)
    np.testing.assert_allclose(timeline.relevance[0, 200:], 3 * one, rtol=1e-5)
    assert np.isnan(timeline.relevance[2]).all()
    with pytest.raises(UnknownNameError, match="stream of the model"):
        lay_out(explanation, "eeg")


def test_bins_are_means_without_gaps():
    values = np.arange(480.0)[None]
    values[0, :3] = np.nan
    bins = bin_means(values)
    assert bins.shape == (1, 160)
    assert np.isnan(bins[0, 0])
    assert bins[0, 1] == 4.0


def test_every_channel_is_drawn_with_its_share():
    svg = figure_svg(draw_explanation(make_explanation()))
    for words in ("c0", "c1", "c2", "50 %", "0 %", "0 s"):
        assert words in svg
    assert re.findall(r"(?:href|src)=\"(?!#)[^\"]*", svg) == []
    assert draw_explanation(make_explanation(), seconds=0.5).axes


def test_the_page_is_whole_and_the_numbers_lie_beside_it(tmp_path):
    several = {"attention": [curves()], "random": [curves(0.1), curves(0.3)]}
    page, numbers = write_explanation(tmp_path, make_explanation(), several, label_meaning="word")
    html = page.read_text(encoding="utf-8")
    assert "r&lt;1&gt;" in html
    assert "A (word): probability 0.700" in html
    assert "12 after patches, 5 after window" in html
    assert re.findall(r"<(?:script|img|link)[^>]*https?://[^>]*>", html) == []
    content = json.loads(numbers.read_text())
    assert content["channels"]["ecg"]["c0"] == pytest.approx(0.5)
    assert content["faithfulness"]["attention"]["score"] == [pytest.approx(curves().score)]
    assert len(content["faithfulness"]["random"]["score"]) == 2
    assert content["method"] == "attention"
