"""The synthetic corpus: findings one can measure, honest labels, reproducible to the bit."""

import pickle
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

from medts.core.errors import ConfigError, UnknownNameError
from medts.core.montage import STANDARD_12_LEADS
from medts.data.sources.synthetic import Synthetic, synthetic_record
from medts.data.sources.synthetic_subjects import MORPHOLOGIES, RHYTHMS

NOWHERE = Path("-")
PEOPLE = ("ada", "ben", "cleo", "dov", "eva")


@pytest.fixture(scope="module")
def entries():
    return list(Synthetic(n_subjects=100, records_per_subject=5).entries(NOWHERE))


@pytest.fixture(scope="module")
def records(entries):
    """Two hundred records: two of each subject."""
    return [entry.load() for entry in entries if entry.record_id.endswith(("-01", "-04"))]


def clean(rhythm="SR", findings=(), **kwargs):
    return synthetic_record(rhythm=rhythm, findings=findings, noise=False, **kwargs)


def lead(record, name):
    return record.streams["ecg"].pick((name,)).signal[0]


def mean_beat(record, name, label="N", before_s=0.35, after_s=0.5):
    """Mean of a lead around beats of one label, its quietest level before the QRS taken off."""
    rate = record.streams["ecg"].sampling_rate
    signal, before, after = lead(record, name), round(before_s * rate), round(after_s * rate)
    peaks = [round(a.time_s * rate) for a in record.annotations if a.label == label]
    inside = [p for p in peaks if p >= before and p + after <= len(signal)]
    beat = np.mean([signal[p - before : p + after] for p in inside], axis=0)
    return beat - np.median(beat[: round(0.06 * rate)])


def qrs_width_ms(record, label="N"):
    """Time near the R-peak in which the spatial velocity is over a tenth of its peak."""
    rate = record.streams["ecg"].sampling_rate
    beats = [mean_beat(record, name, label, 0.15, 0.15) for name in STANDARD_12_LEADS]
    velocity = np.linalg.norm(np.diff(np.stack(beats)), axis=0)
    fast = np.flatnonzero(velocity > 0.1 * velocity.max())
    return (fast[-1] - fast[0]) / rate * 1000


def rr_s(record):
    return np.diff([a.time_s for a in record.annotations])


def sokolow_lyon_mv(record):
    s_in_v1 = -mean_beat(record, "V1", before_s=0.1, after_s=0.1).min()
    r = max(mean_beat(record, v, before_s=0.1, after_s=0.1).max() for v in ("V5", "V6"))
    return s_in_v1 + r


# Signals


def test_limb_leads_are_one_loop_even_with_noise(records):
    for record in records[:40]:
        if record.facts["missing_leads"]:
            continue
        i, ii, iii, avr, avl, avf = record.streams["ecg"].signal[:6].astype(np.float64)
        np.testing.assert_allclose(iii, ii - i, atol=1e-6)
        np.testing.assert_allclose(avr, -(i + ii) / 2, atol=1e-6)
        np.testing.assert_allclose(avl, i - ii / 2, atol=1e-6)
        np.testing.assert_allclose(avf, ii - i / 2, atol=1e-6)


def test_values_are_whole_steps_of_the_stated_resolution(records):
    stream = records[0].streams["ecg"]
    steps = stream.signal / stream.resolution[:, None]
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-3)
    assert np.abs(steps[np.isfinite(steps)]).max() < 32767
    assert (stream.unit, stream.modality, stream.channels) == ("mV", "ecg", STANDARD_12_LEADS)


def test_r_waves_of_lead_ii_are_of_human_size():
    heights = [
        mean_beat(clean(subject_id=f"p{n}"), "II", before_s=0.1, after_s=0.1).max()
        for n in range(40)
    ]
    assert min(heights) > 0.3
    assert max(heights) < 3.0


def test_every_signal_stays_within_ten_millivolts_and_is_finite_where_recorded(records):
    for record in records:
        signal = record.streams["ecg"].signal
        missing = {
            name
            for name, row in zip(STANDARD_12_LEADS, signal, strict=True)
            if not np.isfinite(row).all()
        }
        assert missing == set(str(record.facts["missing_leads"]).split())
        assert np.nanmax(np.abs(signal)) < 10


def test_a_lead_whose_electrode_is_off_is_missing_all_along():
    record = synthetic_record(electrodes_off=("V3",))
    is_missing = np.isnan(record.streams["ecg"].signal)
    assert is_missing[STANDARD_12_LEADS.index("V3")].all()
    assert is_missing.sum() == is_missing.shape[1]
    assert record.facts["missing_leads"] == "V3"


def test_some_records_of_the_corpus_miss_leads(records):
    n_missing = sum(bool(record.facts["missing_leads"]) for record in records)
    assert 0.01 < n_missing / len(records) < 0.15


@pytest.mark.parametrize("sampling_rate", [100.0, 360.0, 500.0])
def test_rate_and_length_are_as_asked(sampling_rate):
    record = synthetic_record(sampling_rate=sampling_rate, duration_s=12.5)
    assert record.streams["ecg"].signal.shape == (12, round(12.5 * sampling_rate))
    assert record.duration_s == 12.5


def test_noise_is_added_and_moves_no_beat():
    noisy, silent = synthetic_record(seed=4), clean(seed=4)
    assert noisy.annotations == silent.annotations
    difference = noisy.streams["ecg"].signal - silent.streams["ecg"].signal
    assert 0.003 < difference.std() < 0.5


# Rhythms


@pytest.mark.parametrize("rhythm", ["SR", "SBRAD", "STACH"])
def test_sinus_rates_are_what_their_names_mean(rhythm):
    low, high = {"SR": (60, 100), "SBRAD": (0, 60), "STACH": (100, 220)}[rhythm]
    for seed in range(10):
        record = clean(rhythm, seed=seed, subject_id=f"s{seed}")
        assert low < 60 / rr_s(record).mean() < high
        assert record.facts["heart_rate_bpm"] == pytest.approx(60 / rr_s(record).mean(), abs=1)


def test_the_rate_asked_for_is_the_rate_made():
    record = clean(rate_bpm=80.0, duration_s=60.0)
    assert 60 / rr_s(record).mean() == pytest.approx(80.0, rel=0.02)


def test_atrial_fibrillation_is_irregular_and_has_no_p_waves():
    def spread(record):
        return rr_s(record).std() / rr_s(record).mean()

    def p_mv(record):
        # The end of the part is cut so that the start of the QRS stays out.
        return np.ptp(mean_beat(record, "II", before_s=0.26)[: round(0.2 * 250)])

    for person in PEOPLE:
        sinus = clean(subject_id=person, rate_bpm=75.0, duration_s=60.0)
        flicker = clean("AFIB", subject_id=person, rate_bpm=75.0, duration_s=60.0)
        assert spread(flicker) > 2 * spread(sinus)
        assert p_mv(flicker) < 0.5 * p_mv(sinus)


def test_fibrillatory_waves_fill_the_pauses():
    def level_mv(record):
        """Swing of V1 just before the beat that ends the longest pause."""
        at_s = record.annotations[int(rr_s(record).argmax()) + 1].time_s
        return np.ptp(lead(record, "V1")[round((at_s - 0.4) * 250) : round((at_s - 0.24) * 250)])

    for person in PEOPLE:
        flicker = clean("AFIB", subject_id=person, rate_bpm=55.0, duration_s=30.0)
        assert level_mv(flicker) > 0.03
        assert level_mv(clean("SBRAD", subject_id=person, rate_bpm=45.0)) < 0.01


def test_ventricular_beats_are_early_wide_and_followed_by_a_pause():
    for person in PEOPLE:
        record = clean("PVC", subject_id=person, duration_s=30.0, sampling_rate=500.0)
        labels = [a.label for a in record.annotations]
        assert 1 <= labels.count("V") < labels.count("N")
        usual = np.median(rr_s(record))
        for k in range(1, len(labels) - 1):
            if labels[k] == "V":
                assert rr_s(record)[k - 1] < 0.8 * usual
                assert rr_s(record)[k] > 1.1 * usual
        assert qrs_width_ms(record, "V") > qrs_width_ms(record, "N") + 30


def test_in_bigeminy_every_second_beat_is_ventricular():
    labels = [a.label for a in clean("BIGU", duration_s=20.0).annotations]
    assert set(labels[::2]) | set(labels[1::2]) == {"N", "V"}
    assert len(set(labels[::2])) == len(set(labels[1::2])) == 1


# Findings


def test_bundle_branch_blocks_widen_the_qrs_past_120_ms():
    for person in PEOPLE:
        kwargs = {"subject_id": person, "sampling_rate": 500.0}
        assert qrs_width_ms(clean(**kwargs)) < 115
        assert qrs_width_ms(clean(findings=("CLBBB",), **kwargs)) > 120
        assert qrs_width_ms(clean(findings=("CRBBB",), **kwargs)) > 120


def test_st_elevation_lifts_v2_to_v4_and_st_depression_lowers_v4_to_v6():
    # J is near 45 ms after R, so J + 60 ms is near 105 ms.
    def st_mv(record, name):
        return mean_beat(record, name)[round((0.35 + 0.105) * 250)]

    for person in PEOPLE:
        plain, raised, lowered = (
            clean(findings=findings, subject_id=person, rate_bpm=66.0)
            for findings in ((), ("STE",), ("STD",))
        )
        assert all(st_mv(raised, v) > st_mv(plain, v) + 0.1 for v in ("V2", "V3", "V4"))
        assert all(st_mv(lowered, v) < st_mv(plain, v) - 0.05 for v in ("V4", "V5"))
        assert st_mv(lowered, "V6") < st_mv(plain, "V6")


def test_hypertrophy_raises_the_sokolow_lyon_voltage_and_severity_raises_it_more():
    for person in PEOPLE:
        plain = sokolow_lyon_mv(clean(subject_id=person))
        mild = sokolow_lyon_mv(clean(findings=("LVH",), severity=0.0, subject_id=person))
        marked = sokolow_lyon_mv(clean(findings=("LVH",), severity=1.0, subject_id=person))
        assert 1.2 * plain < mild < marked


def test_inverted_t_waves_point_down_where_they_pointed_up():
    for person in PEOPLE:
        after = slice(round((0.35 + 0.18) * 250), None)
        plain, turned = (
            clean(findings=findings, severity=1.0, subject_id=person, rate_bpm=66.0)
            for findings in ((), ("INVT",))
        )
        upright = [v for v in ("V2", "V3", "V4", "V5") if mean_beat(plain, v)[after].max() > 0.15]
        assert len(upright) >= 2
        assert min(mean_beat(turned, v)[after].min() for v in upright) < -0.1


def test_effects_overlap_with_normal_variation():
    people = [f"p{n}" for n in range(40)]
    normal = [sokolow_lyon_mv(clean(subject_id=p)) for p in people]
    mild = [sokolow_lyon_mv(clean(findings=("LVH",), severity=0.2, subject_id=p)) for p in people]
    assert np.median(mild) > np.median(normal) + 0.5
    assert max(normal) > min(mild)


# Subjects, labels, folds


def test_records_of_a_subject_resemble_each_other_more_than_other_people():
    def shape(person, seed):
        record = clean(subject_id=person, seed=seed, rate_bpm=70.0)
        return np.concatenate([mean_beat(record, name) for name in STANDARD_12_LEADS])

    first = [shape(person, 1) for person in PEOPLE]
    second = [shape(person, 2) for person in PEOPLE]
    distance = np.array([[np.linalg.norm(a - b) for b in second] for a in first])
    assert (distance.argmin(axis=1) == np.arange(len(PEOPLE))).all()


def test_every_class_is_common_enough_and_every_label_belongs_to_its_set(entries):
    source = Synthetic()
    for label_set in source.label_sets:
        part = label_set.name.split("/")[1]
        target = label_set.encode([entry.labels[part] for entry in entries])
        if label_set.has_numbers:
            continue
        assert target.mean(axis=0).min() >= 0.02, part
        assert set(label_set.phrases) == set(label_set.classes)
    assert {s.name for s in source.label_sets} == {
        "synthetic/rhythm",
        "synthetic/morphology",
        "synthetic/findings",
        "synthetic/rate",
    }


def test_the_rate_that_is_listed_is_that_of_the_record():
    for entry in Synthetic(n_subjects=12, records_per_subject=1, duration_s=5.0).entries(NOWHERE):
        assert entry.labels["rate"] == (str(entry.load().facts["heart_rate_bpm"]),)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_forty_subjects_already_show_every_class(seed):
    entries = Synthetic(n_subjects=40, seed=seed).entries(NOWHERE)
    seen = {name for entry in entries for name in entry.labels["findings"] or ()}
    assert seen == {"NORM", *RHYTHMS[1:], *MORPHOLOGIES}


def test_normal_means_that_nothing_else_was_found(entries):
    for labels in (entry.labels for entry in entries):
        is_normal = labels["rhythm"] == ("SR",) and labels["morphology"] == ()
        assert (labels["findings"] == ("NORM",)) == is_normal
        assert ("NORM" in (labels["findings"] or ())) == is_normal


def test_each_subject_is_in_one_fold_and_all_ten_folds_are_used(entries):
    folds = defaultdict(set)
    for entry in entries:
        folds[entry.subject_id].add(entry.fold)
    assert all(len(numbers) == 1 for numbers in folds.values())
    assert Counter(next(iter(f)) for f in folds.values()) == {str(n): 10 for n in range(1, 11)}
    assert len({entry.record_id for entry in entries}) == len(entries) == 500


def test_statements_agree_with_labels_and_a_few_readings_are_wrong(entries):
    some = entries[::5] + entries[1::5]
    n_misread = 0
    for entry in some:
        record = entry.load()
        codes = {s.code.rstrip("_") for s in record.statements}
        assert codes - {"SR"} == set(entry.labels["findings"] or ())
        assert ("SR" in codes) == (entry.labels["rhythm"] == ("SR",))
        assert (record.record_id, record.subject_id) == (entry.record_id, entry.subject_id)
        n_misread += bool(record.facts["is_misread"])
    assert 0 < n_misread / len(some) < 0.1


def test_facts_describe_a_plausible_adult(records):
    for record in records:
        assert 18 <= record.facts["age"] <= 100
        assert record.facts["sex"] in ("female", "male")
        bmi = record.facts["weight_kg"] / (record.facts["height_cm"] / 100) ** 2
        assert 15 < bmi < 45


# Seeds


def test_a_seed_gives_the_same_record_and_another_seed_another():
    first, again, other = (
        next(iter(Synthetic(n_subjects=1, seed=seed).entries(NOWHERE))).load() for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(first.streams["ecg"].signal, again.streams["ecg"].signal)
    assert (first.report, first.facts, first.annotations) == (
        again.report,
        again.facts,
        again.annotations,
    )
    assert not np.array_equal(first.streams["ecg"].signal, other.streams["ecg"].signal)


def test_a_record_does_not_depend_on_the_size_of_the_corpus():
    small = list(Synthetic(n_subjects=3, records_per_subject=2).entries(NOWHERE))
    large = {e.record_id: e for e in Synthetic(n_subjects=9).entries(NOWHERE)}
    for entry in small:
        twin = large[entry.record_id]
        assert (twin.labels, twin.fold, twin.subject_id) == (
            entry.labels,
            entry.fold,
            entry.subject_id,
        )
    np.testing.assert_array_equal(
        small[3].load().streams["ecg"].signal,
        large[small[3].record_id].load().streams["ecg"].signal,
    )


def test_an_entry_survives_pickling(entries):
    entry = pickle.loads(pickle.dumps(entries[7]))
    np.testing.assert_array_equal(
        entry.load().streams["ecg"].signal, entries[7].load().streams["ecg"].signal
    )


# What users get wrong


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"n_subjects": 0}, "n_subjects"),
        ({"seed": -1}, "seed"),
        ({"sampling_rate": 20.0}, "sampling_rate"),
        ({"duration_s": 4.0}, "duration_s"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(settings, field):
    with pytest.raises(ConfigError, match=field):
        Synthetic(**settings)


def test_impossible_wishes_are_refused_with_a_remedy():
    with pytest.raises(UnknownNameError, match="CLBBB"):
        synthetic_record(findings=("LBBB",))
    with pytest.raises(UnknownNameError, match="AFIB"):
        synthetic_record(rhythm="AF")
    with pytest.raises(ConfigError, match="Choose one"):
        synthetic_record(findings=("CLBBB", "LVH"))
    with pytest.raises(ConfigError, match="or another rhythm"):
        synthetic_record(rhythm="SR", rate_bpm=130.0)


def test_the_card_says_that_nobody_was_recorded():
    assert Synthetic.card.synthetic
    assert Synthetic.name == "synthetic"
