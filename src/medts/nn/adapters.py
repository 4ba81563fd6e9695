"""LLaMA-Adapter: zero-gated adaptation tokens as extra keys and values of a frozen model.

Zhang et al., "LLaMA-Adapter" (ICLR 2024, arXiv:2303.16199), as MedualTime (arXiv:2406.06620) uses
it. In every adapted block a few adaptation tokens, to which a message is added (a report's vector,
a signal's vector), pass through the block's own frozen key and value projections. The block's
queries attend to them in a softmax of their own, and what they read is added to what the block
read, times the tanh of a gate per head that starts at zero: a new adapter changes nothing.

Nothing of the language model is edited or replaced. `attach` hooks two of the linear layers in
each attention, the one that makes queries and the one that mixes heads; the hooks do nothing
outside of `injecting`. So attention itself may be any implementation, eager, fused or compiled.

Axes: B windows in the batch, N tokens, A adaptation tokens, H attention heads, D embedding width.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from medts.core.errors import ConfigError

KINDS = ("bert", "camembert", "distilbert", "gpt2", "roberta", "xlm-roberta")
"""Model types of transformers that can be adapted: GPT-2 is causal, the others bidirectional."""


@dataclass(frozen=True)
class Site:
    """Hook points of an adapter in one block of a language model.

    Args:
        place: Number of the block, from the lowest.
        query: Layer whose output begins with the queries of all heads.
        mix: Layer whose input is what all heads have read.
        key_value: Frozen projections of adaptation tokens to keys and values.
        norm: Layer norm that the block's own input has passed.
        dim: Width of all heads together.
        n_heads: Heads of attention.
        scale: Factor on the products of queries and keys.
    """

    place: int
    query: nn.Module
    mix: nn.Module
    key_value: Callable[[Tensor], tuple[Tensor, Tensor]]
    norm: nn.Module
    dim: int
    n_heads: int
    scale: float


class Adapter(nn.Module):
    """Adaptation tokens and gates for the uppermost blocks of a language model.

    Args:
        n_blocks: Blocks of the language model.
        n_adapted: How many of them, from the top, are adapted.
        n_tokens: Adaptation tokens in each.
        dim: Width of the language model.
        n_heads: Its heads.
        gate: Gates to share with another adapter; none makes own ones.
        is_normed: Whether tokens with their message pass the layer norm that the block's own
            tokens have passed; keys then have the size the block expects.
    """

    def __init__(
        self,
        *,
        n_blocks: int,
        n_adapted: int,
        n_tokens: int,
        dim: int,
        n_heads: int,
        gate: nn.Parameter | None = None,
        is_normed: bool = True,
    ) -> None:
        super().__init__()
        self.first, self.is_normed = n_blocks - n_adapted, is_normed
        self.tokens = nn.Parameter(torch.randn(n_adapted, n_tokens, dim))
        # Shared gates are saved by their owner alone; a tuple is out of sight of state_dict.
        self._shared_gate = (gate,)
        if gate is None:
            self.own_gate = nn.Parameter(torch.zeros(n_adapted, n_heads))

    @property
    def gate(self) -> nn.Parameter:
        """One number per adapted block and head; its tanh weighs what the head reads."""
        shared = self._shared_gate[0]
        return self.own_gate if shared is None else shared

    def read(
        self, site: Site, query: Float[Tensor, "B N D"], message: Float[Tensor, "B D"]
    ) -> Float[Tensor, "B N D"]:
        """Returns what the gated heads of one block read from the adaptation tokens."""
        row = site.place - self.first
        tokens = (self.tokens[row] + message[:, None]).to(query.dtype)
        if self.is_normed:
            tokens = site.norm(tokens)
        split = partial(rearrange, pattern="b n (h d) -> b h n d", h=site.n_heads)
        q, (k, v) = split(query), (split(each) for each in site.key_value(tokens))
        extra = F.scaled_dot_product_attention(q, k.to(q.dtype), v.to(q.dtype), scale=site.scale)
        gated = self.gate[row].tanh()[:, None, None] * extra
        return rearrange(gated, "b h n d -> b n (h d)").to(query.dtype)


@dataclass
class Injection:
    """What the hooks of attached models do at present.

    Args:
        adapter: Whose tokens are read.
        message: Added to the tokens, one per window.
        is_given: False for windows without a message, which read nothing.
        queries: Of the block that is being computed.
    """

    adapter: Adapter
    message: Float[Tensor, "B D"]
    is_given: Bool[Tensor, "B"]
    queries: dict[int, Tensor] = field(default_factory=dict)


_PRESENT: ContextVar[Injection | None] = ContextVar("injection", default=None)
"""Of this thread: two requests may share one language model."""


@contextmanager
def injecting(
    adapter: Adapter, message: Float[Tensor, "B D"], is_given: Bool[Tensor, "B"] | None = None
) -> Iterator[None]:
    """Has attached language models read an adapter while the context lasts.

    Args:
        adapter: Whose tokens are read.
        message: Added to the tokens, one per window.
        is_given: False for windows without a message, which then compute as the plain model does.
    """
    if is_given is None:
        is_given = torch.ones(len(message), dtype=torch.bool, device=message.device)
    token = _PRESENT.set(Injection(adapter, message, is_given))
    try:
        yield
    finally:
        _PRESENT.reset(token)


def attach(model: nn.Module) -> list[Site]:
    """Prepares a language model for adapters, once, and returns the hook points.

    Args:
        model: Of transformers, without a head, such as ``GPT2Model`` or ``BertModel``.

    Raises:
        ConfigError: If it is built in an unsupported way.
    """
    sites = find_sites(model)
    for site in sites:
        site.query.register_forward_hook(partial(_keep_query, site))
        site.mix.register_forward_pre_hook(partial(_add_reading, site))
    return sites


def find_sites(model: Any) -> list[Site]:
    """Returns the hook points of each block, from the lowest.

    Raises:
        ConfigError: If the model is built in an unsupported way.
    """
    kind = model.config.model_type
    if kind not in KINDS:
        raise ConfigError(
            f"adapters do not support a {kind!r}",
            field="language_model",
            remedy=f"Known: {', '.join(KINDS)}",
        )
    n_heads, dim = model.config.num_attention_heads, model.config.hidden_size
    scale = (dim // n_heads) ** -0.5
    sites = []
    if kind == "gpt2":
        for place, block in enumerate(model.h):
            project, mix, norm = block.attn.c_attn, block.attn.c_proj, block.ln_1
            key_value = partial(_fused_key_value, project)
            own_scale = getattr(block.attn, "scaling", scale)
            sites.append(Site(place, project, mix, key_value, norm, dim, n_heads, own_scale))
        return sites
    norm = model.embeddings.LayerNorm
    stack = model.transformer if kind == "distilbert" else model.encoder
    for place, block in enumerate(stack.layer):
        attention = block.attention
        if kind == "distilbert":
            query, key, value = attention.q_lin, attention.k_lin, attention.v_lin
            mix, next_norm = attention.out_lin, block.output_layer_norm
        else:
            query, key, value = attention.self.query, attention.self.key, attention.self.value
            mix, next_norm = attention.output.dense, block.output.LayerNorm
        key_value = partial(_key_value, key, value)
        sites.append(Site(place, query, mix, key_value, norm, dim, n_heads, scale))
        norm = next_norm
    return sites


def _key_value(key: nn.Module, value: nn.Module, tokens: Tensor) -> tuple[Tensor, Tensor]:
    return key(tokens), value(tokens)


def _fused_key_value(project: nn.Module, tokens: Tensor) -> tuple[Tensor, Tensor]:
    # `forward` passes the hooks by: these are not the block's own tokens.
    _, key, value = project.forward(tokens).chunk(3, dim=-1)
    return key, value


def _keep_query(site: Site, module: nn.Module, args: Any, output: Tensor) -> None:
    del module, args
    injection = _PRESENT.get()
    if injection is not None and site.place >= injection.adapter.first:
        injection.queries[site.place] = output[..., : site.dim]


def _add_reading(site: Site, module: nn.Module, args: tuple[Tensor, ...]) -> Any:
    del module
    injection = _PRESENT.get()
    if injection is None or site.place < injection.adapter.first:
        return None
    query = injection.queries.pop(site.place)
    extra = injection.adapter.read(site, query, injection.message)
    extra = extra.masked_fill(~injection.is_given[:, None, None], 0.0)
    return (args[0] + extra.to(args[0].dtype), *args[1:])
