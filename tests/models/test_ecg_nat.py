from dataclasses import replace

import jaxtyping
import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from recorded import batch_with_only, recorded
from torch import nn

from medts.core.errors import ConfigError, MedtsError
from medts.core.montage import STANDARD_12_LEADS
from medts.models.ecg_nat import EcgNat
from medts.models.settings.ecg_nat import TOTAL_STRIDE, EcgNatConfig
from medts.tensors.batch import Batch, StreamBatch

MIXERS = ("neighborhood", "full", "conv")


def make_batch(signal, *, n_samples=None, channels=STANDARD_12_LEADS):
    """A batch of whole windows, or of windows whose tail after ``n_samples`` is padding."""
    B, _, T = signal.shape
    n_samples = torch.full((B,), T) if n_samples is None else torch.tensor(n_samples)
    is_valid = torch.arange(T) < n_samples[:, None]
    stream = StreamBatch(
        signal=signal * is_valid[:, None],
        is_recorded=recorded(signal, is_valid),
        channels=channels,
        sampling_rate=100.0,
        modality="ecg",
    )
    names = tuple(f"made-up/{b}" for b in range(B))
    return Batch({"ecg": stream}, record_ids=names, subject_ids=names, text=(None,) * B)


def with_stream(batch, **changes):
    return replace(batch, streams={"ecg": replace(batch.streams["ecg"], **changes)})


def build(**changes):
    """A small encoder whose biases are drawn too, so that a mistaken zero shows."""
    torch.manual_seed(0)
    encoder = EcgNat(EcgNatConfig(**{"size": "nano", **changes})).eval()
    for parameter in encoder.parameters():
        nn.init.normal_(parameter, std=0.15) if parameter.ndim == 1 else None
    return encoder


def noise(n_windows=2, n_channels=12, n_samples=1000, seed=1):
    shape = n_windows, n_channels, n_samples
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("size", "millions"), [("tiny", 2.55), ("small", 5.72), ("mini", 18.40)])
def test_the_sizes_have_the_parameters_of_the_specification(size, millions):
    n_parameters = sum(p.numel() for p in EcgNat(EcgNatConfig(size=size)).parameters())
    assert n_parameters / 1e6 == pytest.approx(millions, rel=0.01)


@pytest.mark.parametrize("length", [200, 1000, 1003, 5000])
def test_any_length_gives_four_scales_each_half_as_long_as_the_last(length):
    encoded = build()(make_batch(noise(n_samples=length)))
    scales = encoded.intermediates["scales"]
    assert [s.tokens.shape[2] for s in scales] == [16, 32, 64, 128]
    assert [s.tokens.shape[1] for s in scales] == [
        -(-length // n) for n in (4, 8, 16, TOTAL_STRIDE)
    ]
    assert all(s.is_valid.all() for s in scales)
    assert encoded.tokens is scales[-1].tokens
    assert encoded.pooled.shape == (2, 128)
    torch.testing.assert_close(encoded.pooled, encoded.tokens.mean(dim=1))


@pytest.mark.parametrize("attention", MIXERS)
@pytest.mark.parametrize("is_single_scale", [False, True])
@pytest.mark.parametrize("length", [200, 533, 1002])  # even and odd before each stride
def test_padding_changes_nothing(attention, is_single_scale, length):
    encoder = build(attention=attention, is_single_scale=is_single_scale)
    signal = noise(n_samples=length)
    plain = encoder(make_batch(signal))
    padded = F.pad(signal, (0, 1400 - length), value=9.0)
    both = encoder(make_batch(padded, n_samples=[length, length]))
    mixed = encoder(make_batch(padded, n_samples=[length, 1400]))
    for encoded, rows in ((both, slice(None)), (mixed, slice(1))):
        torch.testing.assert_close(encoded.pooled[rows], plain.pooled[rows], atol=1e-5, rtol=1e-4)
        scales = encoded.intermediates["scales"]
        for ours, theirs in zip(scales, plain.intermediates["scales"], strict=True):
            n = theirs.tokens.shape[1]
            torch.testing.assert_close(
                ours.tokens[rows, :n], theirs.tokens[rows], atol=1e-5, rtol=1e-4
            )
            assert (ours.is_valid[rows].sum(dim=1) == n).all()
            assert (ours.tokens[rows, n:] == 0).all()


def test_an_absent_lead_carries_no_information():
    encoder = build()
    batch = make_batch(noise())
    is_present = batch.streams["ecg"].is_channel_present.clone()
    is_present[0, 3] = False
    batch = batch_with_only(batch, channels=is_present)
    other = batch.streams["ecg"].signal.clone()
    other[0, 3] = torch.nan
    torch.testing.assert_close(
        encoder(with_stream(batch, signal=other)).pooled, encoder(batch).pooled
    )
    other[0, 3], other[1, 3] = 0.0, 5.0
    changed = encoder(with_stream(batch, signal=other)).pooled
    assert torch.equal(changed[0], encoder(batch).pooled[0])
    assert not torch.allclose(changed[1], encoder(batch).pooled[1])


def test_leads_are_found_by_name_whatever_their_order_and_number():
    encoder = build()
    batch = make_batch(noise())
    stream = batch.streams["ecg"]
    order = torch.randperm(12)
    names = tuple(STANDARD_12_LEADS[c] for c in order)
    shuffled = with_stream(batch, signal=stream.signal[:, order], channels=names)
    torch.testing.assert_close(encoder(shuffled).pooled, encoder(batch).pooled)

    is_present = torch.tensor([name in ("II", "V5") for name in STANDARD_12_LEADS])
    gated = batch_with_only(batch, channels=is_present.expand(2, -1))
    two = make_batch(stream.signal[:, [10, 1]], channels=("V5", "II"))
    torch.testing.assert_close(encoder(two).pooled, encoder(gated).pooled)


@pytest.mark.parametrize("channels", [("I",), ("II", "V1"), (*STANDARD_12_LEADS, "V7", "V8", "V9")])
def test_one_to_fifteen_leads_can_be_asked_for(channels):
    encoder = build(channels=channels)
    encoded = encoder(make_batch(noise(n_channels=len(channels)), channels=channels))
    assert encoded.pooled.isfinite().all()


def test_windows_of_a_batch_are_independent():
    encoder = build()
    signal = noise(n_windows=3, n_samples=800)
    n_samples = [800, 300, 555]
    together = encoder(make_batch(signal, n_samples=n_samples)).pooled
    for b, n in enumerate(n_samples):
        alone = encoder(make_batch(signal[b : b + 1, :, :n])).pooled
        torch.testing.assert_close(together[b : b + 1], alone, atol=1e-5, rtol=1e-4)


def test_a_record_without_the_stream_is_zero_and_disturbs_nobody():
    encoder = build()
    batch = make_batch(noise())
    absent = batch_with_only(batch, windows=torch.tensor([False, True]))
    encoded = encoder(absent)
    assert (encoded.pooled[0] == 0).all()
    assert not encoded.is_valid[0].any()
    torch.testing.assert_close(encoded.pooled[1], encoder(batch).pooled[1], atol=1e-5, rtol=1e-4)


def moved_tokens(before, after):
    return ((before - after).abs().amax(dim=(0, 2)) > 0).nonzero().flatten().tolist()


@pytest.mark.parametrize("at", [400, 401, 402, 403, 5, 1599])
def test_a_sample_moves_only_the_tokens_that_cover_it(at):
    encoder = build(kernel_sizes=(7, 7, 7, 7))
    signal = noise(n_windows=1, n_samples=1600)
    other = signal.clone()
    other[0, 4, at] += 1.0
    before, after = (encoder.tokenize(s, torch.ones(1, 1600).bool())[0] for s in (signal, other))
    # Output j of one convolution reads 2j - 1 to 2j + 1; of two, 4j - 3 to 4j + 3.
    covering = [j for j in range(400) if abs(4 * j - at) <= 3]
    assert moved_tokens(before, after) == covering

    before, after = (
        encoder(make_batch(s)).intermediates["scales"][0].tokens for s in (signal, other)
    )
    moved = moved_tokens(before, after)
    assert set(covering) <= set(moved)
    reach = 3 if 10 < covering[0] < 390 else 6  # windows shift inwards at the borders
    assert covering[0] - reach <= moved[0] <= moved[-1] <= covering[-1] + reach


@pytest.mark.parametrize("attention", MIXERS)
@pytest.mark.parametrize("is_ragged", [False, True])
def test_gradients_reach_every_parameter(attention, is_ragged):
    encoder = build(attention=attention, dilations=(2, 2, 2, 1), size="tiny").train()
    batch = make_batch(noise(n_samples=1003), n_samples=[1003, 700] if is_ragged else None)
    encoder(batch).pooled.square().sum().backward()
    silent = [n for n, p in encoder.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


def test_saved_weights_give_the_same_numbers(tmp_path):
    encoder, batch = build(), make_batch(noise())
    torch.save(encoder.state_dict(), tmp_path / "weights.pt")
    other = EcgNat(EcgNatConfig.model_validate_json(encoder.config.model_dump_json())).eval()
    other.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    assert torch.equal(other(batch).pooled, encoder(batch).pooled)


def test_the_forms_of_attention_agree_inside_the_encoder():
    encoder, batch = build(size="tiny"), make_batch(noise(n_samples=777))
    expected = encoder(batch).pooled
    for form in ("gather", "dense", "chunks"):
        for stage in encoder.stages:
            for layer in stage:
                layer.mixer.form = form
        torch.testing.assert_close(encoder(batch).pooled, expected, atol=1e-5, rtol=1e-4)


def test_half_precision_stays_close():
    encoder, batch = build(size="tiny"), make_batch(noise(), n_samples=[1000, 900])
    with torch.autocast("cpu", torch.bfloat16):
        low = encoder(batch).pooled
    exact = encoder(batch).pooled
    assert F.cosine_similarity(low.float(), exact).min() > 0.999
    pure = encoder.to(torch.bfloat16)(batch).pooled
    assert pure.dtype == torch.bfloat16
    assert F.cosine_similarity(pure.float(), exact).min() > 0.999


def test_drop_path_skips_whole_windows_in_training_only():
    encoder, batch = (
        build(size="tiny", drop_path=0.9),
        make_batch(noise(n_windows=4, n_samples=320)),
    )
    assert torch.equal(encoder(batch).pooled, encoder(batch).pooled)
    assert encoder.stages[0][0].drop_path == 0.0
    layer = encoder.stages[-1][-1].train()
    assert layer.drop_path == pytest.approx(0.9)
    tokens = torch.randn(400, 3, 256)
    kept = (layer.skip(tokens) != 0).flatten(1)
    assert (kept.all(dim=1) | ~kept.any(dim=1)).all()
    assert 0.03 < kept.all(dim=1).float().mean() < 0.2


def test_one_batch_can_be_learnt():
    torch.manual_seed(0)
    encoder, head = EcgNat(EcgNatConfig(size="nano", drop_path=0.0)), nn.Linear(128, 2)
    batch, target = make_batch(noise(n_windows=8, n_samples=320)), torch.tensor([0, 1] * 4)
    optimizer = torch.optim.AdamW([*encoder.parameters(), *head.parameters()], lr=3e-3)
    for _ in range(40):
        optimizer.zero_grad()
        loss = F.cross_entropy(head(encoder(batch).pooled), target)
        loss.backward()
        optimizer.step()
    assert loss < 0.05


class Exportable(nn.Module):
    """Tensors in, a tensor out: what an exporter understands."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, signal, is_valid):
        batch = make_batch(signal)
        return self.encoder(batch_with_only(batch, samples=is_valid)).pooled


def test_it_exports_and_the_export_still_reads_the_padding():
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        model = Exportable(build())
        signal, is_valid = noise(n_windows=1, n_samples=1003), torch.ones(1, 1003).bool()
        program = torch.export.export(model, (signal, is_valid)).run_decompositions()
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)
    exported = program.module()
    torch.testing.assert_close(
        exported(signal, is_valid), model(signal, is_valid), atol=1e-5, rtol=1e-4
    )
    is_valid[:, 400:] = False
    torch.testing.assert_close(
        exported(signal, is_valid),
        model(signal[..., :400], is_valid[:, :400]),
        atol=1e-5,
        rtol=1e-4,
    )


def test_every_second_layer_of_a_stage_is_dilated():
    encoder = build(size="tiny", dilations=(8, 4, 2, 1))
    dilations = [[layer.mixer.dilation for layer in stage] for stage in encoder.stages]
    assert dilations == [[1, 8], [1, 4], [1, 2, 1, 2, 1, 2], [1, 1]]


def test_the_single_scale_control_moves_all_layers_and_keeps_the_strides():
    encoder = build(size="tiny", is_single_scale=True)
    assert [len(stage) for stage in encoder.stages] == [0, 0, 12, 0]
    assert [s.tokens.shape[1] for s in encoder(make_batch(noise())).intermediates["scales"]] == [
        250,
        125,
        63,
        32,
    ]


def test_unusable_batches_are_refused_by_name():
    encoder = build()
    with pytest.raises(ConfigError, match="no stream 'ecg'"):
        encoder(replace(make_batch(noise()), streams={}))
    with pytest.raises(ConfigError, match="none of I, II"):
        encoder(make_batch(noise(n_channels=1), channels=("Fpz",)))
    with pytest.raises(MedtsError, match="31 samples is shorter"):
        encoder(make_batch(noise(n_samples=31)))


@pytest.mark.parametrize(
    "changes",
    [
        {"kernel_sizes": (15, 15, 15, 16)},
        {"dilations": (0, 1, 1, 1)},
        {"channels": ("I", "I")},
        {"channels": ()},
        {"size": "huge"},
    ],
)
def test_contradictory_configs_are_refused(changes):
    with pytest.raises(ValidationError):
        EcgNatConfig(**changes)
