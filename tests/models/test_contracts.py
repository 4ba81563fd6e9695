"""What every encoder promises, asked of each one in the registry."""

from dataclasses import replace

import pytest
import torch

from medts.core.montage import STANDARD_12_LEADS
from medts.models.settings.base import EncoderSettings
from medts.nn.adapters import Adapter
from medts.tensors.batch import Batch, StreamBatch

ENCODERS = EncoderSettings.registry()

READS_NO_SIGNAL = {"text_linear"}
"""Controls to which the promises about signals mean nothing; they are tested on their own."""


@pytest.fixture(params=sorted(ENCODERS.keys() - READS_NO_SIGNAL))
def encoder(request):
    torch.manual_seed(0)
    made = ENCODERS[request.param].tiny().build()
    warm_up_norms(made)
    return made.eval()


def warm_up_norms(encoder):
    """Gives batch norms and gates statistics and scales other than their initial ones."""
    encoder.train()
    with torch.no_grad():
        for _ in range(3):
            encoder(make_batch(seed=7))
        for module in encoder.modules():
            if isinstance(module, torch.nn.BatchNorm1d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.5, 0.5)
            if isinstance(module, Adapter):
                module.gate.fill_(0.5)


def make_batch(n=3, n_samples=500, seed=0, **changes):
    generator = torch.Generator().manual_seed(seed)
    stream = StreamBatch(
        signal=torch.randn(n, 12, n_samples, generator=generator),
        is_valid=torch.ones(n, n_samples, dtype=torch.bool),
        is_channel_present=torch.ones(n, 12, dtype=torch.bool),
        is_present=torch.ones(n, dtype=torch.bool),
        channels=STANDARD_12_LEADS,
        sampling_rate=100.0,
        modality="ecg",
    )
    ids = tuple(str(index) for index in range(n))
    return Batch(
        {"ecg": replace(stream, **changes)}, ids, ids, tuple(f"report {index}" for index in ids)
    )


def test_shapes_fit_the_promise(encoder):
    encoded = encoder(make_batch())
    assert encoded.pooled.shape == (3, encoder.dim)
    assert encoded.tokens.shape[:2] == encoded.is_valid.shape
    assert encoded.is_valid.all()


def test_padding_changes_nothing(encoder):
    short = make_batch(n_samples=500)
    stream = short.streams["ecg"]
    extra = 260
    padded = make_batch(
        signal=torch.nn.functional.pad(stream.signal, (0, extra)),
        is_valid=torch.nn.functional.pad(stream.is_valid, (0, extra)),
    )
    with torch.no_grad():
        first, second = encoder(short), encoder(padded)
    assert torch.allclose(first.pooled, second.pooled, atol=1e-4)
    n_tokens = first.tokens.shape[1]
    assert torch.allclose(first.tokens, second.tokens[:, :n_tokens], atol=1e-4)
    assert not second.is_valid[:, n_tokens:].any()


def test_windows_of_a_batch_are_independent(encoder):
    batch = make_batch()
    alone = make_batch(n=1)
    alone = replace(
        alone,
        streams={"ecg": replace(alone.streams["ecg"], signal=batch.streams["ecg"].signal[:1])},
    )
    with torch.no_grad():
        assert torch.allclose(encoder(batch).pooled[:1], encoder(alone).pooled, atol=1e-5)


def test_an_absent_stream_carries_no_information(encoder):
    signal = make_batch().streams["ecg"].signal
    is_present = torch.tensor([True, False, True])
    with torch.no_grad():
        first = encoder(make_batch(is_present=is_present))
        second = encoder(
            make_batch(
                is_present=is_present, signal=signal + 5 * (~is_present)[:, None, None].float()
            )
        )
    assert torch.allclose(first.pooled, second.pooled, atol=1e-5)
    assert not first.is_valid[1].any()


@pytest.mark.parametrize("n_samples", [200, 333, 1000])
def test_lengths_may_vary(encoder, n_samples):
    with torch.no_grad():
        assert torch.isfinite(encoder(make_batch(n_samples=n_samples)).pooled).all()


def test_gradients_reach_every_parameter(encoder):
    encoder.train()
    encoded = encoder(make_batch())
    (encoded.pooled.square().sum() + encoded.tokens.square().sum()).backward()
    silent = [
        name
        for name, parameter in encoder.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().sum() > 0
    ]
    assert silent == []


def test_saving_and_loading_gives_the_same(encoder):
    torch.manual_seed(1)
    other = encoder.config.build().eval()
    other.load_state_dict(encoder.state_dict())
    with torch.no_grad():
        assert torch.equal(encoder(make_batch()).pooled, other(make_batch()).pooled)


def test_the_same_seed_gives_the_same_weights(encoder):
    made = []
    for _ in range(2):
        torch.manual_seed(3)
        made.append(encoder.config.build().state_dict())
    assert all(torch.equal(made[0][name], made[1][name]) for name in made[0])


def test_a_late_change_moves_no_early_token(encoder):
    batch = make_batch(n_samples=1000)
    signal = batch.streams["ecg"].signal.clone()
    signal[:, :, -4:] += 10.0
    with torch.no_grad():
        first = encoder(batch).tokens
        second = encoder(make_batch(n_samples=1000, signal=signal)).tokens
    moved = (first - second).abs().amax(dim=(0, 2)) > 1e-5
    assert moved[-1]
    if not has_global_stage(encoder):
        assert not moved[: len(moved) // 4].any()


def has_global_stage(encoder):
    """True where a token may see the whole window by design."""
    return encoder.config.kind in {
        "crossformer",
        "dlinear",
        "ecg_nat",
        "itransformer",
        "lightts",
        "medformer",
        "melp",
        "melp_tower",
        "mtst",
        "patchtst",
        "s4",
        "sparseformer",
        "timesnet",
        "transformer",
    }


def test_one_batch_can_be_learnt_by_heart(encoder):
    encoder.train()
    torch.manual_seed(0)
    head = torch.nn.Linear(encoder.dim, 3)
    optimizer = torch.optim.AdamW([*encoder.parameters(), *head.parameters()], lr=3e-3)
    batch, target = make_batch(n_samples=250), torch.tensor([0, 1, 2])
    for _ in range(150):
        loss = torch.nn.functional.cross_entropy(head(encoder(batch).pooled), target)
        if loss.item() < 0.1:
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1
