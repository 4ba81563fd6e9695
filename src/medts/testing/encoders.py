"""Contract tests of encoders, as functions that any package can call on its own.

Each contract takes settings, builds the network as often as it likes, and raises `AssertionError`
in words. What must carry no information is overwritten with large noise, and nothing may change.

Axes: B windows in the batch, N signal tokens, D embedding width.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from medts.core.errors import MedtsError
from medts.models.base import Encoder
from medts.models.settings.base import EncoderSettings
from medts.tensors.batch import Batch, Encoded, StreamBatch
from medts.testing.batches import change as changed
from medts.testing.batches import hide, make_batch, overwrite, pad, permute, pick
from medts.testing.graphs import creates_tensors_where_the_batch_is, exports_to_onnx

Contract = Callable[[EncoderSettings], None]

_TOLERANCE = 1e-4

_QUICK_S = 2.0

_ONE, _ALL_OF_THEM = slice(1, 2), slice(None)
_GAPS = {
    "a gap in one channel": (_ONE, slice(1), False),
    "a gap in all channels": (_ONE, _ALL_OF_THEM, False),
    "a window that is all gap": (_ONE, _ALL_OF_THEM, True),
    "a batch that is all gap": (_ALL_OF_THEM, _ALL_OF_THEM, True),
}
"""Windows, channels, and whether the gap is as long as the window."""


def check_encoder(
    settings: EncoderSettings | type[EncoderSettings], *, exports: bool = True
) -> None:
    """Holds an encoder to all contracts.

    Args:
        settings: A value, or a class, whose ``tiny()`` is taken.
        exports: Whether the export to ONNX is tried, too.

    Raises:
        AssertionError: If a promise is broken; all that are broken are named.
    """
    value = settings.tiny() if isinstance(settings, type) else settings
    broken = []
    for name, contract in contracts_of(value).items():
        if name == "exports_to_onnx" and not exports:
            continue
        try:
            contract(value)
        except AssertionError as error:
            broken.append(f"{name}: {error}")
    assert not broken, f"encoder {value.kind!r} breaks {len(broken)} contracts:\n" + "\n".join(
        broken
    )


def contracts_of(settings: EncoderSettings) -> dict[str, Contract]:
    """Returns the contracts that mean something to an encoder, by name."""
    return ENCODER_CONTRACTS if settings.reads_signal else REPORT_CONTRACTS


def build(settings: EncoderSettings, *, seed: int = 0) -> Encoder:
    """Builds an encoder whose norms and gates are other than they start, in evaluation mode."""
    torch.manual_seed(seed)
    encoder = settings.build()
    encoder.train()
    with torch.no_grad():
        for number in range(3):
            encoder(make_batch(settings, seed=7 + number))
        for parameter in encoder.parameters():
            if not parameter.any():  # gates and last norms start at zero and would hide all behind
                parameter.uniform_(0.25, 0.75)
    return encoder.eval()


@torch.no_grad()
def encode(encoder: Encoder, batch: Batch) -> Encoded:
    """Encodes without a gradient."""
    return encoder(batch)


def distance(first: Encoded, second: Encoded, rows: slice = slice(None)) -> float:
    """Returns the largest difference of pooled embeddings and of valid tokens of some windows."""
    pooled = largest(first.pooled[rows] - second.pooled[rows])
    n_tokens = min(first.tokens.shape[1], second.tokens.shape[1])
    is_valid = (first.is_valid[:, :n_tokens] | second.is_valid[:, :n_tokens])[rows]
    tokens = first.tokens[rows, :n_tokens] - second.tokens[rows, :n_tokens]
    return max(pooled, largest(tokens[is_valid]))


def largest(values: Tensor) -> float:
    """Returns the largest magnitude; 0 of nothing, and infinity where one is not a number."""
    if not values.numel():
        return 0.0
    return float(values.abs().nan_to_num(nan=torch.inf).max())


def settings_are_a_value(settings: EncoderSettings) -> None:
    """Settings survive JSON, every field has a sentence, and `tiny` is built quickly."""
    again = type(settings).model_validate_json(settings.model_dump_json())
    assert again == settings, f"settings come back from JSON as {again!r}, not {settings!r}"
    silent = [name for name, each in type(settings).model_fields.items() if not each.description]
    assert not silent, f"fields without a sentence under them: {', '.join(silent)}"
    assert EncoderSettings.find(settings.kind) is type(settings), "not found under its kind"
    settings.tiny().build()  # whatever is imported or loaded once
    start = time.process_time()
    settings.tiny().build()
    took = time.process_time() - start
    assert took < _QUICK_S, f"tiny() takes {took:.1f} s to build; {_QUICK_S:g} s are allowed"


def shapes_fit(settings: EncoderSettings) -> None:
    """Tokens, their validity and the pooled embedding have the shapes that are promised."""
    encoder = build(settings)
    found = encode(encoder, make_batch(settings))
    assert found.pooled.shape == (3, encoder.dim), (
        f"pooled is {tuple(found.pooled.shape)}, not (3, dim={encoder.dim})"
    )
    assert found.tokens.shape[:2] == found.is_valid.shape, (
        f"tokens {tuple(found.tokens.shape)} and is_valid {tuple(found.is_valid.shape)} differ"
    )
    assert found.is_valid.any(dim=1).all(), "a whole window has no valid token"
    assert found.pooled.isfinite().all(), "pooled is not finite"
    assert found.tokens.isfinite().all(), "tokens are not finite"


def padding_changes_nothing(settings: EncoderSettings) -> None:
    """Padding at the end, whatever stands in it, changes no embedding and adds no valid token."""
    encoder, batch = build(settings), make_batch(settings)
    padded = pad(batch, 0.52)
    noisy = overwrite(padded, lambda stream: ~stream.is_recorded)
    plain = encode(encoder, batch)
    for name, each in (("padding", padded), ("noise in padding", noisy)):
        found = encode(encoder, each)
        moved = distance(plain, found)
        assert moved < _TOLERANCE, f"{name} moves embeddings by {moved:.2g}"
        n_tokens = plain.tokens.shape[1]
        assert not found.is_valid[:, n_tokens:].any(), f"{name} has valid tokens"


def absent_channels_carry_nothing(settings: EncoderSettings) -> None:
    """Values of a channel marked absent are not seen; a channel left out is one marked absent."""
    encoder, batch = build(settings), make_batch(settings)

    def lose(stream: StreamBatch) -> StreamBatch:
        is_kept = torch.ones(len(stream.channels), 1, dtype=torch.bool)
        is_kept[-1] = len(stream.channels) == 1  # the last one stays
        return hide(stream, is_kept)

    lacking = changed(batch, lose)
    noisy = overwrite(lacking, lambda stream: ~stream.is_recorded)
    found = encode(encoder, lacking)
    moved = distance(found, encode(encoder, noisy))
    assert moved < _TOLERANCE, f"values of absent channels move embeddings by {moved:.2g}"
    if any(len(stream.channels) > 1 for stream in batch.streams.values()):
        fewer = changed(batch, lambda each: pick(each, list(range(max(1, len(each.channels) - 1)))))
        left_out = encode(encoder, fewer)
        moved = largest(found.pooled - left_out.pooled)
        assert moved < _TOLERANCE, (
            f"a channel that a batch lacks differs by {moved:.2g} from one marked absent"
        )


def absent_streams_carry_nothing(settings: EncoderSettings) -> None:
    """Values of a stream that a window lacks are not seen, and give no valid token."""
    encoder, batch = build(settings), make_batch(settings)
    is_present = torch.tensor([True, False, True])[:, None, None]
    lacking = changed(batch, lambda stream: hide(stream, is_present))
    noisy = overwrite(lacking, lambda stream: ~stream.is_recorded)
    first, second = encode(encoder, lacking), encode(encoder, noisy)
    moved = distance(first, second)
    assert moved < _TOLERANCE, f"values of an absent stream move embeddings by {moved:.2g}"
    assert first.pooled.isfinite().all(), "a window without its streams is not embedded finitely"
    if not batch.text[0] or not _reads_reports(encoder, batch):
        assert not first.is_valid[1].any(), "a window without its streams has valid tokens"
    for name in batch.streams if len(batch.streams) > 1 else ():
        without = {key: each for key, each in batch.streams.items() if key != name}
        hidden = hide(batch.streams[name], torch.zeros(1, dtype=torch.bool))
        marked = replace(batch, streams={**batch.streams, name: hidden})
        found = encode(encoder, replace(batch, streams=without))
        moved = largest(found.pooled - encode(encoder, marked).pooled)
        assert moved < _TOLERANCE, f"leaving out {name!r} differs by {moved:.2g} from marking it"


def gaps_carry_nothing(settings: EncoderSettings) -> None:
    """Values of samples that were not recorded are not seen, and harm neither output nor gradient.

    A gap may be one of a single channel or of all, lie in the middle or fill the window.
    """
    encoder, batch = build(settings), make_batch(settings)
    for name, where in _GAPS.items():
        broken = changed(batch, partial(_with_gap, where=where))
        noisy = overwrite(broken, lambda stream: ~stream.is_recorded, scale=1e4)
        found = encode(encoder, broken)
        assert found.pooled.isfinite().all(), f"{name} makes an embedding that is not finite"
        assert found.tokens.isfinite().all(), f"{name} makes tokens that are not finite"
        moved = distance(found, encode(encoder, noisy))
        assert moved == 0, f"values in {name} move embeddings by {moved:.2g}"
        learning = settings.build().train()
        found = learning(noisy)
        total = found.pooled.square().sum() + found.tokens.square().sum()
        if total.requires_grad:
            total.backward()
        harmed = [
            key
            for key, each in learning.named_parameters()
            if each.grad is not None and not each.grad.isfinite().all()
        ]
        assert not harmed, f"{name} makes gradients that are not finite: {', '.join(harmed)}"


def windows_are_independent(settings: EncoderSettings) -> None:
    """The embedding of a window does not depend on the others of its batch."""
    encoder, batch = build(settings), make_batch(settings)
    other = make_batch(settings, seed=5)
    mixed = replace(
        batch,
        text=(batch.text[0], *other.text[1:]),
        streams={
            name: replace(
                each, signal=torch.cat([each.signal[:1], 3 * other.streams[name].signal[1:]])
            )
            for name, each in batch.streams.items()
        },
    )
    found, first = encode(encoder, batch), slice(0, 1)
    for name, each in (("other windows beside it", mixed), ("being alone", batch.take(0, 1))):
        moved = distance(found, encode(encoder, each), first)
        assert moved < _TOLERANCE, f"{name} moves the embedding of a window by {moved:.2g}"


def channels_are_read_by_name(settings: EncoderSettings) -> None:
    """Channels in another order, names with them, are the same window; or they are refused."""
    encoder, batch = build(settings), make_batch(settings)
    try:
        found = encode(encoder, permute(batch))
    except MedtsError:
        return
    moved = largest(encode(encoder, batch).pooled - found.pooled)
    assert moved < _TOLERANCE, f"another order of channels moves embeddings by {moved:.2g}"


def other_channels_are_read_or_refused(settings: EncoderSettings) -> None:
    """A channel never stands for another: unknown names are read only where that is promised."""
    encoder, batch = build(settings), make_batch(settings)

    def rename(stream: StreamBatch) -> StreamBatch:
        return replace(stream, channels=tuple(f"made-up {c}" for c in range(len(stream.channels))))

    try:
        found = encode(encoder, changed(batch, rename))
    except MedtsError:
        assert not settings.is_channel_variable, "other channels are refused, against the promise"
        return
    assert settings.is_channel_variable, "channels of other names are read as if they were its own"
    assert found.pooled.isfinite().all(), "channels of other names are not embedded finitely"


def lengths_may_vary(settings: EncoderSettings) -> None:
    """Shorter windows are read, longer ones to their end, or refused beyond the longest window."""
    encoder = build(settings)
    longest = settings.longest_window()
    lengths = (0.4, 0.666) if longest is not None else (0.4, 0.666, 2.0)
    for length in lengths:
        found = encode(encoder, make_batch(settings, length=length))
        assert found.pooled.isfinite().all(), f"{length:g} of a window is not embedded finitely"
    if longest is None:
        batch = make_batch(settings, length=2.0)
        late = overwrite(batch, lambda each: _last_samples(each, each.signal.shape[-1] // 4))
        moved = largest(encode(encoder, batch).pooled - encode(encoder, late).pooled)
        assert moved > 1e-6, "the last quarter of a long window is cut off without a word"
        return
    n_samples = next(iter(make_batch(settings).streams.values())).signal.shape[-1]
    too_long = make_batch(settings, length=(longest + 1) / n_samples)
    try:
        encode(encoder, too_long)
    except MedtsError:
        return
    raise AssertionError(f"a window longer than {longest} samples is cut without a word")


def tokens_lie_in_time(settings: EncoderSettings) -> None:
    """A late change moves the last token, and no early one where tokens only see what is near."""
    encoder, batch = build(settings), make_batch(settings)
    late = overwrite(batch, lambda each: _last_samples(each, each.signal.shape[-1] // 10))
    first, second = encode(encoder, batch).tokens, encode(encoder, late).tokens
    moved = (first - second).abs().amax(dim=(0, 2)) > 1e-6
    assert moved[-1], "the last samples do not reach the last token"
    if not settings.sees_whole_window:
        early = moved[: len(moved) // 4]
        assert not early.any(), "the last samples reach the first tokens, against the promise"


def gradients_reach_everything(settings: EncoderSettings) -> None:
    """Every parameter that is not frozen, or left to objectives, gets a gradient."""
    encoder = build(settings).train()
    found = encoder(make_batch(settings))
    total = found.pooled.square().sum() + found.tokens.square().sum()
    if not any(parameter.requires_grad for parameter in encoder.parameters()):
        return
    total.backward()
    silent = [
        name
        for name, each in encoder.named_parameters()
        if each.requires_grad and not (each.grad is not None and each.grad.any())
        if not name.startswith(settings.left_alone)
    ]
    assert not silent, f"no gradient reaches {', '.join(silent)}"


def saving_and_loading_gives_the_same(settings: EncoderSettings) -> None:
    """Weights saved and loaded into a new network give the same embeddings, bit for bit."""
    encoder, batch = build(settings), make_batch(settings)
    torch.manual_seed(1)
    other = settings.build().eval()
    other.load_state_dict(encoder.state_dict())
    assert torch.equal(encode(encoder, batch).pooled, encode(other, batch).pooled), (
        "an encoder that was saved and loaded embeds otherwise: something is not in its state"
    )


def the_same_seed_gives_the_same(settings: EncoderSettings) -> None:
    """Weights, and embeddings in training mode, repeat with the seed."""
    found = []
    for _ in range(2):
        torch.manual_seed(3)
        encoder = settings.build().train()
        found.append((encoder.state_dict(), encode(encoder, make_batch(settings)).pooled))
    (first, pooled), (second, again) = found
    differing = [name for name in first if not torch.equal(first[name], second[name])]
    assert not differing, f"the same seed gives other {', '.join(differing)}"
    assert torch.equal(pooled, again), "the same seed gives other embeddings in training"


def one_batch_can_be_learnt(settings: EncoderSettings) -> None:
    """One batch can be overfitted in a few steps, by the encoder and one linear layer."""
    torch.manual_seed(0)
    encoder = settings.build().train()
    learnt = [each for each in encoder.parameters() if each.requires_grad]
    if not learnt:
        return
    head = nn.Linear(encoder.dim, 3)
    optimizer = torch.optim.AdamW([*learnt, *head.parameters()], lr=3e-3)
    batch, target = make_batch(settings, length=0.5), torch.tensor([0, 1, 2])
    loss = torch.tensor(torch.inf)
    for _ in range(150):
        loss = nn.functional.cross_entropy(head(encoder(batch).pooled), target)
        if float(loss.detach()) < 0.1:
            return
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    raise AssertionError(f"three windows are not learnt by heart: the loss is still {loss:.2g}")


def absent_reports_carry_nothing(settings: EncoderSettings) -> None:
    """A window without a report has a zero embedding and no valid token."""
    encoder, batch = build(settings), make_batch(settings)
    found = encode(encoder, replace(batch, text=(batch.text[0], None, "")))
    assert not found.pooled[1:].any(), "windows without a report are not embedded as zero"
    assert not found.is_valid[1:].any(), "windows without a report have valid tokens"


def _reads_reports(encoder: Encoder, batch: Batch) -> bool:
    """Whether reports move the embedding, so that a window may do without signal."""
    silent = replace(batch, text=(None,) * len(batch))
    return largest(encode(encoder, batch).pooled - encode(encoder, silent).pooled) > 1e-6


def _with_gap(stream: StreamBatch, where: tuple[slice, slice, bool]) -> StreamBatch:
    windows, channels, is_whole = where
    is_kept, third = torch.ones_like(stream.is_recorded), stream.signal.shape[-1] // 3
    is_kept[windows, channels, slice(None) if is_whole else slice(third, 2 * third)] = False
    return hide(stream, is_kept)


def _last_samples(stream: StreamBatch, n_samples: int) -> Tensor:
    total = stream.signal.shape[-1]
    return (torch.arange(total) >= total - n_samples).expand(stream.signal.shape)


_ALL: tuple[Contract, ...] = (
    settings_are_a_value,
    shapes_fit,
    windows_are_independent,
    gradients_reach_everything,
    saving_and_loading_gives_the_same,
    the_same_seed_gives_the_same,
    one_batch_can_be_learnt,
    creates_tensors_where_the_batch_is,
)

_OF_SIGNALS: tuple[Contract, ...] = (
    padding_changes_nothing,
    absent_channels_carry_nothing,
    absent_streams_carry_nothing,
    gaps_carry_nothing,
    channels_are_read_by_name,
    other_channels_are_read_or_refused,
    lengths_may_vary,
    tokens_lie_in_time,
    exports_to_onnx,
)

ENCODER_CONTRACTS: dict[str, Contract] = {each.__name__: each for each in (*_ALL, *_OF_SIGNALS)}
"""What an encoder of signals promises."""

REPORT_CONTRACTS: dict[str, Contract] = {
    each.__name__: each for each in (*_ALL, absent_reports_carry_nothing)
}
"""What a control that reads reports alone promises."""
