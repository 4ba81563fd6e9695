import re
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

from medts.core.errors import MedtsError, UnknownNameError
from medts.core.montage import STANDARD_12_LEADS
from medts.core.records import Record, Stream
from medts.evaluation.drawing import draw_record, figure_svg, thin


def ecg(seconds=10.0, rate=500.0, channels=STANDARD_12_LEADS, unit="mV", missing=()):
    time_s = np.arange(round(seconds * rate)) / rate
    signal = np.stack([0.3 * np.sin(2 * np.pi * (time_s + 0.05 * c)) for c in range(len(channels))])
    for name in missing:
        signal[channels.index(name)] = np.nan
    return Record("made/1", {"ecg": Stream(signal, channels, rate, "ecg", unit)})


def lines(fig: Figure, gid: str) -> list[np.ndarray]:
    """Returns the points of the lines of that name, in millimetres of paper."""
    (axes,) = fig.axes
    millimetre = 25.4 / fig.dpi
    found = [line for line in axes.get_lines() if (line.get_gid() or "").startswith(gid)]
    return [axes.transData.transform(line.get_xydata()) * millimetre for line in found]


def words(fig: Figure) -> list[str]:
    return [text.get_text() for text in fig.axes[0].texts]


def test_one_millivolt_is_ten_millimetres_of_paper():
    pulses = lines(draw_record(ecg()), "calibration")
    assert len(pulses) == 4
    for pulse in pulses:
        assert np.ptp(pulse[:, 1]) == pytest.approx(10.0)
        is_high = pulse[:, 1] > pulse[:, 1].mean()
        assert np.ptp(pulse[is_high, 0]) == pytest.approx(5.0)


def test_one_second_is_twenty_five_millimetres_and_amplitudes_are_to_scale():
    strip = lines(draw_record(ecg()), "lead II")[-1]
    assert np.ptp(strip[:, 0]) == pytest.approx(25.0 * (10.0 - 1 / 500))
    assert np.ptp(strip[:, 1]) == pytest.approx(10.0 * 0.6, rel=1e-4)


def test_grid_lines_are_one_and_five_millimetres_apart():
    fig = draw_record(ecg())
    (axes,) = fig.axes
    for line, step in zip(axes.get_lines()[:2], (1.0, 5.0), strict=True):
        x = np.unique(line.get_xdata()[np.isfinite(line.get_xdata())])
        assert np.allclose(np.diff(x), step)


def test_twelve_leads_stand_in_three_rows_of_four_over_lead_two():
    fig = draw_record(ecg())
    places = {
        text.get_text(): text.get_position()
        for text in fig.axes[0].texts
        if text.get_text() in STANDARD_12_LEADS and text.get_text() != "II"
    }
    assert places["I"][1] == places["aVR"][1] == places["V1"][1] == places["V4"][1]
    assert places["III"][0] < places["aVF"][0] < places["V3"][0] < places["V6"][0]
    assert words(fig).count("II") == 2


def test_each_lead_shows_its_own_quarter_of_the_time():
    rate = 500.0
    signal = np.zeros((12, 5000))
    signal[STANDARD_12_LEADS.index("V4"), round(8.0 * rate)] = 1.0
    record = Record("made/2", {"ecg": Stream(signal, STANDARD_12_LEADS, rate, "ecg", "mV")})
    (v4,) = lines(draw_record(record), "lead V4")
    peak = v4[v4[:, 1].argmax(), 0] - v4[0, 0]
    assert np.ptp(v4[:, 1]) == pytest.approx(10.0)
    assert peak == pytest.approx(25.0 * (8.0 - 7.5), abs=0.01)


def test_a_lead_without_samples_is_said_not_to_be_recorded():
    fig = draw_record(ecg(missing=("V3",)))
    assert "V3  not recorded" in words(fig)
    assert not lines(fig, "lead V3")
    assert lines(fig, "lead V2")


def test_a_lead_that_the_stream_does_not_name_is_said_not_to_be_recorded():
    limb = STANDARD_12_LEADS[:6]
    assert "V1  not recorded" in words(draw_record(ecg(channels=limb)))


def test_without_lead_two_another_lead_is_the_rhythm_strip():
    fig = draw_record(ecg(missing=("II",)))
    assert len(lines(fig, "lead V1")) == 2


def test_microvolts_are_drawn_at_the_same_scale():
    record = ecg(unit="µV")
    strip = lines(draw_record(record), "lead II")[-1]
    assert np.ptp(strip[:, 1]) == pytest.approx(10.0 * 0.6e-3, rel=1e-3)


def test_an_offset_does_not_move_the_trace_off_its_row():
    record = ecg()
    raised = Stream(record.streams["ecg"].signal + 3.0, STANDARD_12_LEADS, 500.0, "ecg", "mV")
    moved = lines(draw_record(Record("made/3", {"ecg": raised})), "lead V6")
    assert np.allclose(moved, lines(draw_record(record), "lead V6"))


def test_a_single_lead_fills_one_row_of_paper():
    fig = draw_record(ecg(channels=("I",), seconds=30.0))
    assert len(lines(fig, "calibration")) == 1
    assert np.ptp(lines(fig, "lead I")[0][:, 0]) == pytest.approx(250.0, abs=0.1)


def mixed() -> Record:
    rng = np.random.default_rng(0)
    eeg = Stream(rng.normal(0, 30, (2, 1000)), ("C3", "C4"), 100.0, "eeg", "µV")
    thorax = np.stack([np.sin(np.arange(250) / 10), np.full(250, np.nan)])
    resp = Stream(thorax, ("Thorax", "Airflow"), 25.0, "resp", "a.u.")
    return Record("made/4", {"eeg": eeg, "resp": resp})


def test_several_modalities_become_strips_with_a_scale_bar_each():
    fig = draw_record(mixed())
    bars = lines(fig, "scale bar")
    assert len(bars) == 2
    assert {"C3", "C4", "Thorax", "Airflow", "not recorded"} <= set(words(fig))
    label = next(text for text in words(fig) if text.endswith("µV"))
    span = np.ptp(lines(fig, "channel C3")[0][:, 1]) / np.ptp(bars[0][:, 1])
    shown = np.ptp(mixed().streams["eeg"].signal[0])
    assert span * float(label.split()[0]) == pytest.approx(shown, rel=1e-6)


def test_one_stream_can_be_picked_by_name():
    assert "Thorax" not in words(draw_record(mixed(), stream="eeg"))
    with pytest.raises(UnknownNameError, match="resp"):
        draw_record(mixed(), stream="rest")


def test_many_channels_are_cut_and_said_to_be():
    signal = np.random.default_rng(0).normal(0, 1, (64, 300))
    names = tuple(f"X{i}" for i in range(64))
    record = Record("made/5", {"emg": Stream(signal, names, 100.0, "emg", "µV")})
    assert any("32 more channels" in text for text in words(draw_record(record)))


def test_nothing_to_draw_is_refused():
    with pytest.raises(MedtsError, match="0"):
        draw_record(ecg(), seconds=0.0)


@pytest.mark.parametrize("seconds", [0.0, 2.5, 10.0])
def test_short_and_empty_records_are_drawn(seconds):
    fig = draw_record(ecg(seconds=seconds))
    assert len(lines(fig, "calibration")) == (4 if seconds > 4 else 6)


def test_thinning_keeps_the_extremes_and_the_order():
    signal = np.random.default_rng(0).normal(size=10_001)
    time_s = np.arange(10_001) / 1000
    across, upward = thin(time_s, signal, limit=500)
    assert len(across) <= 502
    assert (np.diff(across) > 0).all()
    assert upward.max() == signal.max()
    assert upward.min() == signal.min()


@pytest.mark.parametrize("rate", [100.0, 500.0, 1000.0])
def test_the_drawing_is_small_sound_and_always_the_same(rate):
    record = ecg(rate=rate)
    noisy = record.streams["ecg"].signal + np.random.default_rng(0).normal(0, 0.05, (12, 1))
    noisy = noisy + np.random.default_rng(1).normal(0, 0.05, noisy.shape)
    record = Record("made/6", {"ecg": Stream(noisy, STANDARD_12_LEADS, rate, "ecg", "mV")})
    svg = figure_svg(draw_record(record))
    assert len(svg.encode()) < 400_000
    ElementTree.fromstring(svg)
    assert svg == figure_svg(draw_record(record))
    own = set(re.findall(r'id="([^"]+)"', svg))
    assert {name for pair in re.findall(r"url\(#([^)]+)\)|href=\"#([^\"]+)\"", svg) for name in pair
            if name} <= own  # fmt: skip


def test_ids_of_two_drawings_do_not_meet():
    first, second = figure_svg(draw_record(ecg())), figure_svg(draw_record(ecg(missing=("V1",))))
    ids = [set(re.findall(r'id="([^"]+)"', svg)) for svg in (first, second)]
    assert ids[0]
    assert not ids[0] & ids[1]
