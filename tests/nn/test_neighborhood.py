from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from medts.core.errors import ConfigError
from medts.nn.neighborhood import NeighborhoodAttention, attend, choose_form

FORMS = ("gather", "dense", "chunks")
CPU = torch.device("cpu")


def draw(n_tokens, kernel_size, *, n_rows=2, n_heads=2, dim=4, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, dtype=dtype, generator=generator).requires_grad_()

    q, k, v = (normal(n_rows, n_heads, n_tokens, dim) for _ in range(3))
    return q, k, v, normal(n_heads, 2 * kernel_size - 1)


def list_neighbors(i, n_tokens, kernel_size, dilation):
    """The run of the token's group that holds it most centrally, found by trying all runs."""
    group = list(range(i % dilation, n_tokens, dilation))
    size = min(kernel_size, len(group))
    runs = [group[s : s + size] for s in range(len(group) - size + 1)]
    return min(runs, key=lambda run: abs(run[size // 2] - i))


def attend_by_loop(q, k, v, position_bias, dilation, n_valid):
    kernel_size = (position_bias.shape[1] + 1) // 2
    out = torch.zeros_like(q)
    for b, h in torch.cartesian_prod(torch.arange(q.shape[0]), torch.arange(q.shape[1])).tolist():
        for i in range(n_valid[b]):
            near = list_neighbors(i, n_valid[b], kernel_size, dilation)
            offset = torch.tensor([(j - i) // dilation + kernel_size - 1 for j in near])
            score = k[b, h, near] @ q[b, h, i] / q.shape[-1] ** 0.5 + position_bias[h, offset]
            out[b, h, i] = score.softmax(0) @ v[b, h, near]
    return out


def weights_of(form, n_tokens, kernel_size, dilation=1, n_valid=None):
    """Attention weights, read off by giving every value its own axis."""
    q, k, _, bias = draw(n_tokens, kernel_size, dim=n_tokens)
    v = torch.eye(n_tokens, dtype=q.dtype).expand_as(q)
    return attend(q, k, v, bias, dilation=dilation, n_valid=n_valid, form=form).detach()


@pytest.mark.parametrize(
    ("n_tokens", "kernel_size", "dilation"), [(20, 7, 1), (23, 5, 2), (33, 5, 4), (6, 9, 1)]
)
def test_gather_is_the_definition_written_as_a_loop(n_tokens, kernel_size, dilation):
    inputs = draw(n_tokens, kernel_size)
    n_valid = torch.tensor([n_tokens, n_tokens // 2])
    expected = attend_by_loop(*inputs, dilation, n_valid.tolist())
    got = attend(*inputs, dilation=dilation, n_valid=n_valid, form="gather")
    torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("n_tokens", "kernel_size", "dilation"), [(70, 7, 1), (40, 5, 3)])
def test_every_query_has_exactly_its_kernel_of_neighbors(form, n_tokens, kernel_size, dilation):
    is_neighbor = weights_of(form, n_tokens, kernel_size, dilation) > 0
    assert (is_neighbor.sum(-1) == kernel_size).all()
    for i in range(n_tokens):
        expected = list_neighbors(i, n_tokens, kernel_size, dilation)
        assert is_neighbor[0, 0, i].nonzero().flatten().tolist() == expected


# Lengths of one chunk, of whole chunks, and with every kind of rest in the last one.
@pytest.mark.parametrize(
    ("n_tokens", "kernel_size", "dilation"),
    [(50, 7, 3), (33, 5, 4), (53, 7, 7), (203, 31, 1), (200, 15, 2), (129, 15, 4), (17, 31, 1)]
    + [(n, 17, 1) for n in (31, 32, 33, 34, 40, 41, 48, 64, 65)]
    + [(40, 1, 1), (64, 63, 1), (150, 63, 2)],
)
@pytest.mark.parametrize("is_ragged", [False, True])
@pytest.mark.parametrize("form", ["dense", "chunks"])
def test_all_forms_equal_gather_in_value_and_gradient(
    form, is_ragged, n_tokens, kernel_size, dilation
):
    inputs = draw(n_tokens, kernel_size, n_rows=3)
    n_valid = torch.tensor([n_tokens, n_tokens // 3, n_tokens - 1]) if is_ragged else None
    upstream = torch.randn(inputs[0].shape, dtype=torch.float64)
    got, expected = (
        attend(*inputs, dilation=dilation, n_valid=n_valid, form=f) for f in (form, "gather")
    )
    torch.testing.assert_close(got, expected)
    gradients = torch.autograd.grad(got, inputs, upstream)
    for ours, theirs in zip(
        gradients, torch.autograd.grad(expected, inputs, upstream), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


def test_the_hand_written_backward_passes_a_numerical_check():
    inputs = draw(21, 3, n_rows=1, n_heads=2, dim=2)
    assert torch.autograd.gradcheck(lambda *x: attend(*x, form="chunks"), inputs)


@pytest.mark.parametrize("is_ragged", [False, True])
def test_the_compiler_s_copies_of_spans_equal_the_strided_view(monkeypatch, is_ragged):
    inputs = draw(100, 15, n_rows=3)
    n_valid = torch.tensor([100, 31, 99]) if is_ragged else None
    expected = attend(*inputs, n_valid=n_valid, form="chunks")
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    got = attend(*inputs, n_valid=n_valid, form="chunks")
    torch.testing.assert_close(got, expected)
    upstream = torch.randn_like(got)
    for ours, theirs in zip(
        torch.autograd.grad(got, inputs, upstream),
        torch.autograd.grad(expected, inputs, upstream),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("n_tokens", [9, 20, 31])
def test_a_kernel_as_long_as_the_row_is_full_attention(form, n_tokens):
    q, k, v, bias = draw(n_tokens, 31)
    offset = torch.arange(n_tokens) - torch.arange(n_tokens)[:, None]
    expected = F.scaled_dot_product_attention(q, k, v, bias[:, offset + 30].expand(2, -1, -1, -1))
    torch.testing.assert_close(attend(q, k, v, bias, form=form), expected)


@pytest.mark.parametrize("form", FORMS)
def test_shifting_the_row_shifts_the_interior(form):
    q, k, v, bias = draw(120, 15)
    plain = attend(q, k, v, bias, form=form)
    shifted = attend(*(part.roll(5, dims=2) for part in (q, k, v)), bias, form=form)
    torch.testing.assert_close(shifted[:, :, 12:113], plain[:, :, 7:108])


@pytest.mark.parametrize("form", FORMS)
def test_each_offset_reads_its_own_column_of_the_bias(form):
    n_tokens, kernel_size, half = 50, 7, 3
    q = torch.zeros(1, 1, n_tokens, n_tokens)
    v = torch.eye(n_tokens)[None, None]
    for column in range(2 * kernel_size - 1):
        bias = torch.zeros(1, 2 * kernel_size - 1)
        bias[0, column] = 50.0
        weights = attend(q, q, v, bias, form=form)[0, 0]
        for i in range(n_tokens):
            near = list_neighbors(i, n_tokens, kernel_size, 1)
            first = half if half <= i < n_tokens - half else kernel_size - 1 - i
            if i >= n_tokens - half:
                first = n_tokens - i - 1
            rank = column - first
            favoured = near[rank] if 0 <= rank < kernel_size else None
            expected = 1.0 if favoured is not None else 1 / kernel_size
            assert weights[i, near[0] if favoured is None else favoured] == pytest.approx(expected)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dilation", [1, 2])
def test_padding_a_row_changes_nothing_and_stays_zero(form, dilation):
    inputs = draw(90, 15)
    padded = [F.pad(part, (0, 0, 0, 47), value=3.0) for part in inputs[:3]]
    n_valid = torch.tensor([90, 90])
    got = attend(*padded, inputs[3], dilation=dilation, n_valid=n_valid, form=form)
    plain = attend(*inputs, dilation=dilation, form=form)
    torch.testing.assert_close(got[:, :, :90], plain)
    assert (got[:, :, 90:] == 0).all()


@pytest.mark.parametrize("form", FORMS)
def test_a_row_without_a_valid_token_is_zero_and_has_finite_gradients(form):
    inputs = draw(40, 7)
    got = attend(*inputs, n_valid=torch.tensor([0, 40]), form=form)
    assert (got[0] == 0).all()
    assert all(g.isfinite().all() for g in torch.autograd.grad(got.sum(), inputs))


@pytest.mark.parametrize("n_valid", [None, torch.tensor([64, 50])])
def test_a_broken_row_does_not_reach_its_neighbors_in_memory(n_valid):
    q, k, v, bias = (part.detach() for part in draw(64, 15))
    k[0], v[0] = torch.nan, torch.nan
    assert attend(q, k, v, bias, n_valid=n_valid, form="chunks")[1].isfinite().all()


class LargestTensor(TorchDispatchMode):
    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor):
            self.numel = max(self.numel, out.numel())
        return out


def test_the_largest_tensor_of_the_chunks_grows_with_the_length_not_its_square():
    numel = []
    for n_tokens in (1000, 2000, 4000):
        inputs = draw(n_tokens, 15, n_rows=1, dtype=torch.float32)
        with LargestTensor() as largest:
            attend(*inputs, form="chunks").sum().backward()
        numel.append(largest.numel)
    assert all(longer / shorter < 2.1 for shorter, longer in pairwise(numel))


@pytest.mark.parametrize(
    ("n_tokens", "kernel_size", "form"),
    [
        (32, 31, "dense"),
        (64, 15, "dense"),
        (65, 15, "chunks"),
        (150, 63, "dense"),
        (5000, 31, "chunks"),
    ],
)
def test_short_rows_are_dense_and_long_ones_chunked(n_tokens, kernel_size, form):
    assert choose_form(n_tokens, kernel_size, CPU) == form


@pytest.mark.parametrize("form", ["dense", "chunks"])
@pytest.mark.parametrize("n_valid", [None, torch.tensor([128, 70])])
def test_half_precision_stays_close_and_keeps_its_type(form, n_valid):
    exact = NeighborhoodAttention(dim=32, n_heads=2, kernel_size=15, form=form)
    tokens = torch.randn(2, 128, 32)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = exact(tokens, n_valid)
    assert mixed.dtype == torch.bfloat16
    torch.testing.assert_close(mixed.float(), exact(tokens, n_valid), atol=0.02, rtol=0.05)
    mixed.float().square().sum().backward()
    low = NeighborhoodAttention(dim=32, n_heads=2, kernel_size=15, form=form)
    low.load_state_dict(exact.state_dict())
    low.to(torch.bfloat16)(tokens.bfloat16(), n_valid).float().square().sum().backward()
    exact_bias, low_bias = exact.position_bias.grad, low.position_bias.grad
    assert exact_bias.dtype == torch.float32
    assert low_bias.dtype == torch.bfloat16
    torch.testing.assert_close(low_bias.float(), exact_bias, atol=0.05, rtol=0.2)


@pytest.mark.parametrize(("kernel_size", "n_heads"), [(8, 2), (0, 2), (7, 3)])
def test_even_kernels_and_heads_that_do_not_divide_the_width_are_refused(kernel_size, n_heads):
    with pytest.raises(ConfigError, match=r"kernel_size|n_heads"):
        NeighborhoodAttention(dim=32, n_heads=n_heads, kernel_size=kernel_size)


@pytest.mark.parametrize(("n_tokens", "kernel_size", "dilation"), [(100, 7, 1), (60, 7, 4)])
def test_the_forward_agrees_with_natten(n_tokens, kernel_size, dilation):
    natten = pytest.importorskip("natten")
    q, k, v, bias = (x.detach().float() for x in draw(n_tokens, kernel_size, n_heads=2, dim=32))
    rows = [part.transpose(1, 2).contiguous() for part in (q, k, v)]
    expected = natten.na1d(
        *rows, kernel_size=kernel_size, dilation=dilation, backend="flex-fna"
    ).transpose(1, 2)
    got = attend(q, k, v, torch.zeros_like(bias), dilation=dilation, form="chunks")
    torch.testing.assert_close(got, expected, atol=2e-6, rtol=1e-5)
