import re

import numpy as np
import pytest
from drawn import Drawn, boxes, points, read_svg

from medts.core.errors import MedtsError, UnknownNameError
from medts.core.montage import STANDARD_12_LEADS
from medts.core.records import Record, Stream
from medts.report.paper import draw_record
from medts.report.place import Heat, Overlay, Spans


def ecg(seconds=10.0, rate=500.0, channels=STANDARD_12_LEADS, unit="mV", missing=()):
    time_s = np.arange(round(seconds * rate)) / rate
    signal = np.stack([0.3 * np.sin(2 * np.pi * (time_s + 0.05 * c)) for c in range(len(channels))])
    for name in missing:
        signal[channels.index(name)] = np.nan
    return Record("made/1", {"ecg": Stream(signal, channels, rate, "ecg", unit)})


def drawn(*given, **settings) -> Drawn:
    return read_svg(draw_record(*given, **settings))


def pulses(drawing: Drawn) -> list[np.ndarray]:
    return [points(each.get("d", "")) for each in drawing.of_class("calibration")]


def test_one_millivolt_is_ten_millimetres_of_paper():
    found = pulses(drawn(ecg()))
    assert len(found) == 4
    for pulse in found:
        assert np.ptp(pulse[:, 1]) == pytest.approx(10.0)
        is_high = pulse[:, 1] < pulse[:, 1].mean()
        assert np.ptp(pulse[is_high, 0]) == pytest.approx(5.0)


def test_one_second_is_twenty_five_millimetres_and_amplitudes_are_to_scale():
    strip = drawn(ecg()).channel("II")[-1]
    assert np.ptp(strip[:, 0]) == pytest.approx(25.0 * (10.0 - 1 / 500), abs=0.06)
    assert np.ptp(strip[:, 1]) == pytest.approx(10.0 * 0.6, abs=0.015)


def test_grid_lines_are_one_and_five_millimetres_apart():
    drawing = drawn(ecg())
    for name, step in (("fine", 1.0), ("coarse", 5.0)):
        (grid,) = drawing.of_class(name)
        d = grid.get("d", "")
        for pattern, size in ((r"M(\S+) 0V", "width"), (r"M0 (\S+?)H", "height")):
            at = np.array([float(each) for each in re.findall(pattern, d)])
            assert np.allclose(np.diff(at), step)
            assert at[-1] == float((drawing.root.get(size) or "").removesuffix("mm"))


def test_twelve_leads_stand_in_three_rows_of_four_over_lead_two():
    drawing = drawn(ecg())
    at = {lead: drawing.place(lead) for lead in STANDARD_12_LEADS if lead != "II"}
    assert at["I"][1] == at["aVR"][1] == at["V1"][1] == at["V4"][1]
    assert at["III"][0] < at["aVF"][0] < at["V3"][0] < at["V6"][0]
    assert drawing.words.count("II") == 2


@pytest.mark.parametrize(
    ("layout", "n_rows", "n_columns"), [("3x4+1", 4, 4), ("6x2", 6, 2), ("12x1", 12, 1)]
)
def test_twelve_leads_can_be_laid_out_in_three_ways(layout, n_rows, n_columns):
    drawing = drawn(ecg(), layout=layout)
    assert len(pulses(drawing)) == n_rows
    (v6,) = drawing.channel("V6")
    assert np.ptp(v6[:, 0]) == pytest.approx(250.0 / n_columns, abs=0.2)
    assert {*STANDARD_12_LEADS} <= set(drawing.words)


def test_six_by_two_goes_on_in_time_from_one_column_to_the_next():
    drawing = drawn(ecg(), layout="6x2")
    first, second = drawing.channel("I")[0], drawing.channel("V1")[0]
    assert first[-1, 0] < second[0, 0] <= first[-1, 0] + 0.2


def test_each_lead_shows_its_own_quarter_of_the_time():
    rate = 500.0
    signal = np.zeros((12, 5000))
    signal[STANDARD_12_LEADS.index("V4"), round(8.0 * rate)] = 1.0
    record = Record("made/2", {"ecg": Stream(signal, STANDARD_12_LEADS, rate, "ecg", "mV")})
    (v4,) = drawn(record).channel("V4")
    peak = v4[v4[:, 1].argmin(), 0] - v4[0, 0]
    assert np.ptp(v4[:, 1]) == pytest.approx(10.0)
    assert peak == pytest.approx(25.0 * (8.0 - 7.5), abs=0.15)


def test_a_lead_without_samples_is_said_not_to_be_recorded():
    drawing = drawn(ecg(missing=("V3",)))
    assert "V3  not recorded" in drawing.words
    assert not drawing.channel("V3")
    assert drawing.channel("V2")


def test_a_gap_interrupts_the_line_and_is_greyed_where_it_lies():
    signal = ecg().streams["ecg"].signal.copy()
    signal[1, 2000:2500] = np.nan
    record = Record("made/7", {"ecg": Stream(signal, STANDARD_12_LEADS, 500.0, "ecg", "mV")})
    drawing = drawn(record, layout="12x1")
    (line,) = drawing.channel("II")
    before, after = np.split(line, np.flatnonzero(np.isnan(line[:, 0])))
    (gap,) = drawing.of_class("gap")
    ((x, _, width, _),) = boxes(gap.get("d", ""))
    assert width == pytest.approx(25.0, abs=0.1)
    assert before[-1, 0] == pytest.approx(x, abs=0.2)
    assert after[1, 0] == pytest.approx(x + width, abs=0.2)


def test_a_lead_that_the_stream_does_not_name_is_said_not_to_be_recorded():
    limb = STANDARD_12_LEADS[:6]
    assert "V1  not recorded" in drawn(ecg(channels=limb)).words


def test_without_lead_two_another_lead_is_the_rhythm_strip():
    assert len(drawn(ecg(missing=("II",))).channel("V1")) == 2


def test_microvolts_are_drawn_at_the_same_scale():
    record = ecg()
    micro = Record("made/8", {"ecg": record.streams["ecg"].to_unit("µV")})
    np.testing.assert_allclose(drawn(micro).channel("V6"), drawn(record).channel("V6"), atol=0.011)


def test_an_offset_does_not_move_the_trace_off_its_row():
    record = ecg()
    raised = Stream(record.streams["ecg"].signal + 3.0, STANDARD_12_LEADS, 500.0, "ecg", "mV")
    moved = drawn(Record("made/3", {"ecg": raised})).channel("V6")
    np.testing.assert_allclose(moved, drawn(record).channel("V6"), atol=0.011)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_tall_wave_in_an_outer_row_stays_on_the_sheet(sign):
    signal = np.zeros((12, 5000))
    signal[:, ::500] = 3.5 * sign
    record = Record("made/10", {"ecg": Stream(signal, STANDARD_12_LEADS, 500.0, "ecg", "mV")})
    drawing = drawn(record)
    height = float((drawing.root.get("height") or "").removesuffix("mm"))
    for lead in STANDARD_12_LEADS:
        for line in drawing.channel(lead):
            assert 0 <= np.nanmin(line[:, 1]) < np.nanmax(line[:, 1]) <= height


def test_a_single_lead_fills_one_row_of_paper():
    drawing = drawn(ecg(channels=("I",), seconds=30.0))
    assert len(pulses(drawing)) == 1
    assert np.ptp(drawing.channel("I")[0][:, 0]) == pytest.approx(250.0, abs=0.2)


def mixed() -> Record:
    rng = np.random.default_rng(0)
    eeg = Stream(rng.normal(0, 30, (2, 1000)), ("C3", "C4"), 100.0, "eeg", "µV")
    thorax = np.stack([np.sin(np.arange(250) / 10), np.full(250, np.nan)])
    resp = Stream(thorax, ("Thorax", "Airflow"), 25.0, "resp", "a.u.")
    return Record("made/4", {"eeg": eeg, "resp": resp})


def test_several_modalities_become_strips_with_a_scale_bar_each():
    drawing = drawn(mixed())
    bars = [points(each.get("d", "")) for each in drawing.of_class("scale-bar")]
    assert len(bars) == 2
    assert {"C3", "C4", "Thorax", "Airflow", "not recorded"} <= set(drawing.words)
    assert {"eeg · µV · 100 Hz", "resp · a.u. · 25 Hz"} <= set(drawing.words)
    written = next(each for each in drawing.words if each.endswith("µV"))
    span = np.ptp(drawing.channel("C3")[0][:, 1]) / np.ptp(bars[0][:, 1])
    shown = np.ptp(mixed().streams["eeg"].signal[0])
    assert span * float(written.split()[0]) == pytest.approx(shown, rel=0.01)


def test_streams_that_start_later_stand_later():
    late = Stream(np.ones((1, 100)), ("late",), 10.0, "other", "a.u.", start_s=5.0)
    early = Stream(np.ones((1, 100)), ("early",), 10.0, "other", "a.u.")
    drawing = drawn(Record("made/9", {"a": early, "b": late}), seconds=20.0)
    gap = drawing.channel("late")[0][0, 0] - drawing.channel("early")[0][0, 0]
    assert gap == pytest.approx(222.0 * 5.0 / 15.0, abs=0.02)


def test_one_stream_can_be_picked_by_name():
    assert "Thorax" not in drawn(mixed(), stream="eeg").words
    with pytest.raises(UnknownNameError, match="resp"):
        draw_record(mixed(), stream="rest")


def test_many_channels_are_cut_and_said_to_be():
    signal = np.random.default_rng(0).normal(0, 1, (64, 300))
    names = tuple(f"X{i}" for i in range(64))
    record = Record("made/5", {"emg": Stream(signal, names, 100.0, "emg", "µV")})
    assert any("32 more channels" in text for text in drawn(record).words)


def test_nothing_to_draw_is_refused():
    with pytest.raises(MedtsError, match="0"):
        draw_record(ecg(), seconds=0.0)


@pytest.mark.parametrize("seconds", [0.0, 2.5, 10.0])
def test_short_and_empty_records_are_drawn(seconds):
    assert len(pulses(drawn(ecg(seconds=seconds)))) == (4 if seconds > 4 else 6)


@pytest.mark.parametrize("rate", [100.0, 500.0, 1000.0])
def test_the_drawing_is_small_sound_and_always_the_same(rate):
    record = ecg(rate=rate)
    noisy = record.streams["ecg"].signal + np.random.default_rng(0).normal(0, 0.05, (12, 1))
    noisy = noisy + np.random.default_rng(1).normal(0, 0.05, noisy.shape)
    record = Record("made/6", {"ecg": Stream(noisy, STANDARD_12_LEADS, rate, "ecg", "mV")})
    svg = str(draw_record(record))
    assert len(svg.encode()) < 250_000
    read_svg(svg)
    assert svg == str(draw_record(record))
    assert not re.search(r"\bid=|url\(|href=", svg)


def test_heat_lies_behind_the_time_it_belongs_to():
    strength = np.zeros(20)
    strength[[4, 5]] = 1.0
    drawing = drawn(ecg(), layers=[Heat({"V2": strength}, 0.0, 10.0)])
    (heat,) = drawing.of_class("heat")
    ((x, _, width, height),) = boxes(heat.get("d", ""))
    (v2,) = drawing.channel("V2")
    assert (x - v2[0, 0], width) == (pytest.approx(50.0, abs=0.02), pytest.approx(25.0))
    middle = boxes(heat.get("d", ""))[0, 1] + height / 2
    assert middle == pytest.approx(np.median(v2[:, 1]), abs=1.0)


def test_heat_that_is_weaker_is_paler_and_unknown_heat_is_none():
    strength = np.array([0.2, 1.0, np.nan, 0.0])
    drawing = drawn(ecg(), layers=[Heat({"I": strength}, 0.0, 10.0)])
    shades = [float(each.get("fill-opacity", "nan")) for each in drawing.of_class("heat")]
    assert len(shades) == 2
    assert shades[0] < shades[1]


def test_layers_show_whole_leads_hidden_and_kept_stretches_and_a_second_line():
    restored = np.full(5000, np.nan)
    restored[1000:1500] = 0.5
    layers = [
        Spans({"I": [(2.0, 3.0), (30.0, 40.0)]}, "hidden"),
        Spans({"I": [(4.0, 4.5)]}, "kept"),
        Overlay({"I": restored}, 500.0),
    ]
    drawing = drawn(ecg(), layers=layers, notes={"I": "14 %"})
    assert len(pulses(drawing)) == 12
    (hidden,), (kept,) = drawing.of_class("hidden"), drawing.of_class("kept")
    (trace,) = drawing.channel("I")
    ((x, _, width, _),) = boxes(hidden.get("d", ""))
    assert (x - trace[0, 0], width) == (pytest.approx(50.0, abs=0.02), pytest.approx(25.0))
    assert boxes(kept.get("d", ""))[0, 2] == pytest.approx(12.5)
    (overlay,) = drawing.of_class("overlay")
    line = points(overlay.get("d", ""))
    assert line[0, 0] - trace[0, 0] == pytest.approx(50.0, abs=0.02)
    assert np.ptp(line[:, 0]) == pytest.approx(25.0, abs=0.3)
    assert "14 %" in drawing.words


def test_a_name_that_is_markup_stays_words():
    drawing = drawn(ecg(channels=("<script>",)))
    assert "<script>" in drawing.words
