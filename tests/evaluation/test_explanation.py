import numpy as np
import pytest
import torch
from recorded import recorded

from medts.core.errors import UnknownNameError
from medts.evaluation.explanation import bin_means, on_time_axis
from medts.inference.explain import Explanation
from medts.tensors.batch import Batch, StreamBatch


def make_explanation(n_channels=3):
    is_channel_present = torch.ones(2, n_channels, dtype=torch.bool)
    is_channel_present[:, 2] = False
    signal = torch.randn(2, n_channels, 200, generator=torch.Generator().manual_seed(0))
    stream = StreamBatch(
        signal=signal * is_channel_present[..., None],
        is_recorded=recorded(signal, channels=is_channel_present),
        channels=tuple(f"c{c}" for c in range(n_channels)),
        sampling_rate=100.0,
        modality="ecg",
    )
    relevance = torch.ones(2, n_channels, 200) * is_channel_present[..., None]
    relevance[1] *= 3.0
    return Explanation(
        record_id="r<1>",
        label="A",
        probability=0.7,
        method="attention",
        batch=Batch({"ecg": stream}, ("r1", "r1"), ("s", "s"), (None, None)),
        starts_s=(0.0, 1.0),
        relevance={"ecg": relevance / relevance.sum(dim=(1, 2), keepdim=True)},
        n_tokens={"patches": 12, "window": 5},
    )


def test_windows_are_laid_beside_each_other_and_averaged_where_they_overlap():
    explanation = make_explanation()
    explanation.relevance["ecg"][1] *= 3
    found = on_time_axis(explanation, "ecg")
    one, n = 1 / 400, 50  # bins of six samples
    assert found.relevance.shape == (3, n)
    assert (found.start_s, found.end_s) == (0.0, pytest.approx(3.0))
    np.testing.assert_allclose(found.relevance[0, :16], one, rtol=1e-5)
    np.testing.assert_allclose(found.relevance[0, 17:33], 2 * one, rtol=1e-5)
    np.testing.assert_allclose(found.relevance[0, 34:], 3 * one, rtol=1e-5)
    assert np.isnan(found.relevance[2]).all()
    assert found.shares["c0"] == pytest.approx(1.0)
    with pytest.raises(UnknownNameError, match="stream of the model"):
        on_time_axis(explanation, "eeg")


def test_bins_are_means_without_gaps():
    values = np.arange(480.0)[None]
    values[0, :3] = np.nan
    bins = bin_means(values, 3)
    assert bins.shape == (1, 160)
    assert np.isnan(bins[0, 0])
    assert bins[0, 1] == 4.0
