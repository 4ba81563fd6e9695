from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from recorded import batch_with_only, only, recorded

from medts.core.errors import ConfigError, MedtsError
from medts.models.settings.base import StreamInput
from medts.models.settings.sparseformer import SparseformerConfig
from medts.models.sparseformer import Sparseformer, code_of
from medts.nn.label_encoder import LabelEncoder
from medts.nn.multi_granularity import cap, cap_rows, valid_patches
from medts.tensors.batch import Batch, StreamBatch

COUNTS = ("capped", "paper")
SHAPES = [(16, 256), (15, 300), (12, 1000), (19, 6000), (1, 37)]


def make_batch(signal, *, n_samples=None, n_channels=None, rate=100.0, stream="ecg"):
    """Windows whose samples after ``n_samples`` and channels after ``n_channels`` are missing."""
    B, C, T = signal.shape
    n_samples = torch.full((B,), T) if n_samples is None else torch.tensor(n_samples)
    n_channels = torch.full((B,), C) if n_channels is None else torch.tensor(n_channels)
    is_valid = torch.arange(T) < n_samples[:, None]
    is_channel_present = torch.arange(C) < n_channels[:, None]
    part = StreamBatch(
        signal=signal * is_valid[:, None] * is_channel_present[..., None],
        is_recorded=recorded(signal, is_valid, is_channel_present),
        channels=tuple(f"c{c}" for c in range(C)),
        sampling_rate=rate,
        modality="ecg",
    )
    names = tuple(f"made-up/{b}" for b in range(B))
    return Batch({stream: part}, record_ids=names, subject_ids=names, text=(None,) * B)


def with_stream(batch, **changes):
    return replace(batch, streams={"ecg": replace(batch.streams["ecg"], **changes)})


def build(**changes):
    torch.manual_seed(0)
    small = {"dim": 16, "n_heads": 2, "mlp_ratio": 2.0, "hidden": 24, "prior_dim": 6}
    return Sparseformer(SparseformerConfig(**{**small, **changes})).eval()


def noise(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def n_parameters(module):
    return sum(p.numel() for p in module.parameters())


def close(a, b):
    torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_what_an_untrained_encoder_says_depends_on_the_signal():
    time = torch.arange(1000) / 100
    rate = torch.linspace(0.8, 3.0, 16)  # hearts of several rates
    beats = torch.exp(-(((time * rate[:, None]) % 1 - 0.5) ** 2) / 0.002)
    encoder = build(
        dim=64,
        n_heads=4,
        tokens_per_block=(32, 16),
        cap_ratios=(0.5, 0.25),
        prior_dim=0,
        query_start="learnt",
        is_summary_normed=False,
    )
    with torch.no_grad():
        pooled = encoder(make_batch(beats[:, None].repeat(1, 12, 1))).pooled
    share = pooled.std(dim=0).norm() / pooled.mean(dim=0).norm()
    assert share > 0.03


def test_the_published_layout_has_the_published_number_of_parameters():
    encoder = Sparseformer(
        SparseformerConfig(
            token_counts="paper",
            query_start="learnt",
            is_summary_normed=False,
            has_granularity_embedding=False,
            prior_dim=768,
        )
    )
    labels = LabelEncoder(text_dim=768, hidden=768, dim=128)
    assert (n_parameters(encoder) + n_parameters(labels)) / 1e6 == pytest.approx(8.40, abs=0.01)
    with torch.no_grad():
        pooled = encoder(make_batch(noise(1, 16, 256)), prior=noise(768)).pooled
        assert (pooled @ labels(noise(2, 768)).T).shape == (1, 2)


@pytest.mark.parametrize("token_counts", COUNTS)
def test_one_set_of_parameters_reads_every_shape(token_counts):
    encoder = build(token_counts=token_counts)
    with torch.no_grad():
        for n_channels, n_samples in SHAPES:
            encoded = encoder(make_batch(noise(1, n_channels, n_samples)))
            assert encoded.pooled.shape == (1, 16)
            assert encoded.tokens.shape == (1, 5, 16)
            assert encoded.is_valid.all()
            assert encoded.pooled.isfinite().all()


@pytest.mark.parametrize("n_channels", [1, 12, 64])
def test_the_list_of_channels_adds_no_parameter(n_channels):
    names = tuple(f"c{c}" for c in range(n_channels))
    made = build(streams={"ecg": StreamInput(channels=names)})
    assert n_parameters(made) == n_parameters(build())


def test_the_order_of_channels_changes_nothing_until_they_have_names():
    signal, order = noise(2, 7, 300), torch.randperm(7, generator=torch.Generator().manual_seed(4))
    for identity in ("none", "name"):
        encoder, batch = build(channel_identity=identity), make_batch(signal)
        names = batch.streams["ecg"].channels
        exchanged = with_stream(batch, signal=signal[:, order])
        moved = with_stream(exchanged, channels=tuple(names[c] for c in order))
        close(encoder(moved).pooled, encoder(batch).pooled)
        is_same = torch.allclose(encoder(exchanged).pooled, encoder(batch).pooled, atol=1e-5)
        assert is_same == (identity == "none")


def test_a_name_scales_what_a_channel_says_feature_by_feature_and_shifts_it():
    encoder, batch = build(channel_identity="name"), make_batch(noise(1, 2, 300))
    stream, prior = batch.streams["ecg"], encoder.default_prior.detach()
    with torch.no_grad():
        gain, shift = encoder.identity(
            torch.stack([code_of(name) for name in stream.channels])
        ).chunk(2, dim=1)
        named = encoder.encode_channels(stream, prior, is_traced=False).tokens
        encoder.identity.weight.zero_(), encoder.identity.bias.zero_()
        plain = encoder.encode_channels(stream, prior, is_traced=False).tokens
    close(named, plain * (1 + gain[:, None]) + shift[:, None])
    assert not torch.allclose(gain[0], gain[1], atol=0.5)


def test_the_code_of_a_name_is_its_own_and_always_the_same():
    assert torch.equal(code_of("V1"), code_of("V1"))
    assert abs(F.cosine_similarity(code_of("V1"), code_of("V2"), dim=0)) < 0.5


def test_a_row_of_another_length_shares_no_parts_with_the_rest_of_its_batch():
    sizes = {"patch_lengths": (5,), "tokens_per_block": (32, 20), "cap_ratios": (0.5, 0.25)}
    encoder, signal = build(**sizes), noise(2, 2, 500)
    for n_samples in ([500, 320], [320, 500]):
        together = encoder(make_batch(signal, n_samples=n_samples)).pooled
        for b, n in enumerate(n_samples):
            close(together[b, None], encoder(make_batch(signal[b, None, :, :n])).pooled)


@pytest.mark.parametrize("token_counts", COUNTS)
@pytest.mark.parametrize("length", [75, 200, 333])
def test_a_batch_may_mix_lengths_and_numbers_of_channels(token_counts, length):
    encoder = build(token_counts=token_counts)
    signal = noise(3, 5, 700)
    n_samples, n_channels = [700, length, 410], [2, 5, 1]
    mixed = make_batch(signal, n_samples=n_samples, n_channels=n_channels)
    other = with_stream(
        mixed,
        signal=mixed.streams["ecg"].signal.masked_fill(
            ~(
                mixed.streams["ecg"].is_valid[:, None]
                & mixed.streams["ecg"].is_channel_present[..., None]
            ),
            9.0,
        ),
    )
    together = encoder(mixed)
    close(encoder(other).pooled, together.pooled)
    for b, (c, n) in enumerate(zip(n_channels, n_samples, strict=True)):
        alone = encoder(make_batch(signal[b : b + 1, :c, :n]))
        close(together.pooled[b : b + 1], alone.pooled)
        for stage, count in alone.intermediates["n_tokens"].items():
            assert together.intermediates["n_tokens"][stage][b] == count[0], stage


def test_a_partial_patch_is_read_unless_switched_off():
    is_valid = torch.arange(100) < torch.tensor([[60], [50], [10]])
    assert valid_patches(is_valid, 25, reads_partial=True).sum(dim=1).tolist() == [3, 2, 1]
    assert valid_patches(is_valid, 25, reads_partial=False).sum(dim=1).tolist() == [2, 2, 1]
    signal = noise(1, 2, 160)
    for reads, is_seen in ((True, True), (False, False)):
        encoder = build(patch_lengths=(25,), reads_partial_patches=reads, is_normalised=False)
        moved = signal.clone()
        moved[..., 150:] += 5.0
        first, second = encoder(make_batch(signal)), encoder(make_batch(moved))
        assert torch.allclose(first.pooled, second.pooled) != is_seen


@pytest.mark.parametrize(("n_channels", "n_samples"), SHAPES)
def test_capped_counts_never_grow_from_stage_to_stage(n_channels, n_samples):
    encoder, counts = build(), []
    for module in (
        *[block for stack in encoder.rows.stacks for block in stack],
        encoder.rows.merge,
    ):
        module.register_forward_hook(
            lambda _, given, kept: counts.append((given[0].shape[1], kept.tokens.shape[1]))
        )
    with torch.no_grad():
        n_tokens = encoder(make_batch(noise(1, n_channels, n_samples))).intermediates["n_tokens"]
    assert len(counts) == 13
    assert all(n_out <= n_in for n_in, n_out in counts)
    assert n_tokens["channels"] <= n_tokens["patches"]
    assert n_tokens["window"] == 5  # the last queries are always all used


def test_the_published_counts_make_few_tokens_many():
    encoder, counts = build(token_counts="paper"), []
    for stack in encoder.rows.stacks:
        stack[0].register_forward_hook(
            lambda _, given, kept: counts.append((given[0].shape[1], kept.tokens.shape[1]))
        )
    with torch.no_grad():
        encoder(make_batch(noise(1, 1, 256)))
    assert counts == [(11, 128), (6, 128), (3, 128), (2, 128)]


def test_capped_is_the_same_as_paper_where_no_cap_is_reached():
    sizes = {"patch_lengths": (5, 10), "tokens_per_block": (8, 4), "cap_ratios": (1.0, 0.5)}
    sizes |= {"query_start": "learnt"}  # a local query's part depends on how many there are
    capped, paper = build(**sizes), build(**sizes, token_counts="paper")
    paper.load_state_dict(capped.state_dict())
    batch = make_batch(noise(2, 3, 200))
    assert cap(20, 1.0, 8) == 8
    close(
        capped(batch).intermediates["n_tokens"]["channels"],
        torch.tensor([24, 24]),  # eight tokens of two granularities, fewer than ten queries
    )
    prior = noise(6)
    rows, is_valid = noise(4, 200), torch.ones(4, 200, dtype=torch.bool)
    close(
        paper.rows(rows, is_valid, prior).tokens[:, :8], capped.rows(rows, is_valid, prior).tokens
    )


def test_weights_fit_either_way_of_counting():
    capped, paper = build(), build(token_counts="paper")
    paper.load_state_dict(capped.state_dict())
    assert capped.state_dict().keys() == paper.state_dict().keys()
    batch = make_batch(noise(1, 2, 256))
    assert not torch.allclose(capped(batch).pooled, paper(batch).pooled)


@pytest.mark.parametrize("ratio", [1.0, 0.5, 0.25, 0.1])
def test_rows_are_counted_as_their_batch_is(ratio):
    n = torch.arange(1, 300)
    assert cap_rows(n, ratio, 64).tolist() == [cap(k, ratio, 64) for k in n.tolist()]
    assert cap_rows(torch.tensor([0]), ratio, 64).item() == 0
    assert min(cap(k, ratio, 64) for k in range(1, 300)) == 1


def test_without_positions_the_order_of_patches_is_unknown():
    signal = noise(1, 2, 200)
    exchanged = signal.unflatten(2, (8, 25))[:, :, [3, 1, 0, 2, 7, 5, 6, 4]].flatten(2)
    for has_positions in (True, False):
        encoder = build(patch_lengths=(25,), has_positions=has_positions, query_start="learnt")
        first, second = encoder(make_batch(signal)).pooled, encoder(make_batch(exchanged)).pooled
        assert torch.allclose(first, second, atol=1e-5) != has_positions


def test_a_constant_channel_gives_finite_numbers_and_gradients():
    signal = torch.full((1, 2, 200), 3.0).requires_grad_()
    pooled = build()(make_batch(signal)).pooled
    pooled.sum().backward()
    assert pooled.isfinite().all()
    assert signal.grad.isfinite().all()


def test_amplitude_counts_only_where_asked_for():
    batch, louder = make_batch(noise(1, 3, 300)), make_batch(5 * noise(1, 3, 300))
    for is_normalised in (True, False):
        encoder = build(is_normalised=is_normalised)
        is_same = torch.allclose(encoder(batch).pooled, encoder(louder).pooled, atol=1e-3)
        assert is_same == is_normalised


def test_pieces_give_the_same_numbers_and_gradients_as_the_whole():
    batch = make_batch(noise(2, 5, 200), n_channels=[5, 3])
    whole = build(dropout=0.0, is_summary_normed=False).train()  # two windows have no spread
    pieces = build(dropout=0.0, is_summary_normed=False, tokens_at_once=50).train()
    gradients = []
    for encoder in (whole, pieces):
        encoder(batch).pooled.square().sum().backward()
        gradients.append([p.grad for p in encoder.parameters() if p.grad is not None])
    close(pieces(batch).pooled, whole(batch).pooled)
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"token_counts": "paper"},
        {"is_sparse": False},
        {"has_channel_attention": False},
        {"patch_lengths": (25,)},
        {"prior_dim": 0},
        {"shares_stacks": True},
        {"channel_identity": "name"},
        {"query_start": "learnt"},
        {"is_summary_normed": False},
        {"has_granularity_embedding": False},
    ],
)
def test_every_variant_learns_with_all_its_parameters_and_can_be_traced(changes):
    encoder = build(**changes)
    batch = make_batch(noise(2, 3, 600), n_samples=[600, 380], n_channels=[3, 2])
    encoded = encoder(batch, is_traced=True)
    close(encoded.pooled, encoder(batch).pooled)
    encoded.pooled.square().sum().backward()
    silent = [n for n, p in encoder.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []
    attention = encoded.intermediates["attention"]["ecg"]
    assert attention.shape[0::2] == (2, 3)
    close(attention.sum(dim=(2, 3)), torch.ones(attention.shape[:2]))
    assert (attention[1, :, 2] == 0).all()
    assert (attention[1, :, :, 380:] == 0).all()
    assert (attention >= 0).all()


def test_a_prior_of_another_width_is_refused_and_none_is_learnt():
    encoder, batch = build(), make_batch(noise(1, 2, 200))
    close(encoder(batch).pooled, encoder(batch, prior=encoder.default_prior.detach()).pooled)
    assert not torch.allclose(encoder(batch).pooled, encoder(batch, prior=noise(6)).pooled)
    with pytest.raises(ConfigError, match="7 numbers, the encoder reads 6"):
        encoder(batch, prior=noise(7))
    without = build(prior_dim=0)
    assert torch.equal(without(batch).pooled, without(batch, prior=noise(6)).pooled)


def test_several_streams_of_other_rates_are_read_together_and_each_may_be_absent():
    streams = {name: StreamInput(channels=("a",)) for name in ("ecg", "eeg")}
    encoder = build(streams=streams)
    ecg, eeg = make_batch(noise(2, 3, 300)), make_batch(noise(2, 4, 150, seed=2), stream="eeg")
    both = replace(ecg, streams=ecg.streams | eeg.streams)
    encoded = encoder(both, is_traced=True)
    shares = [part.sum(dim=(2, 3)) for part in encoded.intermediates["attention"].values()]
    close(sum(shares), torch.ones(2, 5))
    missing = only(eeg.streams["eeg"], windows=torch.tensor([True, False]))
    partly = encoder(replace(both, streams={**ecg.streams, "eeg": missing})).pooled
    close(partly[1], encoder(ecg).pooled[1])
    close(partly[0], encoded.pooled[0])


def test_an_absent_window_is_zero():
    batch = batch_with_only(make_batch(noise(2, 3, 200)), windows=torch.tensor([False, True]))
    encoded = build()(batch)
    assert (encoded.pooled[0] == 0).all()
    assert not encoded.is_valid[0].any()
    nobody = batch_with_only(batch, windows=torch.tensor([False, False]))
    assert (build()(nobody).pooled == 0).all()


def test_unusable_batches_are_refused_by_name():
    encoder = build()
    for n_samples in (1, 24):
        with pytest.raises(MedtsError, match=r"shorter than every patch.*25 samples \(0.25 s"):
            encoder(make_batch(noise(1, 1, n_samples)))
    assert encoder(make_batch(noise(1, 1, 25))).pooled.isfinite().all()
    with pytest.raises(ConfigError, match="no stream 'ecg'"):
        encoder(make_batch(noise(1, 1, 100), stream="eeg"))


@pytest.mark.parametrize("reads_partial", [True, False])
def test_a_window_shorter_than_every_patch_is_refused_in_a_long_batch_as_it_is_alone(reads_partial):
    encoder, signal = build(reads_partial_patches=reads_partial), noise(2, 2, 300)
    message = (
        r"24 samples of 'ecg', of record 'made-up/{}', is shorter than every patch.*25 samples"
    )
    with pytest.raises(MedtsError, match=message.format(0)):
        encoder(make_batch(signal[1:, :, :24]))
    with pytest.raises(MedtsError, match=message.format(1)):
        encoder(make_batch(signal, n_samples=[300, 24]))
    together = encoder(make_batch(signal, n_samples=[300, 25])).pooled
    close(together[1:], encoder(make_batch(signal[1:, :, :25])).pooled)


def test_padding_before_and_within_a_window_shortens_it_not_and_an_absent_one_is_no_short_one():
    encoder, batch = build(), make_batch(noise(2, 2, 300))
    is_valid = torch.zeros(2, 300, dtype=torch.bool)
    is_valid[:, 100:110] = True
    late = batch_with_only(batch, samples=is_valid)
    assert encoder(late).pooled.isfinite().all()
    is_valid = torch.ones(2, 300, dtype=torch.bool)
    is_valid[1, 5:] = False
    absent = batch_with_only(batch, samples=is_valid, windows=torch.tensor([True, False]))
    assert (encoder(absent).pooled[1] == 0).all()


@pytest.mark.parametrize(
    "changes",
    [
        {"dim": 20},
        {"patch_lengths": (25, 25)},
        {"patch_lengths": ()},
        {"tokens_per_block": (8, 16), "cap_ratios": (1.0, 0.5)},
        {"cap_ratios": (1.0, 0.5)},
        {"cap_ratios": (0.5, 1.0, 0.25)},
        {"streams": {}},
    ],
)
def test_contradictory_configs_are_refused(changes):
    with pytest.raises(ValidationError):
        SparseformerConfig(**changes)


def test_patterns_at_two_scales_are_learnt_by_heart():
    torch.manual_seed(0)
    time = torch.arange(300) / 100
    fast, slow = torch.sin(2 * torch.pi * 20 * time), torch.sin(2 * torch.pi * 0.7 * time)
    target = torch.arange(16) % 4
    signal = (target % 2)[:, None] * fast + (target // 2)[:, None] * slow + 0.2 * noise(16, 300)
    encoder, head = build(dropout=0.0, dim=32, hidden=48).train(), torch.nn.Linear(32, 4)
    optimizer = torch.optim.AdamW([*encoder.parameters(), *head.parameters()], lr=1e-3)
    for _ in range(50):
        logits = head(encoder(make_batch(signal[:, None])).pooled)
        loss = F.cross_entropy(logits, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (logits.argmax(dim=1) == target).float().mean() >= 0.99
