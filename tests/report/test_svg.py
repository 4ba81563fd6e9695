import numpy as np
import pytest
from drawn import points
from markupsafe import Markup

from medts.report.svg import element, label, line, printable, rectangles, stretches, thin


def test_words_and_attributes_are_escaped():
    made = element("text", '<b>"&', data_name='"><script>')
    assert made == '<text data-name="&#34;&gt;&lt;script&gt;">&lt;b&gt;&#34;&amp;</text>'
    assert element("g", Markup("<a/>")) == "<g><a/></g>"


def test_what_cannot_be_seen_is_not_written():
    assert printable("a\u202eb\x00c\n") == "abc"
    assert len(printable("x" * 10_000)) == 120
    assert "\u202e" not in label("\u202eevil", 0.0, 0.0)


def test_a_line_comes_back_to_a_hundredth_without_drift():
    rng = np.random.default_rng(0)
    x, y = np.cumsum(rng.random(3000)) / 10, rng.normal(0, 5, 3000)
    found = points(line(x, y).split('d="')[1].split('"')[0])
    np.testing.assert_allclose(found, np.stack([x, y], axis=1), atol=0.0051)


def test_a_line_is_interrupted_where_there_is_no_number():
    y = np.array([np.nan, 1.0, 2.0, np.nan, 3.0])
    drawn = line(np.arange(5.0), y)
    found = points(drawn.split('d="')[1].split('"')[0])
    assert np.isnan(found[:, 0]).sum() == 1
    assert found[~np.isnan(found[:, 0])].tolist() == [[1, 1], [2, 2], [4, 3], [4, 3]]
    assert line(np.arange(3.0), np.full(3, np.nan)) == ""


def test_no_box_is_no_element():
    assert rectangles([]) == ""
    assert 'd="M1 2h3v4h-3z"' in rectangles([(1, 2, 3, 4)])


def test_runs_are_found_at_both_ends():
    assert stretches(np.array([True, False, True, True])) == [(0, 1), (2, 4)]
    assert stretches(np.zeros(3, dtype=bool)) == []


def test_thinning_keeps_the_extremes_and_the_order():
    signal = np.random.default_rng(0).normal(size=10_001)
    time_s = np.arange(10_001) / 1000
    across, upward = thin(time_s, signal, limit=500)
    assert len(across) <= 502
    assert (np.diff(across) >= 0).all()
    np.testing.assert_array_equal(upward, signal[np.rint(across * 1000).astype(int)])
    assert upward.max() == signal.max()
    assert upward.min() == signal.min()


@pytest.mark.parametrize("n", [0, 1, 2])
def test_short_signals_are_left_alone(n):
    across, upward = thin(np.arange(float(n)), np.zeros(n), limit=500)
    assert len(across) == len(upward) == n


def test_thinning_leaves_a_gap_where_a_whole_run_is_missing():
    signal = np.ones(4000)
    signal[1000:2000] = np.nan
    across, upward = thin(np.arange(4000) / 1000, signal, limit=400)
    assert np.isnan(upward[(across > 1.02) & (across < 1.98)]).all()
    assert np.isfinite(upward[(across < 0.98) | (across > 2.02)]).all()
