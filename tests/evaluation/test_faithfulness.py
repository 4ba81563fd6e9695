from dataclasses import replace

import numpy as np
import pytest
import torch
from recorded import recorded

from medts.core.errors import ConfigError
from medts.evaluation.faithfulness import (
    Curves,
    compare_orders,
    keep,
    measure_order,
    rank_pieces,
    sum_runs,
)
from medts.tensors.batch import Batch, StreamBatch


def make_batch(n_samples=(100, 100), n_channels=3, n_all=100):
    n_windows = len(n_samples)
    is_valid = torch.arange(n_all) < torch.tensor(n_samples)[:, None]
    signal = torch.zeros(n_windows, n_channels, n_all)
    signal[:, 1, 30:40], signal[:, 1, 60:70] = 1.0, -1.0  # every channel has mean 0
    stream = StreamBatch(
        signal=signal * is_valid[:, None],
        is_recorded=recorded(signal, is_valid),
        channels=tuple(f"c{c}" for c in range(n_channels)),
        sampling_rate=100.0,
        modality="ecg",
    )
    ids = tuple(map(str, range(n_windows)))
    return Batch({"ecg": stream}, ids, ids, (None,) * n_windows)


def answer(batch):
    """Looks at nothing but the fourth tenth of a second of the second channel."""
    return batch.streams["ecg"].signal[:, 1, 30:40].mean(dim=1).double()


def true_relevance():
    relevance = torch.zeros(2, 3, 100)
    relevance[:, 1, 30:40] = 1.0
    return {"ecg": relevance}


def test_the_true_explanation_falls_and_rises_at_the_first_step():
    curves = measure_order(answer, make_batch(), true_relevance(), n_steps=30)
    assert curves.deletion.tolist() == [1.0] + [0.0] * 30
    assert curves.insertion.tolist() == [0.0] + [1.0] * 30
    assert curves.score == pytest.approx(1 - 1 / 30)


def test_the_opposite_explanation_is_as_bad_as_the_true_one_is_good():
    opposite = {"ecg": 1 - true_relevance()["ecg"]}
    assert measure_order(answer, make_batch(), opposite, n_steps=30).score == pytest.approx(
        -(1 - 1 / 30)
    )


def test_random_orders_score_around_zero_and_are_the_same_for_a_seed():
    curves = compare_orders(
        answer, make_batch(), {"attention": true_relevance()}, n_random=40, n_steps=30
    )
    scores = [each.score for each in curves["random"]]
    assert abs(np.mean(scores)) < 0.25
    assert max(scores) < curves["attention"][0].score
    again = compare_orders(answer, make_batch(), {}, n_random=40, n_steps=30)
    assert scores == [each.score for each in again["random"]]


def test_every_piece_has_a_place_of_its_own_and_padding_has_none():
    batch = make_batch(n_samples=(100, 55))
    relevance = {"ecg": torch.rand(2, 3, 100)}
    rank = rank_pieces(batch, relevance, 0.1)["ecg"]
    assert sorted(rank[0, :, ::10].flatten().tolist()) == pytest.approx([k / 30 for k in range(30)])
    assert sorted(rank[1, :, :60:10].flatten().tolist()) == pytest.approx(
        [k / 18 for k in range(18)]
    )
    assert (rank[1, :, 60:] == 0).all()
    runs = rank.unflatten(2, (10, 10))
    assert (runs == runs[..., :1]).all()
    totals = relevance["ecg"][0].unflatten(1, (10, 10)).sum(dim=2)
    assert rank[0, :, ::10].flatten().argmin() == totals.flatten().argmax()


def test_the_ends_of_the_curves_are_the_whole_and_the_empty_window():
    batch = make_batch()
    seen = []

    def watch(given):
        seen.append(float(given.streams["ecg"].signal.square().sum()))
        return answer(given)

    measure_order(watch, batch, {"ecg": torch.rand(2, 3, 100)}, n_steps=4)
    whole = float(batch.streams["ecg"].signal.square().sum())
    assert [seen[0], seen[1], seen[-2], seen[-1]] == [whole, 0.0, 0.0, whole]
    assert all(a + b == pytest.approx(whole) for a, b in zip(seen[::2], seen[1::2], strict=True))


def test_masks_stay_as_they_are():
    batch = make_batch()
    emptied = keep(batch, {"ecg": torch.zeros(2, 3, 100, dtype=torch.bool)})
    assert emptied.streams["ecg"].is_valid.all()
    assert not emptied.streams["ecg"].signal.any()


def test_what_is_taken_away_becomes_the_mean_of_its_channel_over_what_was_recorded():
    batch = make_batch(n_samples=(100, 55))
    drawn = torch.randn(2, 3, 100, generator=torch.Generator().manual_seed(0)) + 3
    is_present = torch.tensor([[True, True, False], [True, True, True]])
    part = batch.streams["ecg"]
    is_real = part.is_recorded & is_present[..., None]
    stream = replace(part, signal=drawn * is_real, is_recorded=is_real)
    batch = replace(batch, streams={"ecg": stream})
    means = torch.tensor(
        [[drawn[b, c, :n].mean() for c in range(3)] for b, n in ((0, 100), (1, 55))]
    )

    empty = keep(batch, {"ecg": torch.zeros(2, 3, 100, dtype=torch.bool)}).streams["ecg"]
    torch.testing.assert_close(empty.signal, means[..., None] * is_real)
    is_kept = torch.rand(2, 3, 100) < 0.5
    partly = keep(batch, {"ecg": is_kept}).streams["ecg"].signal
    assert torch.equal(partly[is_kept], stream.signal[is_kept])
    torch.testing.assert_close(partly[~is_kept], empty.signal[~is_kept])
    whole = keep(batch, {"ecg": torch.ones(2, 3, 100, dtype=torch.bool)}).streams["ecg"].signal
    assert torch.equal(whole, stream.signal)


def test_an_offset_of_a_channel_changes_nothing_for_a_model_that_subtracts_its_mean():
    batch, relevance = make_batch(), {"ecg": torch.rand(2, 3, 100)}
    raised = replace(batch.streams["ecg"], signal=batch.streams["ecg"].signal + 5.0)

    def centred(given):
        signal = given.streams["ecg"].signal
        return (signal - signal.mean(dim=2, keepdim=True))[:, 1, 30:40].mean(dim=1).double()

    low = measure_order(centred, batch, relevance)
    high = measure_order(centred, replace(batch, streams={"ecg": raised}), relevance)
    np.testing.assert_allclose(high.deletion, low.deletion, atol=1e-5)
    np.testing.assert_allclose(high.insertion, low.insertion, atol=1e-5)


def test_runs_are_summed_to_the_last_short_one():
    assert sum_runs(torch.arange(5.0)[None, None], 2)[0, 0].tolist() == [1.0, 5.0, 4.0]


def test_the_score_is_the_area_between_the_curves():
    shares = np.array([0.0, 0.5, 1.0])
    curves = Curves(shares, np.array([1.0, 0.5, 0.0]), np.array([0.0, 0.5, 1.0]))
    assert curves.score == pytest.approx(0.0)


@pytest.mark.parametrize("settings", [{"n_steps": 0}, {"piece_s": 0.0}])
def test_steps_that_change_nothing_are_refused(settings):
    with pytest.raises(ConfigError, match="change nothing"):
        compare_orders(answer, make_batch(), {}, **settings)


def test_a_score_without_random_orders_beside_it_is_refused():
    with pytest.raises(ConfigError) as refused:
        compare_orders(answer, make_batch(), {"attention": true_relevance()}, n_random=0)
    assert refused.value.field == "random"
