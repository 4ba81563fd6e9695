"""The dipole's physics: waves, projection, block, noise, and electrodes that fell off."""

from dataclasses import replace

import numpy as np
import pytest

from medts.core.montage import CHEST_LEADS, STANDARD_12_LEADS
from medts.signal.dipole import (
    ELECTRODES,
    Heart,
    Noise,
    Waves,
    beat_waves,
    electrode_noise,
    electrode_potentials,
    fibrillatory_wave,
    heart_vector,
    leads_from_electrodes,
)
from medts.signal.rhythm import Beats

TIME_S = np.arange(2000) / 1000
R_S = 1.0


def one_beat(heart=None, *, is_ectopic=False, has_p=True):
    """Leads by name of a single beat at ``R_S``, 1000 Hz."""
    heart = heart or Heart()
    beats = Beats(np.array([R_S]), np.array([0.9]), np.array([is_ectopic]))
    vector = heart_vector(beat_waves(heart, beats, has_p=has_p), TIME_S)
    leads = leads_from_electrodes(electrode_potentials(vector, heart.chest_gain))
    return {str(name): row for name, row in zip(STANDARD_12_LEADS, leads, strict=True)}


def qrs_width_ms(leads):
    """Time near the R-peak in which the spatial velocity is over a tenth of its peak."""
    near = between(np.stack(list(leads.values())).T, -140, 140)
    velocity = np.linalg.norm(np.diff(near, axis=0), axis=1)
    fast = np.flatnonzero(velocity > 0.1 * velocity.max())
    return fast[-1] - fast[0]


def between(signal, start_ms, stop_ms):
    start = round(R_S * 1000)
    return signal[start + start_ms : start + stop_ms]


def test_sum_of_waves_equals_the_plain_formula():
    rng = np.random.default_rng(0)
    waves = Waves(rng.uniform(0, 20, 400), rng.uniform(0.01, 0.06, 400), rng.normal(size=(400, 3)))
    time_s = np.arange(7000) / 350
    plain = sum(
        v[:, None] * np.exp(-((time_s - c) ** 2) / (2 * w**2))
        for c, w, v in zip(waves.centre_s, waves.width_s, waves.vector, strict=True)
    )
    np.testing.assert_allclose(heart_vector(waves, time_s), plain, atol=1e-4)


def test_einthoven_goldberger_and_wilson_hold_after_noise_to_the_microvolt():
    rng = np.random.default_rng(1)
    potentials = rng.normal(size=(9, 500))
    leads = dict(zip(STANDARD_12_LEADS, leads_from_electrodes(potentials), strict=True))
    one, two = leads["I"], leads["II"]
    np.testing.assert_allclose(leads["III"], two - one, atol=1e-9)
    np.testing.assert_allclose(leads["aVR"], -(one + two) / 2, atol=1e-9)
    np.testing.assert_allclose(leads["aVL"], one - two / 2, atol=1e-9)
    np.testing.assert_allclose(leads["aVF"], two - one / 2, atol=1e-9)
    wilson = potentials[:3].mean(axis=0)
    np.testing.assert_allclose(leads["V3"], potentials[5] - wilson, atol=0.003)
    every = np.stack(list(leads.values()))
    np.testing.assert_allclose(every * 1000, np.round(every * 1000), atol=1e-9)


def test_noise_on_one_limb_moves_the_leads_that_use_it():
    potentials = np.zeros((9, 4))
    potentials[ELECTRODES.index("LA")] = 0.6
    leads = dict(zip(STANDARD_12_LEADS, leads_from_electrodes(potentials)[:, 0], strict=True))
    assert leads["I"] == pytest.approx(0.6)
    assert leads["II"] == 0.0
    assert leads["aVL"] == pytest.approx(0.6)
    assert leads["V6"] == pytest.approx(-0.2)


def test_an_electrode_that_is_off_costs_exactly_the_leads_that_need_it():
    potentials = np.ones((9, 4))

    def lost(*off):
        leads = leads_from_electrodes(potentials, off)
        rows = zip(STANDARD_12_LEADS, leads, strict=True)
        return {name for name, row in rows if np.isnan(row).all()}

    assert lost() == set()
    assert lost("V4") == {"V4"}
    assert lost("LA") == set(STANDARD_12_LEADS) - {"II"}


def test_a_normal_beat_reads_like_a_normal_ecg():
    leads = one_beat()
    assert 0.05 < between(leads["II"], -250, -80).max() < 0.25  # P
    assert 0.5 < leads["II"].max() < 2.0  # R
    assert 0.1 < between(leads["II"], 180, 400).max() < 0.6  # T
    assert leads["aVR"].min() == pytest.approx(np.abs(leads["aVR"]).max() * -1)
    ratio = [leads[v].max() / -leads[v].min() for v in CHEST_LEADS[:5]]
    assert ratio == sorted(ratio)  # R grows over S from V1 to V5
    assert ratio[0] < 1 < ratio[4]
    assert 70 < qrs_width_ms(leads) < 110


def test_blocks_widen_the_qrs_and_point_it_to_the_late_ventricle():
    left = one_beat(replace(Heart(), conduction="left-block"))
    right = one_beat(replace(Heart(), conduction="right-block"))
    assert qrs_width_ms(left) > 120
    assert qrs_width_ms(right) > 120
    assert between(left["V1"], -100, 60).min() < -0.8
    assert between(left["V6"], -100, 60).max() > 0.7
    assert between(left["V6"], -100, 60).min() > -0.02  # no septal q
    assert between(right["V1"], 40, 90).max() > 0.5  # R'
    assert between(right["V6"], 40, 90).min() < -0.2  # wide S


def test_t_opposes_the_qrs_after_a_block_and_after_an_ectopic_beat():
    left = one_beat(replace(Heart(), conduction="left-block"))
    assert between(left["V1"], 200, 450).max() > 0.25
    right = one_beat(replace(Heart(), conduction="right-block"))
    assert between(right["V1"], 200, 450).min() < -0.1
    ectopic = one_beat(is_ectopic=True)
    normal = one_beat()
    qrs_peak = np.abs(ectopic["V1"][:1120]).argmax()
    t_part = between(ectopic["V1"], 200, 500)
    t_peak = t_part[np.abs(t_part).argmax()]
    assert np.sign(ectopic["V1"][qrs_peak]) == -np.sign(t_peak)
    assert qrs_width_ms(ectopic) > qrs_width_ms(normal) + 40


def test_settings_of_the_heart_do_what_they_say():
    normal = one_beat()
    early = one_beat(replace(Heart(), pr_s=0.12))
    late = one_beat(replace(Heart(), pr_s=0.20))
    shift = between(early["II"], -300, -60).argmax() - between(late["II"], -300, -60).argmax()
    assert shift == pytest.approx(80, abs=3)
    long_qt = one_beat(replace(Heart(), qtc_s=0.46))
    delay = between(long_qt["V4"], 150, 500).argmax() - between(normal["V4"], 150, 500).argmax()
    assert 25 < delay < 50
    thick = one_beat(replace(Heart(), hypertrophy=1.7))
    assert -thick["V1"].min() + thick["V5"].max() > 1.4 * (-normal["V1"].min() + normal["V5"].max())
    lifted = one_beat(replace(Heart(), injury=(0.1, -0.06, -0.28)))
    assert between(lifted["V3"], 100, 110).mean() - between(normal["V3"], 100, 110).mean() > 0.2
    assert np.ptp(between(one_beat(has_p=False)["II"], -300, -60)) < 0.02
    gain = one_beat(replace(Heart(), chest_gain=(1.0, 1.0, 2.0, 1.0, 1.0, 1.0)))
    np.testing.assert_allclose(gain["V3"], 2 * normal["V3"], atol=0.003)
    np.testing.assert_array_equal(gain["V2"], normal["V2"])


def test_the_axis_turns_in_the_frontal_plane():
    def axis_deg(heart):
        leads = one_beat(heart)
        at = np.abs(leads["II"]).argmax()
        return np.degrees(np.arctan2(leads["aVF"][at] * 2 / np.sqrt(3), leads["I"][at]))

    down, normal, up = (axis_deg(replace(Heart(), axis_deg=a)) for a in (30.0, 0.0, -30.0))
    assert 30 < normal < 75
    assert down > normal + 15
    assert up < normal - 15


def spectrum(signal, sampling_rate):
    power = np.abs(np.fft.rfft(signal - signal.mean(axis=-1, keepdims=True))) ** 2
    return np.fft.rfftfreq(signal.shape[-1], 1 / sampling_rate), power.mean(axis=0)


def test_each_kind_of_noise_lives_in_its_band():
    time_s = np.arange(10000) / 500
    silent = Noise(wander_mv=0.0, mains_mv=0.0, emg_mv=0.0)

    def share(noise, low_hz, high_hz):
        hz, power = spectrum(electrode_noise(np.random.default_rng(3), time_s, noise), 500)
        return power[(hz >= low_hz) & (hz <= high_hz)].sum() / power.sum()

    assert share(replace(silent, wander_mv=0.1), 0.0, 0.6) > 0.97
    assert share(replace(silent, mains_mv=0.02), 49.5, 50.5) > 0.99
    assert share(replace(silent, mains_mv=0.02, mains_hz=60.0), 59.5, 60.5) > 0.99
    assert share(replace(silent, emg_mv=0.02), 20.0, 250.0) > 0.85
    assert share(replace(silent, motion_mv=0.5), 0.0, 12.0) > 0.99
    assert not electrode_noise(np.random.default_rng(3), time_s, silent).any()


def test_mains_are_left_out_where_the_rate_cannot_hold_them():
    time_s = np.arange(1000) / 100
    hum = Noise(wander_mv=0.0, mains_mv=0.1, emg_mv=0.0)
    assert not electrode_noise(np.random.default_rng(0), time_s, hum).any()


def test_fibrillatory_waves_are_fast_and_largest_in_v1():
    time_s = np.arange(10000) / 500
    vector = fibrillatory_wave(np.random.default_rng(0), time_s, 0.1)
    leads = leads_from_electrodes(electrode_potentials(vector))
    hz, power = spectrum(leads, 500)
    assert 4.0 < hz[power.argmax()] < 9.0
    spread = dict(zip(STANDARD_12_LEADS, leads.std(axis=1), strict=True))
    assert spread["V1"] > max(spread["I"], spread["II"], spread["V5"], spread["V6"])
