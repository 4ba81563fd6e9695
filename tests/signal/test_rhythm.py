"""Beat times: rates, irregularity, and ectopic beats with their pauses."""

import numpy as np
import pytest

from medts.signal.rhythm import fibrillation_beats, sinus_beats, with_ectopics


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("rate_bpm", [40.0, 75.0, 150.0])
@pytest.mark.parametrize("draw", [sinus_beats, fibrillation_beats])
def test_beats_keep_the_mean_rate_and_reach_beyond_both_ends(draw, rate_bpm):
    beats = draw(rng(), duration_s=120.0, rate_bpm=rate_bpm)
    assert 60 / np.diff(beats.r_s).mean() == pytest.approx(rate_bpm, rel=0.06)
    assert beats.r_s[0] < 0 < 120.0 < beats.r_s[-1]
    assert not beats.is_ectopic.any()


def test_sinus_intervals_follow_the_breath_and_fibrillation_follows_nothing():
    def correlation_of_neighbours(beats):
        rr_s = np.diff(beats.r_s)
        return np.corrcoef(rr_s[:-1], rr_s[1:])[0, 1]

    sinus = sinus_beats(rng(), duration_s=600.0, rate_bpm=75.0, variability=0.06)
    fibrillation = fibrillation_beats(rng(), duration_s=600.0, rate_bpm=75.0, variability=0.2)
    assert correlation_of_neighbours(sinus) > 0.3
    assert abs(correlation_of_neighbours(fibrillation)) < 0.12
    assert np.diff(fibrillation.r_s).std() > 2 * np.diff(sinus.r_s).std()
    assert np.diff(fibrillation.r_s).min() >= 0.3 - 1e-9


def test_an_ectopic_beat_comes_early_and_its_pause_makes_up_for_it():
    sinus = sinus_beats(rng(), duration_s=20.0, rate_bpm=70.0)
    places = np.zeros(len(sinus.r_s), dtype=bool)
    places[[5, 11]] = True
    beats = with_ectopics(rng(1), sinus, places, coupling=0.6)
    for n in (5, 11):
        before, after = np.diff(beats.r_s[n - 1 : n + 2])
        assert before < 0.75 * (before + after) / 2 < after
        assert before + after == pytest.approx(sinus.r_s[n + 1] - sinus.r_s[n - 1])
    is_sinus = ~places
    np.testing.assert_array_equal(beats.r_s[is_sinus], sinus.r_s[is_sinus])


def test_ectopic_beats_never_follow_each_other():
    sinus = sinus_beats(rng(), duration_s=20.0, rate_bpm=70.0)
    beats = with_ectopics(rng(), sinus, np.ones(len(sinus.r_s), dtype=bool), coupling=0.6)
    assert not (beats.is_ectopic[1:] & beats.is_ectopic[:-1]).any()
    assert beats.is_ectopic.sum() == len(sinus.r_s) // 2
    assert not beats.is_ectopic[0]
