"""Frozen language model: load, tokenise, run block by block, cache features of texts, digest.

Everything that reads text without training on it goes through `FrozenLM`: MedualTime and GPT4TS,
whose signal patches pass the same blocks as words do; the frozen lower layers of MELP's report
tower; embeddings of labels. The weights are no part of a checkpoint: their SHA-256 stands there
instead, so that what was trained on one language model does not load onto another.

What a name may be is left to `medts.nn.language_model`, adapters to `medts.nn.adapters`.

Axes: B windows in the batch, N tokens, L text tokens, n texts, D embedding width.
"""

import copy
import warnings
from collections.abc import Sequence
from functools import cache
from threading import Lock
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from medts.core.errors import ConfigError, MedtsError
from medts.nn.blocks import pad_rows, run_blocks, share_weights, visible
from medts.nn.language_model import LanguageModel, load_language_model
from medts.nn.poolers import mean_of_valid
from medts.nn.settings import TextConfig
from medts.nn.text_cache import TextCache, digest_of, refuse_empty

Pool = Literal["none", "mean", "first", "unit"]
"""What is kept of a text: all tokens, their mean, the first (CLS), or a sentence embedding."""

# Of the module: models share their tokenizer, and are copied and pickled, which a lock cannot be.
_LOCK = Lock()
_SENTENCES_AT_ONCE = 64


@cache
def original(name: str) -> LanguageModel:
    """Loads a language model once per process; `FrozenLM` shares its weights."""
    with torch.random.fork_rng(devices=[]):
        return load_language_model(name)


@cache
def shared_lm(config: TextConfig) -> "FrozenLM":
    """Returns the one frozen language model of this process with these settings, and its cache."""
    return FrozenLM.load(config)


class FrozenLM(nn.Module):
    """Frozen language model (backbone) of BERT's or GPT-2's kind, without parameters to train.

    It follows its owner from device to device and never leaves evaluation mode. Instances of one
    name share the memory of their weights until one of them is moved.

    Args:
        source: As loaded.
        max_tokens: Tokens that are read of a text; no more than the model can.
        cache_mib: Memory for each kind of features of texts, MiB; 0 computes them every time.

    Raises:
        ConfigError: If the model is neither built like BERT nor like GPT-2.
    """

    digest: Tensor

    def __init__(
        self,
        source: LanguageModel,
        *,
        max_tokens: int = 128,
        cache_mib: float = 512.0,
    ) -> None:
        super().__init__()
        self.name, self.tokenizer, self.sha256 = source.name, source.tokenizer, source.digest
        self.dim, self.is_causal = source.dim, source.is_causal
        self.max_positions = source.max_positions
        self.max_tokens = min(max_tokens, source.max_positions)
        self.is_trained = False
        self.register_buffer("digest", torch.tensor(list(bytes.fromhex(source.digest))).byte())
        self._hidden_model = (share_weights(source.model),)  # a tuple is no part of state_dict
        self._cache_mib = cache_mib
        self._caches: dict[tuple[int, Pool], TextCache] = {}
        self._truncated: set[str] = set()
        try:
            _ = self.blocks, self.embeddings
        except AttributeError:
            raise ConfigError(
                f"{type(source.model).__name__} is neither built like BERT nor like GPT-2",
                field=self.name,
                remedy="Name a model of one of these kinds",
            ) from None

    @classmethod
    def load(cls, config: TextConfig, *, cache_mib: float = 512.0) -> "FrozenLM":
        """Loads by name; weights are read once per process.

        Raises:
            ConfigError: If the weights are missing.
        """
        return cls(original(config.name), max_tokens=config.max_tokens, cache_mib=cache_mib)

    @property
    def model(self) -> Any:
        """The language model of transformers."""
        return self._hidden_model[0]

    @property
    def _is_gpt2(self) -> bool:
        return hasattr(self.model, "wpe")

    @property
    def blocks(self) -> nn.ModuleList:
        """Transformer layers, from the lowest."""
        if self._is_gpt2:
            return self.model.h
        encoder = getattr(self.model, "encoder", None)
        return self.model.transformer.layer if encoder is None else encoder.layer

    @property
    def n_blocks(self) -> int:
        """How many there are."""
        return len(self.blocks)

    @property
    def norm(self) -> nn.Module:
        """The layer norm after the last block; the identity for BERT, which has none."""
        return getattr(self.model, "ln_f", nn.Identity())

    @property
    def embeddings(self) -> list[nn.Module]:
        """Modules that turn token ids into the input of the lowest block."""
        return [self.model.wte, self.model.wpe] if self._is_gpt2 else [self.model.embeddings]

    @property
    def positions(self) -> nn.Module:
        """Embeddings of positions."""
        return self.model.wpe if self._is_gpt2 else self.model.embeddings.position_embeddings

    @property
    def n_truncated(self) -> int:
        """How many different texts so far were longer than is read."""
        return len(self._truncated)

    @property
    def n_computed(self) -> int:
        """How many texts were computed, for each kind of features, and not found in the cache."""
        return sum(each.n_computed for each in self._caches.values())

    def unfreeze(self) -> None:
        """Gives embeddings and blocks weights of their own that are trained and saved."""
        model = copy.deepcopy(self.model)
        model.pooler = None
        self._hidden_model = (model.requires_grad_(requires_grad=True),)
        self.is_trained = True
        self.parts = nn.ModuleList([*self.embeddings, *self.blocks])

    def take_blocks(self, first: int) -> nn.ModuleList:
        """Removes the blocks from ``first`` on and returns them with trainable weights."""
        taken = copy.deepcopy(self.blocks[first:])
        del self.blocks[first:]
        return taken.requires_grad_(requires_grad=True).train()

    def train(self, mode: bool = True) -> "FrozenLM":  # noqa: FBT001, FBT002 - as in torch
        """Leaves a frozen model in evaluation mode, without dropout."""
        super().train(mode)
        self.model.train(mode and self.is_trained)
        return self

    def _apply(self, fn: Any, recurse: bool = True) -> "FrozenLM":  # noqa: FBT001, FBT002 - as in torch
        super()._apply(fn, recurse)
        if not self.is_trained:
            self.model._apply(fn)
        for kept in self._caches.values():
            kept.apply(fn)
        return self

    def _load_from_state_dict(
        self, state_dict: dict[str, Tensor], prefix: str, *rest: Any, **more: Any
    ) -> None:
        given = state_dict.get(f"{prefix}digest")
        if given is not None and not torch.equal(given.cpu(), self.digest.cpu()):
            raise ConfigError(
                f"trained on a language model with digest {bytes(given.tolist()).hex()[:12]}…, but "
                f"{self.name!r} here has {self.sha256[:12]}…",
                field="language_model",
                remedy="Put the same weights under this name, or train again on these",
            )
        super()._load_from_state_dict(state_dict, prefix, *rest, **more)

    def tokenise(self, texts: Sequence[str]) -> list[list[int]]:
        """Returns the token ids of each text, cut to ``max_tokens``.

        Texts that are cut are counted in `n_truncated`, and the first of them warned of.

        Raises:
            MedtsError: If a text is empty.
        """
        refuse_empty(texts)
        longest, was_known = self.max_tokens, self.n_truncated > 0
        with _LOCK:
            found: Any = self.tokenizer(list(texts), truncation=True, max_length=longest)
            ids: list[list[int]] = found["input_ids"]
            # Only a text that fills its room may have been cut; the others are not read twice.
            full = [text for text, each in zip(texts, ids, strict=True) if len(each) == longest]
            cut = {text for text, n in zip(full, self._lengths(full), strict=True) if n > longest}
            self._truncated |= {digest_of(text) for text in cut}
        if cut and not was_known:
            warnings.warn(
                f"{len(cut)} of {len(set(texts))} texts are longer than the {longest} tokens that "
                f"{self.name!r} is to read; the rest of each is not read. Later ones are counted "
                "without a warning",
                stacklevel=2,
            )
        return ids

    def n_cut(self, texts: Sequence[str]) -> int:
        """Counts the texts that are longer than is read."""
        with _LOCK:
            return sum(n > self.max_tokens for n in self._lengths(list(texts)))

    def _lengths(self, texts: list[str]) -> list[int]:
        ids: Any = self.tokenizer(texts, verbose=False)["input_ids"] if texts else []
        return [len(each) for each in ids]

    def look_up(self, ids: Int[Tensor, "B N"]) -> Float[Tensor, "B N D"]:
        """Returns the word embeddings of token ids, without positions."""
        return self.model.get_input_embeddings()(ids)

    def embed(
        self, vectors: Float[Tensor, "B N D"], place: Int[Tensor, "N"] | None = None
    ) -> Float[Tensor, "B N D"]:
        """Returns the input of the lowest block: word embeddings, or patches in their place.

        Args:
            vectors: Without positions.
            place: Their positions; from zero on where none are given.

        Raises:
            MedtsError: If there are more than the model has positions for.
        """
        n_tokens = vectors.shape[1]
        if n_tokens > self.max_positions:
            raise MedtsError(
                f"{n_tokens} tokens do not fit into the {self.max_positions} positions of "
                f"{self.name!r}",
                field="language_model",
                remedy="Use shorter windows, or longer patches",
            )
        positions = torch.arange(n_tokens, device=vectors.device) if place is None else place
        if self._is_gpt2:
            return self.model.drop(vectors + self.model.wpe(positions))
        padding = getattr(self.model.embeddings, "padding_idx", None)
        if padding is not None:  # RoBERTa counts positions from behind it
            positions = positions + padding + 1
        positions = positions.expand(vectors.shape[:2])
        return self.model.embeddings(None, inputs_embeds=vectors, position_ids=positions)

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
        return run_blocks(self.blocks[first:last], hidden, is_seen)

    def states(
        self, texts: Sequence[str], n_blocks: int
    ) -> tuple[Float[Tensor, "n L D"], Bool[Tensor, "n L"]]:
        """Returns what the lowest blocks make of texts, padded, and which tokens are valid.

        Computed once per text where the model is frozen.
        """
        if self.is_trained:
            device = self.digest.device
            rows = [torch.tensor(each, device=device) for each in self.tokenise(texts)]
            ids, is_valid = pad_rows(rows)
            return self.run(self.embed(self.look_up(ids)), is_valid, 0, n_blocks), is_valid
        with torch.no_grad():
            return pad_rows(self._recall(texts, n_blocks, "none"))

    @torch.no_grad()
    def vectors(self, texts: Sequence[str], pool: Literal["mean", "first"]) -> Float[Tensor, "n D"]:
        """Returns one vector per text from the last block, computed once per text."""
        return torch.stack(self._recall(texts, self.n_blocks, pool))

    @torch.no_grad()
    def encode(self, texts: Sequence[str]) -> Float[Tensor, "n D"]:
        """Returns sentence embeddings: the mean of the last layer over tokens, with length one.

        Raises:
            MedtsError: If a text is empty.
        """
        found = self._recall(texts, self.n_blocks, "unit")
        return torch.stack(found) if found else torch.zeros(0, self.dim)

    def _recall(self, texts: Sequence[str], n_blocks: int, pool: Pool) -> list[Tensor]:
        # Each kind has room of its own: states of all tokens would drive vectors out.
        kept = self._caches.setdefault((n_blocks, pool), TextCache(self._cache_mib))
        return kept.get(texts, lambda new: self._compute(new, n_blocks, pool))

    def _compute(self, texts: list[str], n_blocks: int, pool: Pool) -> list[Tensor]:
        """Runs texts in full precision whatever is around, without padding."""
        rows_of: dict[int, list[int]] = {}
        ids = self.tokenise(texts)
        for row, each in enumerate(ids):
            rows_of.setdefault(len(each), []).append(row)
        # Alone: in a batch the last digits of a text depend on its neighbours, and so on what was
        # kept before, which a resumed run does not have. Labels come in one call: batches are fast.
        size = _SENTENCES_AT_ONCE if pool == "unit" else 1
        found = [torch.empty(0)] * len(texts)
        for rows in rows_of.values():
            for start in range(0, len(rows), size):
                part = rows[start : start + size]
                tokens = torch.tensor([ids[row] for row in part], device=self.digest.device)
                is_valid = torch.ones_like(tokens, dtype=torch.bool)
                with torch.autocast(tokens.device.type, enabled=False):
                    hidden = self.run(self.embed(self.look_up(tokens)), is_valid, 0, n_blocks)
                    if pool == "unit":
                        hidden = F.normalize(self.norm(hidden).mean(dim=1).float(), dim=-1)
                    elif pool == "mean":
                        hidden = mean_of_valid(hidden, is_valid)
                    elif pool == "first":
                        hidden = hidden[:, 0].clone()  # a slice would keep all tokens in memory
                for row, each in zip(part, hidden, strict=True):
                    found[row] = each
        return found
