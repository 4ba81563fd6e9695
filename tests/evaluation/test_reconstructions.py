import numpy as np
import pytest
import torch

from medts.evaluation.reconstructions import (
    DRAWN,
    draw_reconstruction,
    stretches,
    write_reconstructions,
)
from medts.objectives.masked_reconstruction import Reconstruction


@pytest.fixture
def examples():
    signal = torch.sin(torch.linspace(0, 20, 200)).repeat(2, 3, 1)
    signal[:, 2] = 0.0  # a lead that was not recorded
    is_hidden = torch.zeros(2, 3, 200, dtype=torch.bool)
    is_hidden[:, :2, 40:100] = True
    return Reconstruction(
        channels=("I", "II", "V1"),
        sampling_rate=100.0,
        signal=signal,
        restored=torch.where(is_hidden, signal * 0.5, signal),
        is_hidden=is_hidden,
    )


def test_runs_of_hidden_samples_are_found_at_both_ends():
    assert stretches(np.array([True, False, True, True])) == [(0, 1), (2, 4)]
    assert stretches(np.zeros(3, dtype=bool)) == []


def test_only_hidden_samples_are_drawn_by_the_model(examples):
    (axes,) = draw_reconstruction(examples, 0).axes
    drawn = [line for line in axes.lines if line.get_color() == DRAWN]
    assert len(drawn) == 2
    assert [label.get_text() for label in axes.get_yticklabels()] == ["I", "II"]
    for line in drawn:
        assert np.flatnonzero(np.isfinite(line.get_ydata())).tolist() == list(range(40, 100))


def test_the_page_says_the_loss_and_shows_every_window(examples, tmp_path):
    path = tmp_path / "reconstructions.html"
    write_reconstructions(path, examples, ["ptb-xl", "ludb"], loss=0.6, predict_zero=0.99)
    html = path.read_text()
    assert "0.600" in html
    assert "0.990" in html
    assert html.count("<figure><svg") == 2
    assert "http://" not in html.split("<svg")[0]
