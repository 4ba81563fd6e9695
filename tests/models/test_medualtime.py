"""MedualTime: what it trains, what it freezes, and what it does when something is missing."""

from dataclasses import replace

import pytest
import torch
from recorded import batch_with_only
from safetensors.torch import save
from torch import nn

from medts.core.errors import ConfigError, MedtsError
from medts.core.labels import LabelSet
from medts.core.montage import MONTAGES, STANDARD_12_LEADS
from medts.models.heads import Head
from medts.models.medualtime import MedualTime
from medts.models.settings.medualtime import MedualTimeConfig
from medts.nn.adapters import Adapter
from medts.nn.settings import TextConfig
from medts.objectives.classification import Classification
from medts.objectives.settings.classification import ClassificationConfig
from medts.recipes import find_recipe
from medts.tensors.batch import Batch, StreamBatch
from medts.training.optimisation import build_optimizer

pytest.importorskip("transformers")

REPORTS = ("sinus rhythm", "atrial fibrillation, left axis deviation", "normal ecg")
EACH = pytest.mark.parametrize("name", ["random-tiny-gpt2", "random-tiny-bert"])


def build(name="random-tiny-gpt2", gate=None, **changes):
    torch.manual_seed(0)
    small = {"conv_widths": (4, 8), "modality_dropout": 0.0}
    source = TextConfig(name=name, max_tokens=64)
    encoder = MedualTime(MedualTimeConfig(**{"language_model": source, **small, **changes}))
    if gate is not None:
        open_gates(encoder, gate)
    return encoder.eval()


def open_gates(encoder, gate):
    for module in encoder.modules():
        if isinstance(module, Adapter):
            nn.init.constant_(module.gate, gate)


def make_batch(texts=REPORTS, n_samples=200, channels=STANDARD_12_LEADS, seed=0, **changes):
    generator, n, n_channels = torch.Generator().manual_seed(seed), len(texts), len(channels)
    stream = StreamBatch(
        signal=torch.randn(n, n_channels, n_samples, generator=generator),
        is_recorded=torch.ones(n, n_channels, n_samples, dtype=torch.bool),
        channels=channels,
        sampling_rate=100.0,
        modality="ecg",
    )
    ids = tuple(str(index) for index in range(n))
    return Batch({"ecg": replace(stream, **changes)}, ids, ids, tuple(texts))


def count(module):
    return sum(each.numel() for each in module.parameters() if each.requires_grad)


def test_the_recipe_of_the_paper_trains_907_145_parameters_and_saves_nothing_else():
    recipe, shape = find_recipe("medualtime_paper"), TextConfig(name="random-gpt2-small")
    assert (recipe.encoder.language_model.name, recipe.encoder.text_encoder.name) == (
        "gpt2", "medicalai/ClinicalBERT",
    )  # fmt: skip
    encoder = MedualTime(recipe.encoder.but(language_model=shape, text_encoder=shape))
    assert encoder.n_plain == 1
    assert encoder.text_projection is None
    assert count(encoder.signal_conv) == 582_912
    assert [count(block) for block in encoder.signal_conv.blocks] == [39_424, 197_632, 246_784]
    assert count(encoder.patches) == 231_168
    assert encoder.signal_adapter.tokens.numel() + encoder.text_adapter.tokens.numel() == 84_480
    norms = (encoder.conv_norm, encoder.signal_norm, encoder.text_norm)
    assert sum(map(count, norms)) == 4_608
    assert encoder.text_adapter.gate is encoder.signal_adapter.gate
    assert encoder.signal_adapter.gate.numel() == 132
    five = LabelSet(name="a/five", classes=tuple("vwxyz"), kind="multi")
    head = Head(recipe.head, dim=encoder.dim, label_set=five)
    assert count(encoder) == 903_300
    assert count(encoder) + count(head) == 907_145
    of_the_model = sum(each.numel() for each in encoder.language_model.model.parameters())
    assert of_the_model == 124_439_808
    assert len(save(encoder.state_dict())) < 0.02 * 4 * of_the_model


@EACH
def test_with_closed_gates_each_pass_is_the_plain_model(name):
    encoder, alone = build(name), build(name, n_adapted=0)
    own = alone.state_dict()
    alone.load_state_dict({k: v for k, v in encoder.state_dict().items() if k in own})
    with torch.no_grad():
        found, expected = encoder(make_batch()), alone(make_batch())
    assert torch.equal(found.tokens, expected.tokens)
    torch.testing.assert_close(found.pooled, expected.pooled, atol=1e-6, rtol=1e-6)


@EACH
def test_gates_learn_first_then_tokens_and_nothing_frozen_ever_does(name):
    encoder = build(name).train()
    before = {name: each.clone() for name, each in encoder.language_model.model.named_parameters()}
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=1e-2)
    inside = ("adapter.tokens", "signal_conv", "conv_norm")

    def step():
        optimizer.zero_grad()
        encoder(make_batch()).pooled.square().sum().backward()
        moved = {n for n, p in encoder.named_parameters() if p.grad is not None and p.grad.any()}
        optimizer.step()
        return moved

    everything = {name for name, _ in encoder.named_parameters()}
    first = step()
    assert first == {name for name in everything if not any(part in name for part in inside)}
    assert {"signal_adapter.own_gate", "text_adapter.own_gate"} <= first
    assert step() == everything
    for name, each in encoder.language_model.model.named_parameters():
        assert each.grad is None
        assert torch.equal(each, before[name])


@EACH
@pytest.mark.parametrize("fusion", ["mean", "gate", "concat"])
def test_training_mode_drops_nothing_unless_asked(name, fusion):
    encoder = build(name, gate=0.5, fusion=fusion).train()
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.eval()
    with torch.no_grad():
        assert torch.equal(encoder(make_batch()).pooled, encoder(make_batch()).pooled)
    encoder.config = encoder.config.but(modality_dropout=0.9)
    found = [encoder(make_batch()).intermediates["passes"] for _ in range(10)]
    assert any(not each.has_text.all() for each in found)
    assert any(not each.has_signal.all() for each in found)
    assert all((each.has_text | each.has_signal).all() for each in found)


@EACH
@torch.no_grad()
def test_longer_reports_beside_it_change_nothing_for_a_window(name):
    encoder = build(name, gate=0.8)
    alone = encoder(make_batch(REPORTS[:1])).intermediates["passes"].text[0]
    beside = make_batch((REPORTS[0], "word " * 12))
    signal = beside.streams["ecg"].signal
    signal[0] = make_batch(REPORTS[:1]).streams["ecg"].signal[0]
    found = encoder(beside).intermediates["passes"].text[0]
    torch.testing.assert_close(found, alone, atol=1e-5, rtol=1e-5)


@EACH
@torch.no_grad()
def test_each_pass_hears_of_the_other_modality_once_gates_are_open(name):
    for gate, is_deaf in ((0.0, True), (0.8, False)):
        encoder = build(name, gate=gate)
        passes = encoder(make_batch()).intermediates["passes"]
        other_text = encoder(make_batch(REPORTS[::-1])).intermediates["passes"]
        other_signal = encoder(make_batch(seed=1)).intermediates["passes"]
        assert torch.equal(passes.signal[0], other_text.signal[0]) == is_deaf
        assert torch.allclose(passes.text, other_signal.text, atol=1e-6) == is_deaf
        assert not torch.allclose(passes.text[0], other_text.text[0])
        assert not torch.allclose(passes.signal, other_signal.signal)


@EACH
@pytest.mark.parametrize("fusion", ["mean", "gate", "concat"])
@torch.no_grad()
def test_what_is_missing_is_left_out_of_the_fusion(name, fusion):
    encoder = build(name, gate=0.8, fusion=fusion)
    texts = (REPORTS[0], None, "  ", REPORTS[2])
    is_present = torch.tensor([True, True, True, False])
    encoded = encoder(batch_with_only(make_batch(texts), windows=is_present))
    passes = encoded.intermediates["passes"]
    assert passes.has_text.tolist() == [True, False, False, True]
    assert passes.has_signal.tolist() == [True, True, True, False]
    assert not passes.text[1:3].any()
    assert not passes.signal[3].any()
    if fusion == "concat":
        assert torch.equal(encoded.pooled, torch.cat([passes.signal, passes.text], dim=1))
    else:
        assert torch.equal(encoded.pooled[1:3], passes.signal[1:3])
        assert torch.equal(encoded.pooled[3], passes.text[3])
        halfway = (passes.signal[0] + passes.text[0]) / 2
        assert torch.allclose(encoded.pooled[0], halfway) == (fusion == "mean")
    nobody = torch.tensor([False, False])
    nothing = encoder(batch_with_only(make_batch((None, None)), windows=nobody))
    assert not nothing.pooled.any()


@EACH
@pytest.mark.parametrize("fusion", ["mean", "gate", "concat"])
@torch.no_grad()
def test_a_hidden_report_carries_no_information(name, fusion):
    encoder = build(name, gate=0.8, fusion=fusion)
    is_seen = torch.tensor([False, True, False])
    encoder.drop_modality = lambda has_signal, has_text: (has_signal, has_text & is_seen)
    found = encoder(make_batch(REPORTS))
    for text in ("complete left bundle branch block", "word " * 12, None):
        other = encoder(make_batch((text, REPORTS[1], "another")))
        assert torch.equal(other.pooled, found.pooled)
        assert torch.equal(other.tokens, found.tokens)
    shown = encoder(make_batch((REPORTS[0], "another", REPORTS[2])))
    assert not torch.equal(shown.pooled[1], found.pooled[1])


@torch.no_grad()
def test_a_model_that_reads_one_modality_does_not_depend_on_the_other():
    signal = build(gate=0.8, reads="signal")
    encoded = signal(make_batch())
    assert torch.equal(encoded.pooled, signal(make_batch(REPORTS[::-1])).pooled)
    assert torch.equal(encoded.pooled, encoded.intermediates["passes"].signal)
    text = build(gate=0.8, reads="text")
    encoded = text(make_batch())
    assert torch.equal(encoded.pooled, text(make_batch(seed=1)).pooled)
    assert torch.equal(encoded.pooled, encoded.intermediates["passes"].text)
    assert not encoded.is_valid.any()


@torch.no_grad()
def test_a_text_of_ten_thousand_words_is_cut_with_one_warning():
    encoder = build("random-tiny-bert", gate=0.8)
    with pytest.warns(UserWarning, match="1 of 2 texts are longer than the 64 tokens"):
        encoder(make_batch(("word " * 10_000, REPORTS[0])))
    encoder(make_batch(("other " * 10_000, REPORTS[0])))
    assert encoder.language_model.n_truncated == 2


@EACH
@pytest.mark.filterwarnings("ignore:.*texts are longer than")
@pytest.mark.parametrize(
    "text", ["word " * 10_000, "标准十二导联心电图", "синусовый ритм", "x", "\n\t", None]
)
@torch.no_grad()
def test_any_text_gives_finite_numbers(name, text):
    encoded = build(name, gate=0.8)(make_batch((text, REPORTS[0])))
    assert encoded.pooled.isfinite().all()


@torch.no_grad()
def test_other_lengths_and_channels_than_trained_are_read_by_name():
    encoder = build(gate=0.8)
    for n_samples in (7, 25, 1000):
        encoded = encoder(make_batch(n_samples=n_samples))
        assert encoded.tokens.shape[1] == -(-n_samples // 25)
    with pytest.raises(MedtsError, match="positions"):
        encoder(make_batch(n_samples=30_000))
    batch = make_batch()
    stream = batch.streams["ecg"]
    turned = replace(stream, signal=stream.signal.flip(1), channels=stream.channels[::-1])
    found = encoder(replace(batch, streams={"ecg": turned})).pooled
    torch.testing.assert_close(found, encoder(batch).pooled)
    fewer = encoder(make_batch(channels=("II", "V9"))).pooled
    assert fewer.isfinite().all()
    with pytest.raises(ConfigError, match="none of I, II"):
        encoder(make_batch(channels=("Fz",)))
    with pytest.raises(ConfigError, match="no stream 'eeg'"):
        build(stream="eeg")(batch)


@torch.no_grad()
def test_eeg_is_read_as_ecg_is():
    channels = MONTAGES["eeg-10-20"].channels
    encoder = build(channels=channels, patch=50)
    encoded = encoder(make_batch(channels=channels, n_samples=1200))
    assert encoded.tokens.shape == (3, 24, 32)
    assert encoded.pooled.isfinite().all()


def test_the_message_of_another_text_encoder_is_projected_only_where_widths_differ():
    same = build(text_encoder=TextConfig(name="random-tiny-bert"))
    assert same.text_projection is None
    other = build(text_encoder=TextConfig(name="random-minilm"), gate=0.5)
    assert count(other) - count(same) == 384 * 32 + 32 + 64
    other(make_batch()).pooled.square().sum().backward()
    assert all(each.grad.any() for each in other.text_projection.parameters())
    assert {"language_model.digest", "text_encoder.digest"} <= set(other.state_dict())


def test_ablations_keep_one_pass_and_what_it_hears():
    signal, text = build(passes="signal"), build(passes="text")
    assert not hasattr(signal, "signal_conv")
    assert not hasattr(text, "patches")
    for encoder in (signal, text):
        open_gates(encoder, 0.8)
        assert encoder(make_batch()).pooled.isfinite().all()
    assert not torch.equal(
        signal(make_batch()).pooled[0], signal(make_batch(REPORTS[::-1])).pooled[0]
    )
    assert not torch.allclose(text(make_batch()).pooled, text(make_batch(seed=1)).pooled)
    with pytest.raises(ValueError, match="needs both passes"):
        MedualTimeConfig(passes="text", fusion="gate")


def test_reports_are_computed_once_where_nothing_below_learns():
    encoder = build().eval()
    with torch.inference_mode():  # as in validation; what it leaves behind can be learnt from
        encoder(make_batch())
    for _ in range(3):
        encoder.train()(make_batch()).pooled.sum().backward()
    assert encoder.language_model.n_computed == 3 + 3, "below the first adapter, and messages"
    assert encoder.n_plain == 1
    trained = build(is_language_model_trained=True).train()
    trained(make_batch()).pooled.square().sum().backward()
    assert trained.language_model.n_computed == 0, "nothing that learns is kept"
    assert trained.language_model.blocks[0].mlp.c_fc.weight.grad.any()
    assert any("c_attn" in name for name in trained.state_dict())


def test_a_trained_language_model_learns_slowly_and_what_is_new_around_it_does_not():
    recipe = find_recipe("medualtime_small").but(training__layer_decay=0.05)
    encoder = build(is_language_model_trained=True)
    labels = LabelSet(name="a/b", classes=("x", "y"), kind="multi")
    head = Head(recipe.head, dim=encoder.dim, label_set=labels)
    model = Classification(
        ClassificationConfig(),
        encoder=encoder,
        head=head,
        label_set=labels,
        prevalence=torch.tensor([0.5, 0.5]),
    )
    groups = build_optimizer(model, recipe.training).param_groups
    rates = {each: group["lr"] for group in groups for each in group["params"]}
    assert rates.keys() == set(model.parameters())
    name = set(encoder.language_model.parameters())
    assert len(name) > 20
    assert [rates[each] for each in name] == pytest.approx([5e-5] * len(name))
    assert {rates[each] for each in rates.keys() - name} == {1e-3}
    assert {rates[each] for each in head.parameters()} == {1e-3}
    frozen = build()
    assert list(frozen.parts()) == [frozen]


def test_another_language_model_is_refused_and_a_missing_one_explained():
    with pytest.raises(ConfigError, match="trained on a language model with digest"):
        build("random-tiny-bert").load_state_dict(build("random-tiny-gpt2").state_dict())
    with pytest.raises(ConfigError, match=r"no/such/folder.*Name 'minilm', a folder"):
        build("no/such/folder")
    with pytest.raises(ConfigError, match="4 blocks cannot be adapted"):
        build(n_adapted=4)


def test_thirty_two_pairs_are_learnt_by_heart():
    encoder = build(conv_stride=4).train()
    head = nn.Linear(encoder.dim, 2)
    optimizer = torch.optim.AdamW([*encoder.parameters(), *head.parameters()], lr=1e-2)
    batch = make_batch([f"report {n}" for n in range(32)], n_samples=100)
    target = torch.randint(2, (32,), generator=torch.Generator().manual_seed(0))
    for _ in range(60):
        loss = nn.functional.cross_entropy(head(encoder(batch).pooled), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1


@torch.no_grad()
def test_half_precision_stays_near_full():
    encoder = build("random-tiny-gpt2", gate=0.5)
    full = encoder(make_batch()).pooled
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = encoder(make_batch()).pooled
    torch.testing.assert_close(half.float(), full, atol=0.1, rtol=0.1)
