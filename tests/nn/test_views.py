from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError
from recorded import only, recorded

from medts.nn.settings import ViewsConfig
from medts.nn.views import (
    add_noise,
    add_wander,
    change_gain,
    count_samples,
    crop,
    cutout,
    halves,
    has_signal,
    make_view,
    sample_dropped,
    stretch,
)
from medts.tensors.batch import Batch, StreamBatch

N_VALID = (200, 120, 200, 0)


def make_stream(rate=100.0, n_samples=200, n_channels=4):
    """Ramps, so that a value tells where it comes from; some padded, one lead and window absent."""
    n_valid = torch.tensor(N_VALID) * n_samples // 200
    is_valid = torch.arange(n_samples) < n_valid[:, None]
    is_channel_present = torch.ones(4, n_channels, dtype=torch.bool)
    is_channel_present[2, 1] = False
    is_channel_present[3] = False
    ramp = torch.arange(1.0, n_samples + 1).expand(4, n_channels, -1)
    is_recorded = recorded(ramp, is_valid, is_channel_present)
    return StreamBatch(
        signal=ramp * is_recorded,
        is_recorded=is_recorded,
        channels=tuple("ABCDEFGH"[:n_channels]),
        sampling_rate=rate,
        modality="ecg",
    )


def make_batch(**streams):
    names = tuple(f"made-up/{b}" for b in range(4))
    return Batch(streams=streams, record_ids=names, subject_ids=names, text=(None,) * 4)


def is_real(stream):
    is_there = stream.is_channel_present & stream.is_present[:, None]
    return is_there[..., None] & stream.is_valid[:, None]


STRONG = ViewsConfig(wander=1.0, noise=1.0, gain=1.0, hide_ratio=0.5, drop_probability=1.0)


@pytest.mark.parametrize("config", [STRONG, STRONG.but(is_stretched=True), ViewsConfig()])
def test_what_is_padded_or_absent_stays_zero_and_marked(config):
    torch.manual_seed(0)
    batch = make_batch(ecg=make_stream())
    for _ in range(10):
        view = make_view(batch, config).streams["ecg"]
        assert (view.signal[~is_real(view)] == 0).all()
        assert view.signal.isfinite().all()
        assert not view.is_present[3]
        assert not view.is_valid[3].any()
        before = batch.streams["ecg"].is_channel_present
        assert not (view.is_channel_present & ~before).any()
        assert view.is_channel_present[:3].any(dim=1).all()


@pytest.mark.parametrize("alter", [add_noise, add_wander, change_gain, cutout])
def test_each_alteration_alone_leaves_padding_and_absent_channels_zero(alter):
    torch.manual_seed(0)
    view = alter(make_stream(), 0.9)
    assert not torch.equal(view.signal, make_stream().signal)
    assert (view.signal[~is_real(view)] == 0).all()


def test_a_seed_repeats_a_view_and_another_draw_differs():
    batch = make_batch(ecg=make_stream())
    views = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        views.append(make_view(batch, ViewsConfig()).streams["ecg"].signal)
    assert torch.equal(views[0], views[1])
    assert views[0].shape != views[2].shape or not torch.equal(views[0], views[2])


def test_nothing_asked_for_is_nothing_changed(unchanged):
    batch = make_batch(ecg=make_stream())
    view = make_view(batch, unchanged).streams["ecg"]
    assert torch.equal(view.signal, batch.streams["ecg"].signal)
    assert torch.equal(view.is_valid, batch.streams["ecg"].is_valid)


@pytest.fixture
def unchanged():
    return ViewsConfig(crop_ratio=1, gain=0, wander=0, noise=0, hide_ratio=0, drop_probability=0)


@pytest.mark.parametrize("place", [0.0, 0.37, 0.999999])
def test_a_crop_is_a_piece_of_the_valid_samples(place):
    view = crop(make_stream(), 0.5, torch.full((4,), place))
    assert view.signal.shape == (4, 4, 100)
    start = round(place * 100)
    torch.testing.assert_close(view.signal[0, 0], torch.arange(100.0) + start + 1, atol=1, rtol=0)
    assert view.is_valid[0].all()
    assert view.is_valid[1].all()
    assert view.signal[1].max() <= 120
    assert (view.signal[0].diff() == 1).all()


def test_a_window_shorter_than_the_crop_stays_whole():
    view = crop(make_stream(), 0.9, torch.full((4,), 0.5))
    assert view.is_valid.sum(dim=1).tolist() == [180, 120, 180, 0]
    assert torch.equal(view.signal[1, 0, :120], torch.arange(1.0, 121.0))


def test_streams_of_different_rates_are_cropped_at_the_same_time(unchanged):
    torch.manual_seed(3)
    slow, fast = make_stream(), make_stream(rate=400.0, n_samples=800)
    view = make_view(make_batch(slow=slow, fast=fast), unchanged.but(crop_ratio=0.3))
    first_s = view.streams["slow"].signal[:3, 0, 0] / 100
    torch.testing.assert_close(
        view.streams["fast"].signal[:3, 0, 0] / 400, first_s, atol=0.02, rtol=0
    )
    lengths = [view.streams[name].signal.shape[-1] for name in ("slow", "fast")]
    assert lengths[1] == pytest.approx(4 * lengths[0], abs=3)


def test_halves_are_adjacent_equally_long_and_leave_out_nothing_but_an_odd_sample():
    stream = make_stream()
    is_valid = stream.is_valid.clone()
    is_valid[1, 119] = False
    stream = stream.keep(is_valid[:, None])
    first, second = halves(stream)
    assert torch.equal(torch.cat([first.signal[0], second.signal[0]], dim=1), stream.signal[0])
    for half, start in ((first, 0), (second, 59)):
        assert half.is_valid.sum(dim=1).tolist() == [100, 59, 100, 0]
        assert torch.equal(half.signal[1, 0, :59], torch.arange(59.0) + start + 1)
        assert (half.signal[1, 0, 59:] == 0).all()


def test_stretching_keeps_the_course_and_slows_it_down():
    view = stretch(make_stream(n_samples=100), 200)
    torch.testing.assert_close(view.signal[0, 0, 1:-1].diff(), torch.full((197,), 0.5))
    assert count_samples(view).tolist() == [200, 120, 200, 0]


def test_noise_and_wander_have_the_size_asked_for_in_each_channel():
    torch.manual_seed(0)
    stream = make_stream(n_samples=2000)
    stream = replace(stream, signal=stream.signal * torch.tensor([1.0, 10, 0, 1])[:, None])
    std = stream.signal[0].std(dim=1, correction=0)
    levels = torch.stack(
        [(add_noise(stream, 0.5).signal - stream.signal)[0].std(dim=1) for _ in range(200)]
    )
    assert levels[:, 2].max() == 0  # a flat channel stays flat
    torch.testing.assert_close(levels.mean(dim=0), 0.25 * std, rtol=0.15, atol=0)
    heights = torch.stack(
        [
            (add_wander(stream, 0.5, (1.0, 2.0)).signal - stream.signal)[0].abs().amax(dim=1)
            for _ in range(50)
        ]
    )
    assert (heights <= 0.5 * std + 1e-3).all()
    assert (heights.amax(dim=0)[[0, 1, 3]] > 0.4 * std[[0, 1, 3]]).all()


def test_wander_stays_in_its_band():
    torch.manual_seed(0)
    stream = make_stream(n_samples=4000)
    added = (add_wander(stream, 1.0, (0.5, 1.0)).signal - stream.signal)[0, 0]
    power = torch.fft.rfft(added * torch.hann_window(4000)).abs().square()
    rate_hz = torch.fft.rfftfreq(4000, 1 / 100)
    inside = (rate_hz > 0.4) & (rate_hz < 1.1)
    assert power[inside].sum() / power.sum() > 0.99


def test_gain_keeps_the_relations_between_channels():
    torch.manual_seed(0)
    stream = make_stream()
    factors = []
    for _ in range(100):
        ratio = change_gain(stream, 1.0).signal[0] / stream.signal[0]
        torch.testing.assert_close(ratio, ratio[:1, :1].expand_as(ratio))
        factors.append(ratio[0, 0].item())
    assert 0.5 <= min(factors) < 0.6
    assert 1.7 < max(factors) <= 2.0


def test_one_stretch_is_hidden_in_all_channels_and_stays_valid():
    torch.manual_seed(0)
    stream = make_stream()
    n_hidden = []
    for _ in range(50):
        view = cutout(stream, 0.3)
        assert torch.equal(view.is_valid, stream.is_valid)
        is_zero = view.signal[0] == 0
        assert torch.equal(is_zero, is_zero[:1].expand(4, -1))
        n_hidden.append(int(is_zero[0].sum()))
        assert (is_zero[0].int().diff() == 1).sum() + is_zero[0, 0] <= 1
        assert (view.signal[1, 0, :120] == 0).sum() <= 36
    assert 45 < max(n_hidden) <= 60


@pytest.mark.parametrize("most", [1, 3, 9])
def test_present_channels_are_dropped_but_never_the_last(most):
    torch.manual_seed(0)
    is_present = torch.ones(400, 6, dtype=torch.bool)
    is_present[100:200, 2:] = False
    is_present[200:300, 1:] = False
    is_present[300:] = False
    is_dropped = sample_dropped(is_present, 0.5, most)
    assert not (is_dropped & ~is_present).any()
    n_dropped = is_dropped.sum(dim=1)
    assert set(n_dropped[:100].tolist()) == set(range(min(most, 5) + 1))
    assert 35 <= (n_dropped[:100] > 0).sum() <= 65
    assert set(n_dropped[100:200].tolist()) == {0, 1}
    assert not n_dropped[200:].any()


def test_a_window_that_loses_channels_loses_no_fewer_than_it_should_but_for_its_last():
    torch.manual_seed(0)
    is_present = torch.ones(300, 12, dtype=torch.bool)
    is_present[100:200, 5:] = False
    is_present[200:, 1:] = False
    n_dropped = sample_dropped(is_present, 1.0, 11, least=10).sum(dim=1)
    assert set(n_dropped[:100].tolist()) == {10, 11}
    assert set(n_dropped[100:200].tolist()) == {4}
    assert not n_dropped[200:].any()


def test_a_window_has_a_signal_if_any_of_its_streams_has():
    one, other = make_stream(), make_stream()
    one = only(one, windows=torch.tensor([True, False, True, False]))
    assert has_signal(make_batch(one=one)).tolist() == [True, False, True, False]
    assert has_signal(make_batch(one=one, other=other)).tolist() == [True, True, True, False]


@pytest.mark.parametrize(
    "changes",
    [
        {"wander_hz": (0.5, 0.1)},
        {"crop_ratio": 0},
        {"drop_most": 0},
        {"hide_ratio": 1},
        {"drop_least": 7},
    ],
)
def test_contradictory_configs_are_refused(changes):
    with pytest.raises(ValidationError):
        ViewsConfig(**changes)
