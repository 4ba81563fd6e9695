"""Report tower: a language model that reads a report word by word and then sums it up.

As in MELP (Wang, Xu and Yu, ICML 2025, arXiv:2506.21803): a start token, the report, an end
token, padding, and last of all a summary token. Attention is causal, so a word's state knows
nothing of the words after it and may feed a decoder that predicts them, while the summary has
read everything. Any BERT- or GPT-2-like model will do; no word is predicted here, so nothing is
ever multiplied by the vocabulary.

The lower layers stay as they are. What they make of a text is computed once and kept under the
text's digest; training then starts at the first layer that learns. Weights that do not change are
no part of the state dict: the name and digest of the language model stand for them.

Axes: B texts, L text tokens, n = L + 1 with the summary, D width of the language model.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from medts.core.errors import ConfigError, MedtsError
from medts.core.sentences import split_sentences
from medts.nn.text import LanguageModel


@dataclass(frozen=True)
class ReportTokens:
    """Texts as token ids, shorter ones padded at their end.

    Args:
        ids: A start token, the words, an end token unless the text was cut, and padding.
        is_token: True for everything but padding.
        sentence: Number of the sentence that a token belongs to; -1 for start, end and padding.
        n_cut: Texts that were longer than is read.
    """

    ids: Int[Tensor, "B L"]
    is_token: Bool[Tensor, "B L"]
    sentence: Int[Tensor, "B L"]
    n_cut: int = 0


class ReportTower(nn.Module):
    """States of the words of a text, and of a summary token behind them.

    Departures: the paper prepends a new ``[BOS]`` and moves BERT's ``[CLS]`` to the end. Here the
    tokenizer's own first token starts the text and is also the summary token, told apart by its
    position, so that no row is added to the vocabulary. The released code trains the word
    embeddings under frozen layers; here everything below the first trainable layer is constant,
    which is what makes it cacheable.

    Args:
        model: A fresh language model; its upper layers will be trained in place.
        max_tokens: Tokens that are read, the summary included.
        n_frozen_layers: Layers that stay as they are, from below.
        is_causal: Whether a word is kept from seeing those after it.
        cache_mib: Memory for what the frozen layers make of each text, MiB.

    Raises:
        ConfigError: If the model has fewer layers or positions, is of a kind that is not known,
            or does not belong to its tokenizer.
    """

    digest: Tensor

    def __init__(
        self,
        model: LanguageModel,
        *,
        max_tokens: int,
        n_frozen_layers: int,
        is_causal: bool = True,
        cache_mib: float = 512.0,
    ) -> None:
        super().__init__()
        self.tokenizer, self.name, self.dim = model.tokenizer, model.name, model.dim
        self.is_causal = is_causal or model.is_causal
        self.max_tokens = max_tokens
        embed, layers, norm = take_apart(model)
        self._check(model, len(layers), n_frozen_layers)
        model.model.requires_grad_(requires_grad=False)
        self._embed = embed
        self._whole = [model.model]  # in a list, so that what is frozen is not registered
        self._frozen = [*layers[:n_frozen_layers]]
        self.layers = nn.ModuleList(layers[n_frozen_layers:]).requires_grad_(requires_grad=True)
        self.norm = norm.requires_grad_(requires_grad=len(self.layers) > 0)
        self.layers.train()  # they come in evaluation mode, in which nothing would be dropped
        self.norm.train()
        self.start, self.end = find_marks(self.tokenizer)
        self.register_buffer("digest", torch.tensor(list(bytes.fromhex(model.digest))).byte())
        self._kept: dict[bytes, Tensor] = {}
        self._room = cache_mib * 2**20

    @property
    def vocabulary_size(self) -> int:
        """Words that the language model knows."""
        return self._whole[0].get_input_embeddings().weight.shape[0]  # pyright: ignore

    def tokenize(self, texts: Sequence[str]) -> ReportTokens:
        """Turns texts into token ids, sentence by sentence.

        Raises:
            MedtsError: If a text has no words.
        """
        rows, numbers, n_cut = [], [], 0
        room = self.max_tokens - 1  # the last position is the summary's
        for index, text in enumerate(texts):
            ids, number = [self.start], [-1]
            for n, sentence in enumerate(split_sentences(text)):
                lead = " " if n and self.tokenizer.cls_token_id is None else ""  # GPT-2's spaces
                words = self.tokenizer(
                    lead + sentence, add_special_tokens=False, truncation=True, max_length=room
                )["input_ids"]
                ids += words  # pyright: ignore[reportOperatorIssue] - a list of numbers
                number += [n] * len(words)  # pyright: ignore[reportArgumentType]
                if len(ids) > room:
                    break
            if len(ids) == 1:
                raise MedtsError(f"text {index} is empty", remedy="Leave it out or describe it")
            n_cut += len(ids) > room
            ids, number = ids[:room], number[:room]
            if len(ids) < room:
                ids, number = [*ids, self.end], [*number, -1]
            rows.append(ids)
            numbers.append(number)
        device, length = self.digest.device, max(map(len, rows))
        padded = [ids + [self.end] * (length - len(ids)) for ids in rows]
        sentence = [number + [-1] * (length - len(number)) for number in numbers]
        n_tokens = torch.tensor([len(ids) for ids in rows])
        return ReportTokens(
            torch.tensor(padded, device=device),
            (torch.arange(length) < n_tokens[:, None]).to(device),
            torch.tensor(sentence, device=device),
            n_cut,
        )

    def forward(
        self, texts: Sequence[str], tokens: ReportTokens | None = None
    ) -> tuple[Float[Tensor, "B L D"], Float[Tensor, "B D"]]:
        """Returns the state of every token and of the summary.

        Args:
            texts: What is read.
            tokens: The same texts from `tokenize`, where they are already there.
        """
        tokens = tokens or self.tokenize(texts)
        states = self._learn(self._recall(texts, tokens), tokens.is_token)
        return states[:, :-1], states[:, -1]

    def read(self, ids: Int[Tensor, "B L"]) -> Float[Tensor, "B L D"]:
        """Returns the states of token ids without padding, such as a draft so far."""
        is_token = torch.ones_like(ids, dtype=torch.bool)
        return self._learn(self._look_up(ids, is_token), is_token)[:, :-1]

    def _recall(self, texts: Sequence[str], tokens: ReportTokens) -> Float[Tensor, "B n D"]:
        """Returns what the frozen layers make of the texts, computing only what is not kept."""
        keys = [hashlib.sha256(text.encode()).digest() for text in texts]
        new = {key: row for row, key in enumerate(keys) if key not in self._kept}
        found: dict[bytes, Tensor] = {key: self._kept[key] for key in keys if key in self._kept}
        for key, row in new.items():
            # Alone: in a batch its last digits would depend on its neighbours, and so on what was
            # kept before, which a run that is resumed does not have.
            n_tokens = int(tokens.is_token[row].sum())
            part = slice(row, row + 1), slice(n_tokens)
            found[key] = self._look_up(tokens.ids[part], tokens.is_token[part])[0]
            size = found[key].nbytes
            if size <= self._room:
                self._kept[key] = found[key]
                self._room -= size
        length = tokens.ids.shape[1]
        padded = found[keys[0]].new_zeros(len(keys), length + 1, self.dim)
        for row, key in enumerate(keys):
            state = found[key]
            padded[row, : len(state) - 1], padded[row, -1] = state[:-1], state[-1]
        return padded

    @torch.no_grad()
    def _look_up(self, ids: Tensor, is_token: Tensor) -> Float[Tensor, "B n D"]:
        ids = torch.cat([ids, ids.new_full((len(ids), 1), self.start)], dim=1)
        place = torch.arange(ids.shape[1], device=ids.device)
        place[-1] = self.max_tokens - 1  # wherever a text ends, its summary stands here
        with torch.autocast(ids.device.type, enabled=False):
            states = self._embed(ids, place.expand_as(ids))
            may_see = self._may_see(is_token, states.dtype)
            for layer in self._frozen:
                states = layer(states, attention_mask=may_see)
        return states

    def _learn(self, states: Tensor, is_token: Tensor) -> Float[Tensor, "B n D"]:
        may_see = self._may_see(is_token, states.dtype)
        for layer in self.layers:
            states = layer(states, attention_mask=may_see)
        return self.norm(states)

    def _may_see(self, is_token: Tensor, dtype: torch.dtype) -> Float[Tensor, "B 1 n n"]:
        """Adds nothing where a token may look, and as good as minus infinity elsewhere."""
        length = is_token.shape[1] + 1
        is_key = torch.nn.functional.pad(is_token, (0, 1))
        is_seen = is_key[:, None, :].expand(-1, length, -1)
        if self.is_causal:
            is_seen = is_seen.tril()
        is_self = torch.eye(length, dtype=torch.bool, device=is_token.device)
        bias = torch.zeros(is_seen.shape, dtype=dtype, device=is_token.device)
        return bias.masked_fill(~(is_seen | is_self), torch.finfo(dtype).min)[:, None]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "ReportTower":  # noqa: FBT001, FBT002
        """Moves the frozen part too, which torch does not know of."""
        self._whole[0]._apply(fn)
        super()._apply(fn, recurse)
        self._kept = {key: fn(state) for key, state in self._kept.items()}
        return self

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *rest: Any, **more: Any
    ) -> None:
        given = state_dict.get(f"{prefix}digest")
        if given is not None and not torch.equal(given.cpu(), self.digest.cpu()):
            raise ConfigError(
                f"these weights were trained on another language model than {self.name!r} is here",
                field="text.name",
                remedy=f"They want the one with SHA-256 {bytes(given.tolist()).hex()[:16]}…",
            )
        super()._load_from_state_dict(state_dict, prefix, *rest, **more)

    def _check(self, model: LanguageModel, n_layers: int, n_frozen_layers: int) -> None:
        n_rows = model.model.get_input_embeddings().weight.shape[0]  # pyright: ignore
        if len(model.tokenizer) > n_rows:
            raise ConfigError(
                f"the tokenizer has {len(model.tokenizer)} words and the weights {n_rows}: they "
                "do not belong together",
                field=model.name,
                remedy="Take both from the same folder",
            )
        if n_frozen_layers > n_layers:
            raise ConfigError(
                f"{n_frozen_layers} layers cannot be frozen: {model.name!r} has {n_layers}",
                field="n_frozen_text_layers",
            )
        if self.max_tokens > model.max_positions:
            raise ConfigError(
                f"{self.max_tokens} tokens are more than the {model.max_positions} positions of "
                f"{model.name!r}",
                field="text.max_tokens",
            )


def take_apart(model: LanguageModel) -> tuple[Callable[..., Tensor], list[nn.Module], nn.Module]:
    """Returns how a language model embeds ids at positions, its layers, and its last norm.

    Raises:
        ConfigError: If it is neither built like BERT nor like GPT-2.
    """
    whole: Any = model.model
    if hasattr(whole, "embeddings") and hasattr(getattr(whole, "encoder", None), "layer"):
        padding = getattr(whole.embeddings, "padding_idx", None)  # RoBERTa counts from behind it
        shift = 0 if padding is None else padding + 1

        def embed_bert(ids: Tensor, place: Tensor) -> Tensor:
            return whole.embeddings(input_ids=ids, position_ids=place + shift)

        return embed_bert, list(whole.encoder.layer), nn.Identity()
    if hasattr(whole, "wte") and hasattr(whole, "h"):

        def embed_gpt2(ids: Tensor, place: Tensor) -> Tensor:
            return whole.wte(ids) + whole.wpe(place)

        return embed_gpt2, list(whole.h), whole.ln_f
    raise ConfigError(
        f"{type(whole).__name__} is neither built like BERT nor like GPT-2",
        field=model.name,
        remedy="Name a model of one of these kinds",
    )


def find_marks(tokenizer: Any) -> tuple[int, int]:
    """Returns the ids that start and end a text.

    Raises:
        ConfigError: If the tokenizer has none.
    """
    start = tokenizer.cls_token_id if tokenizer.cls_token_id is not None else tokenizer.bos_token_id
    end = tokenizer.sep_token_id if tokenizer.sep_token_id is not None else tokenizer.eos_token_id
    if start is None or end is None:
        raise ConfigError(
            "the tokenizer has no token to start and end a text with", field="text.name"
        )
    return start, end
