"""Trunk: a language model as a stack of frozen blocks that run from any height to any other.

Signal patches and report tokens pass through one and the same stack. A frozen trunk is no part of
a checkpoint and has no parameter to train: it follows its owner from device to device, never
leaves evaluation mode, and in place of its weights a checkpoint holds their digest, so that
weights trained on one trunk do not load onto another. A trained trunk is an ordinary module.

What a text is below the first trained parameter never changes. `FrozenReader` computes it once
per text and keeps it, within a limit, by the digests of trunk and text. Threads may read at once.

Loading by name, and what a name may be, are left to `medts.nn.language_model`.

Axes: B windows in the batch, N tokens, L text tokens, n texts, D embedding width.
"""

import copy
import hashlib
import warnings
from collections import OrderedDict
from collections.abc import Sequence
from functools import cache as remembered
from threading import Lock
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from medts.core.errors import ConfigError, MedtsError
from medts.nn.adapters import attach
from medts.nn.language_model import LanguageModel, load_language_model

_LOCK = Lock()
"""Held while a tokenizer is used, which all trunks of a name share, or what is kept changes."""


@remembered
def original(name: str) -> LanguageModel:
    """Loads or draws a language model once per process; use copies that share its weights."""
    with torch.random.fork_rng(devices=[]):
        return load_language_model(name)


class WeightsDigest(nn.Module):
    """Stands in a checkpoint for weights that are not in it, and refuses any others.

    Args:
        name: What the weights were asked for by.
        digest: SHA-256 of the weights, in hexadecimal digits.
    """

    digest: Tensor

    def __init__(self, name: str, digest: str) -> None:
        super().__init__()
        self.name = name
        self.register_buffer("digest", torch.tensor(list(bytes.fromhex(digest)), dtype=torch.uint8))

    def _load_from_state_dict(
        self, state_dict: dict[str, Tensor], prefix: str, *rest: Any, **more: Any
    ) -> None:
        given = state_dict.get(f"{prefix}digest")
        if given is not None and not torch.equal(given.cpu(), self.digest.cpu()):
            found, wanted = (bytes(each.tolist()).hex()[:12] for each in (self.digest, given))
            raise ConfigError(
                f"trained on a language model with digest {wanted}…, but {self.name!r} here has "
                f"{found}…",
                field="trunk",
                remedy="Put the same weights under this name, or train again on these",
            )
        super()._load_from_state_dict(state_dict, prefix, *rest, **more)


class Trunk(nn.Module):
    """A language model whose blocks run one by one, prepared for adapters.

    Args:
        name: Name of a language model, or one of `RANDOM_MODELS`.
        is_trained: True makes embeddings and blocks trainable, and part of checkpoints.

    Raises:
        ConfigError: If the weights are missing, or the model cannot be adapted.
    """

    def __init__(self, name: str, *, is_trained: bool = False) -> None:
        super().__init__()
        source = original(name)
        self.name, self.is_trained = name, is_trained
        self.dim, self.is_causal = source.dim, source.is_causal
        self.max_positions, self.tokenizer = source.max_positions, source.tokenizer
        self.checked = WeightsDigest(name, source.digest)
        self._truncated: set[str] = set()
        model: Any = share_weights(source.model) if not is_trained else copy.deepcopy(source.model)
        self.sites = attach(model)
        self.n_blocks, self.n_heads = len(self.sites), self.sites[0].n_heads
        self._hidden_model = (model,)  # a tuple is out of sight of state_dict and parameters
        if is_trained:
            model.pooler = None
            model.requires_grad_(requires_grad=True)
            self.parts = nn.ModuleList([*self.embeddings, *self.blocks])

    @property
    def model(self) -> Any:
        """The language model of transformers."""
        return self._hidden_model[0]

    @property
    def digest(self) -> str:
        """SHA-256 of weights and vocabulary, as they were loaded."""
        return bytes(self.checked.digest.tolist()).hex()

    @property
    def n_truncated(self) -> int:
        """How many of the different texts numbered so far were longer than is read."""
        return len(self._truncated)

    @property
    def blocks(self) -> nn.ModuleList:
        """The stack, from the lowest."""
        if self.model.config.model_type == "gpt2":
            return self.model.h
        encoder = getattr(self.model, "encoder", None)
        return self.model.transformer.layer if encoder is None else encoder.layer

    @property
    def embeddings(self) -> list[nn.Module]:
        """What makes the input of the lowest block of token numbers."""
        is_gpt2 = self.model.config.model_type == "gpt2"
        return [self.model.wte, self.model.wpe] if is_gpt2 else [self.model.embeddings]

    @property
    def positions(self) -> nn.Module:
        """Embeddings of positions."""
        is_gpt2 = self.model.config.model_type == "gpt2"
        return self.model.wpe if is_gpt2 else self.model.embeddings.position_embeddings

    def train(self, mode: bool = True) -> "Trunk":  # noqa: FBT001, FBT002 - as in torch
        """Leaves a frozen model in evaluation mode: it never drops anything."""
        super().train(mode)
        self.model.train(mode and self.is_trained)
        return self

    def _apply(self, fn: Any, recurse: bool = True) -> "Trunk":  # noqa: FBT001, FBT002 - as in torch
        super()._apply(fn, recurse)
        if not self.is_trained:
            self.model._apply(fn)
        return self

    def look_up(self, ids: Int[Tensor, "B N"]) -> Float[Tensor, "B N D"]:
        """Returns the vectors of token numbers, without positions."""
        return self.model.get_input_embeddings()(ids)

    def embed(self, vectors: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        """Makes the input of the lowest block, from vectors in the place of tokens.

        Raises:
            MedtsError: If there are more than the model has positions for.
        """
        n_tokens = vectors.shape[1]
        if n_tokens > self.max_positions:
            raise MedtsError(
                f"{n_tokens} tokens do not fit into the {self.max_positions} positions of "
                f"{self.name!r}",
                field="trunk",
                remedy="Use shorter windows, or longer patches",
            )
        if self.model.config.model_type == "gpt2":
            place = torch.arange(n_tokens, device=vectors.device)
            return self.model.drop(vectors + self.model.wpe(place))
        if self.model.config.model_type == "distilbert":
            return self.model.embeddings(None, vectors)
        return self.model.embeddings(inputs_embeds=vectors)

    def run(
        self,
        hidden: Float[Tensor, "B N D"],
        is_valid: Bool[Tensor, "B N"],
        first: int = 0,
        last: int | None = None,
    ) -> Float[Tensor, "B N D"]:
        """Runs the blocks from ``first`` up to, not with, ``last``; padded tokens are not seen.

        The norm after the last block is left out. A row without a valid token sees its first one.
        """
        is_seen = visible(is_valid, is_causal=self.is_causal)
        if is_seen is not None and self.model.config._attn_implementation != "sdpa":
            lowest = torch.finfo(hidden.dtype).min
            is_seen = torch.zeros_like(is_seen, dtype=hidden.dtype).masked_fill(~is_seen, lowest)
        for block in self.blocks[first:last]:
            hidden = block(hidden, attention_mask=is_seen)
            hidden = hidden[0] if isinstance(hidden, tuple) else hidden
        return hidden

    def number(self, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
        """Returns the token numbers of texts, each cut to ``max_tokens`` or what the model takes.

        Texts that are cut are counted in `n_truncated`, and the first of them warned of.

        Raises:
            MedtsError: If a text is empty.
        """
        if not all(text.strip() for text in texts):
            raise MedtsError("an empty text has no tokens", field="text")
        longest, was_known = min(max_tokens, self.max_positions), self.n_truncated > 0
        with _LOCK:
            found: Any = self.tokenizer(list(texts), truncation=True, max_length=longest)
            numbers: list[list[int]] = found["input_ids"]
            full = [text for text, each in zip(texts, numbers, strict=True) if len(each) == longest]
            whole: Any = self.tokenizer(full, verbose=False)["input_ids"] if full else []
            cut = {text for text, each in zip(full, whole, strict=True) if len(each) > longest}
            self._truncated |= {digest_of(text) for text in cut}
        if cut and not was_known:
            warnings.warn(
                f"{len(cut)} of {len(set(texts))} texts are longer than the {longest} tokens that "
                f"{self.name!r} is to read; the rest of each is not read. Later ones are counted "
                "without a warning",
                stacklevel=2,
            )
        return numbers


Pool = Literal["mean", "first", "none"]
"""What is made of a text's tokens: their mean, the first of them, or nothing."""


class FrozenReader:
    """Texts as a frozen trunk sees them after its first blocks, each text computed once.

    A reader that is asked for vectors keeps vectors, not the states of all tokens.

    Args:
        trunk: Frozen.
        n_blocks: Blocks that are run.
        max_tokens: Tokens of a text that are read.
        limit_mib: Memory for what is kept; what was used longest ago goes first.
    """

    def __init__(self, trunk: Trunk, *, n_blocks: int, max_tokens: int, limit_mib: float) -> None:
        assert not trunk.is_trained
        self.trunk, self.n_blocks, self.max_tokens = trunk, n_blocks, max_tokens
        self.n_computed = 0
        self._room = int(limit_mib * 2**20)
        self._kept: OrderedDict[str, Tensor] = OrderedDict()

    @torch.no_grad()
    def __call__(
        self, texts: Sequence[str], device: torch.device
    ) -> tuple[Float[Tensor, "n L D"], Bool[Tensor, "n L"]]:
        """Returns the states of each text, padded at the end, and which tokens are valid."""
        rows = self._read(texts, "none", device)
        lengths = torch.tensor([len(row) for row in rows], device=device)
        hidden = pad_sequence(rows, batch_first=True)
        return hidden, torch.arange(hidden.shape[1], device=device) < lengths[:, None]

    @torch.no_grad()
    def vectors(
        self, texts: Sequence[str], pool: Literal["mean", "first"], device: torch.device
    ) -> Float[Tensor, "n D"]:
        """Returns one vector per text: the mean over its tokens, or its first token."""
        return torch.stack(self._read(texts, pool, device))

    def _read(self, texts: Sequence[str], pool: Pool, device: torch.device) -> list[Tensor]:
        """Returns what is asked for of each text, from memory where it is there."""
        start = f"{self.trunk.digest} {pool} "
        keys = [digest_of(start + text) for text in texts]
        with _LOCK:
            found = {key: self._kept[key] for key in keys if key in self._kept}
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        found |= self._compute(missing, pool, device)
        with _LOCK:
            self.n_computed += len(missing)
            for key, each in found.items():
                self._keep(key, each)
        return [found[key].to(device) for key in keys]

    def _compute(
        self, texts: dict[str, str], pool: Pool, device: torch.device
    ) -> dict[str, Tensor]:
        """Runs the blocks over new texts, in full precision whatever is around.

        One text after the other: in a batch its last digits would depend on its neighbours, and
        so on what was kept before, which a run that is resumed does not have.
        """
        if not texts:
            return {}
        numbers = self.trunk.number(list(texts.values()), self.max_tokens)
        found = {}
        for key, each in zip(texts, numbers, strict=True):
            ids, is_valid = pad_numbers([each], device)
            with torch.autocast(device.type, enabled=False):
                hidden = self.trunk.embed(self.trunk.look_up(ids))
                hidden = self.trunk.run(hidden, is_valid, 0, self.n_blocks)
            if pool == "mean":
                found[key] = mean_of_valid(hidden, is_valid)[0]
            else:
                # A copy: a slice would keep all tokens in memory.
                found[key] = hidden[0, 0].clone() if pool == "first" else hidden[0]
        return found

    def _keep(self, key: str, found: Tensor) -> None:
        if key in self._kept:
            self._kept.move_to_end(key)
            return
        size = found.numel() * found.element_size()
        while self._kept and size > self._room:
            _, oldest = self._kept.popitem(last=False)
            self._room += oldest.numel() * oldest.element_size()
        if size <= self._room:
            self._kept[key] = found
            self._room -= size


def digest_of(text: str) -> str:
    """Returns the SHA-256 of a text, in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def share_weights(model: nn.Module) -> nn.Module:
    """Returns a frozen copy of a model that uses the same memory, and may move away from it."""
    shared: dict[int, Any] = {
        id(each): nn.Parameter(each.detach(), requires_grad=False) for each in model.parameters()
    }
    shared |= {id(each): each for each in model.buffers()}
    return copy.deepcopy(model, shared).eval()


def pad_numbers(
    numbers: Sequence[list[int]], device: torch.device
) -> tuple[Int[Tensor, "n L"], Bool[Tensor, "n L"]]:
    """Puts token numbers of texts into one tensor, padded at the end, and says what is valid."""
    rows = [torch.tensor(each, device=device) for each in numbers]
    lengths = torch.tensor([len(each) for each in rows], device=device)
    ids = pad_sequence(rows, batch_first=True)
    return ids, torch.arange(ids.shape[1], device=device) < lengths[:, None]


def visible(is_valid: Bool[Tensor, "B N"], *, is_causal: bool) -> Bool[Tensor, "B 1 M N"] | None:
    """Returns which token may see which; none where attention itself knows.

    That is where nothing is padded: all tokens see all, or, if causal, those before them.
    """
    if bool(is_valid.all()):
        return None
    n_tokens = is_valid.shape[1]
    is_first = torch.arange(n_tokens, device=is_valid.device) == 0
    is_seen = is_valid | (is_first & ~is_valid.any(dim=1, keepdim=True))
    is_seen = is_seen[:, None, None].expand(-1, 1, n_tokens, -1)
    return is_seen.tril() if is_causal else is_seen


def mean_of_valid(
    hidden: Float[Tensor, "B N D"], is_valid: Bool[Tensor, "B N"]
) -> Float[Tensor, "B D"]:
    """Averages the valid tokens of each row; zero where there is none."""
    weight = is_valid[..., None].to(hidden.dtype)
    return (hidden * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)


def last_of_valid(
    hidden: Float[Tensor, "B N D"], is_valid: Bool[Tensor, "B N"]
) -> Float[Tensor, "B D"]:
    """Takes the last valid token of each row; zero where there is none."""
    place = torch.arange(is_valid.shape[1], device=is_valid.device)
    last = (place * is_valid).amax(dim=1)
    rows = torch.arange(len(hidden), device=hidden.device)
    return hidden[rows, last] * is_valid.any(dim=1)[:, None].to(hidden.dtype)
