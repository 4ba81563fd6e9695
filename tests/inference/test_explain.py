from dataclasses import replace

import numpy as np
import pytest
import torch

from medts.core.errors import ConfigError, UnknownNameError
from medts.core.labels import LabelSet, OperatingPoint
from medts.core.records import Record, Stream
from medts.core.reports import ReportSettings
from medts.data.windowing import Windowing, windows_of
from medts.inference import explain
from medts.inference.bundle import Bundle
from medts.inference.explain import cut_record, explain_record, probabilities, relevance_of
from medts.inference.manifest import Labels, ModelConfig, Provenance
from medts.models.base import Encoder
from medts.models.heads import Head
from medts.models.settings.heads import HeadConfig
from medts.models.settings.sparseformer import SparseformerConfig
from medts.models.settings.xresnet1d import XResNet1dConfig
from medts.signal.preprocess import Preprocessing
from medts.tensors.batch import Encoded

SPARSEFORMER = SparseformerConfig(
    dim=16, n_heads=2, tokens_per_block=(8, 4), cap_ratios=(0.5, 0.25), mlp_ratio=2.0, hidden=16
)
LEADS = ("I", "II", "V1", "V5")
HEAD = HeadConfig(hidden=0, dropout=0.0, normalise=False)


def make_bundle(encoder=SPARSEFORMER, kind="multi"):
    torch.manual_seed(0)
    label_set = LabelSet(name="made-up/set", classes=("A", "B", "C"), kind=kind)
    point = OperatingPoint(threshold=0.5, rule="half", split="validation: 8")
    return Bundle(
        ModelConfig(
            encoder=encoder,
            head=HEAD,
            windowing=Windowing(window_s=4.0, stride_s=2.0),
        ),
        preprocessing=Preprocessing(),
        labels=Labels(
            label_set=label_set, operating_points=dict.fromkeys(label_set.classes, point)
        ),
        provenance=Provenance(recipe="made-up"),
    )


def make_record(duration_s=8.0, seed=0):
    signal = np.random.default_rng(seed).standard_normal((4, round(100 * duration_s)))
    stream = Stream(signal.astype(np.float32), LEADS, 100.0, "ecg", "mV")
    return Record("r1", {"ecg": stream}, subject_id="s1")


class Weighted(Encoder):
    """An embedding that is a weighted sum of the samples: its relevance is known."""

    dim = 2

    def __init__(self, weight):
        super().__init__()
        self.weight = weight

    def forward(self, batch):
        stream = batch.streams["ecg"]
        pooled = torch.einsum("bct,dct->bd", stream.signal, self.weight)
        return Encoded(stream.signal, stream.is_channel_present, pooled)


def test_gradient_times_input_is_the_share_of_every_sample_in_a_weighted_sum():
    bundle = make_bundle()
    _, batch = cut_record(bundle, make_record())
    weight = torch.randn(2, 12, 400)
    bundle.encoder = Weighted(weight)
    bundle.head = Head(HEAD, dim=2, label_set=bundle.label_set)
    relevance, _ = relevance_of(bundle, batch, class_index=1, method="gradient")
    combined = torch.einsum("d,dct->ct", bundle.head.layers[-1].weight[1].detach(), weight)
    expected = (combined * batch.streams["ecg"].signal).abs()
    expected = expected / expected.sum(dim=(1, 2), keepdim=True)
    torch.testing.assert_close(relevance["ecg"], expected, atol=1e-6, rtol=1e-4)


def test_windows_are_those_of_a_prediction():
    bundle, record = make_bundle(), make_record(9.0)
    starts_s, batch = cut_record(bundle, record)
    assert starts_s == (0.0, 2.0, 4.0, 5.0)
    expected = windows_of(record, bundle.preprocessing, bundle.config.windowing)
    for row, window in enumerate(expected):
        assert np.array_equal(batch.streams["ecg"].signal[row], window.streams["ecg"].signal)
    assert torch.allclose(probabilities(bundle, batch).float(), bundle.logits(batch).sigmoid())


def test_reports_are_read_as_in_a_prediction():
    bundle = make_bundle()
    bundle.preprocessing = bundle.preprocessing.but(reports=ReportSettings())
    record = replace(make_record(), report="  Sinus   rhythm. ")
    _, batch = cut_record(bundle, record)
    expected = windows_of(record, bundle.preprocessing, bundle.config.windowing)
    assert batch.text == tuple(window.text for window in expected)
    assert batch.text[0] != record.report


@pytest.mark.parametrize("method", ["attention", "gradient"])
@pytest.mark.parametrize("kind", ["single", "multi"])
def test_relevance_is_shared_out_among_what_was_recorded(method, kind):
    found = explain_record(make_bundle(kind=kind), make_record(), method=method)
    assert found.method == method
    relevance = found.relevance["ecg"]
    torch.testing.assert_close(relevance.sum(dim=(1, 2)), torch.ones(3))
    assert (relevance >= 0).all()
    shares = found.of_channels()["ecg"]
    assert {name for name, share in shares.items() if share > 0} == set(LEADS)
    assert sum(shares.values()) == pytest.approx(1.0, abs=1e-5)
    assert ("window" in found.n_tokens) == (method == "attention")


def test_the_likeliest_class_is_explained_unless_one_is_named():
    bundle, record = make_bundle(), make_record()
    _, batch = cut_record(bundle, record)
    mean = probabilities(bundle, batch).mean(dim=0)
    found = explain_record(bundle, record)
    assert found.label == "ABC"[int(mean.argmax())]
    assert found.probability == pytest.approx(float(mean.max()))
    assert explain_record(bundle, record, label="C").label == "C"
    with pytest.raises(UnknownNameError, match="class of made-up/set"):
        explain_record(bundle, record, label="D")


def test_other_encoders_are_explained_by_their_gradient_and_cannot_be_traced():
    bundle = make_bundle(XResNet1dConfig(size="10", width=8, stem=(4, 4, 8)))
    found = explain_record(bundle, make_record())
    assert found.method == "gradient"
    with pytest.raises(ConfigError, match="xresnet1d cannot be traced"):
        explain_record(bundle, make_record(), method="attention")


def test_a_dead_model_gives_no_relevance_instead_of_not_a_number():
    bundle = make_bundle()
    for parameter in bundle.head.parameters():
        torch.nn.init.zeros_(parameter)
    found = explain_record(bundle, make_record(), method="gradient")
    assert (found.relevance["ecg"] == 0).all()


def test_a_record_shorter_than_a_window_has_no_relevance_in_its_padding():
    record = make_record(3.0)
    for method in ("attention", "gradient"):
        found = explain_record(make_bundle(), replace(record), method=method)
        assert (found.relevance["ecg"][..., 300:] == 0).all()


@pytest.mark.parametrize("method", ["gradient", "attention"])
def test_windows_are_explained_a_few_at_a_time_with_the_same_result(method, monkeypatch):
    bundle = make_bundle()
    _, batch = cut_record(bundle, make_record(duration_s=12.0))
    whole, tokens = relevance_of(bundle, batch, class_index=0, method=method)
    everything = probabilities(bundle, batch)
    monkeypatch.setattr(explain, "_AT_A_TIME", 2)
    parts, again = relevance_of(bundle, batch, class_index=0, method=method)
    assert len(batch) == 5
    assert tokens == again
    torch.testing.assert_close(parts["ecg"], whole["ecg"])
    torch.testing.assert_close(probabilities(bundle, batch), everything)
