import numpy as np
import pytest
from drawn import points, read_svg

from medts.report.reconstructions import RestoredWindow, draw_window, write_reconstructions


@pytest.fixture
def window():
    signal = np.tile(np.sin(np.linspace(0, 20, 200)), (3, 1)).astype(np.float32)
    signal[2] = 0.0  # a lead that was not recorded
    is_hidden = np.zeros((3, 200), dtype=bool)
    is_hidden[:2, 40:100] = True
    return RestoredWindow(
        name="ptb-xl",
        channels=("I", "II", "V1"),
        sampling_rate=100.0,
        signal=signal,
        restored=np.where(is_hidden, signal * np.float32(0.5), signal),
        is_hidden=is_hidden,
    )


def test_only_recorded_leads_are_drawn_and_only_hidden_samples_by_the_model(window):
    drawing = read_svg(draw_window(window))
    assert {"I", "II"} <= set(drawing.words)
    assert "V1" not in drawing.words
    traces, overlays = drawing.channel("I"), drawing.of_class("overlay")
    assert len(overlays) == 2
    (trace,), line = traces, points(overlays[0].get("d", ""))
    step = np.ptp(trace[:, 0]) / 199
    assert line[0, 0] == pytest.approx(trace[0, 0] + 40 * step, abs=0.02)
    assert line[-1, 0] == pytest.approx(trace[0, 0] + 99 * step, abs=0.02)
    assert len(drawing.of_class("hidden")) == 2


def test_the_page_says_the_loss_and_shows_every_window(window, tmp_path):
    path = tmp_path / "reconstructions.html"
    write_reconstructions(path, [window, window], loss=0.6, predict_zero=0.99)
    html = path.read_text()
    assert "0.600" in html
    assert "0.990" in html
    assert "30 % of the samples" in html
    assert html.count("<svg") == 2
