"""Report tower: a causal text encoder with a summary token at its end.

As in MELP (Wang, Xu and Yu, ICML 2025, arXiv:2506.21803) and CoCa: a start token, the report, an
end token, padding, and last of all a summary (CLS) token. Attention is causal, so the state of a
word may feed a decoder that predicts the next one, while the summary attends to all. No word is
predicted here, so nothing is ever multiplied by the vocabulary.

The lower layers stay frozen, in a `medts.nn.frozen_lm.FrozenLM`. Their output is cached per text;
training starts at the first layer that learns.

Axes: B texts, L text tokens, n = L + 1 with the summary, D width of the language model.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from medts.core.errors import ConfigError, MedtsError
from medts.core.sentences import split_sentences
from medts.nn.blocks import run_blocks
from medts.nn.frozen_lm import FrozenLM
from medts.nn.language_model import LanguageModel
from medts.nn.text_cache import TextCache


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
    tokenizer's own first token starts the text and is also the summary token, identified by its
    position, so that no row is added to the vocabulary. The released code trains the word
    embeddings under frozen layers; here everything below the first trainable layer is constant,
    which is what makes it cacheable.

    Args:
        model: Language model; what is trained are copies of its upper layers.
        max_tokens: Tokens that are read, the summary included.
        n_frozen_layers: Layers that stay as they are, from below.
        is_causal: Whether a word is kept from seeing those after it.
        cache_mib: Memory for the output of the frozen layers, MiB.

    Raises:
        ConfigError: If the model has fewer layers or positions, is of an unsupported kind,
            or does not belong to its tokenizer.
    """

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
        self.language_model = FrozenLM(model)
        self.tokenizer, self.dim = model.tokenizer, model.dim
        self.is_causal = is_causal or model.is_causal
        self.max_tokens = max_tokens
        self._check(model, n_frozen_layers)
        self.layers = self.language_model.take_blocks(n_frozen_layers)
        self.norm = copy.deepcopy(self.language_model.norm)
        self.norm.requires_grad_(requires_grad=len(self.layers) > 0)
        self.start, self.end = find_marks(self.tokenizer)
        self._cache = TextCache(cache_mib)

    @property
    def vocabulary_size(self) -> int:
        """Tokens in the vocabulary of the language model."""
        return self.language_model.model.get_input_embeddings().weight.shape[0]

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
        device, length = self.language_model.digest.device, max(map(len, rows))
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
        return self._learn(self._begin(ids, is_token), is_token)[:, :-1]

    def _recall(self, texts: Sequence[str], tokens: ReportTokens) -> Float[Tensor, "B n D"]:
        """Returns the output of the frozen layers, computing only what is not in the cache."""
        row_of = {text: row for row, text in enumerate(texts)}

        def compute(new: list[str]) -> Iterator[Tensor]:
            # Alone: in a batch its last digits would depend on its neighbours, and so on what was
            # kept before, which a run that is resumed does not have.
            for row in (row_of[text] for text in new):
                n_tokens = int(tokens.is_token[row].sum())
                part = slice(row, row + 1), slice(n_tokens)
                yield self._begin(tokens.ids[part], tokens.is_token[part])[0]

        found = self._cache.get(texts, compute)
        padded = found[0].new_zeros(len(found), tokens.ids.shape[1] + 1, self.dim)
        for row, state in enumerate(found):
            padded[row, : len(state) - 1], padded[row, -1] = state[:-1], state[-1]
        return padded

    @torch.no_grad()
    def _begin(self, ids: Tensor, is_token: Tensor) -> Float[Tensor, "B n D"]:
        """Appends the summary token and runs the frozen layers."""
        ids = torch.cat([ids, ids.new_full((len(ids), 1), self.start)], dim=1)
        place = torch.arange(ids.shape[1], device=ids.device)
        place[-1] = self.max_tokens - 1  # wherever a text ends, its summary stands here
        with torch.autocast(ids.device.type, enabled=False):
            states = self.language_model.embed(self.language_model.look_up(ids), place)
            return run_blocks(self.language_model.blocks, states, self._is_seen(is_token))

    def _learn(self, states: Tensor, is_token: Tensor) -> Float[Tensor, "B n D"]:
        return self.norm(run_blocks(self.layers, states, self._is_seen(is_token)))

    def _is_seen(self, is_token: Tensor) -> Bool[Tensor, "B 1 n n"]:
        """Returns which token attends to which: to itself always, else to no padding."""
        is_key = torch.nn.functional.pad(is_token, (0, 1))
        is_seen = is_key[:, None, :].expand(-1, is_key.shape[1], -1)
        is_seen = is_seen.tril() if self.is_causal else is_seen
        is_self = torch.eye(is_key.shape[1], dtype=torch.bool, device=is_token.device)
        return (is_seen | is_self)[:, None]

    def _apply(self, fn: Any, recurse: bool = True) -> "ReportTower":  # noqa: FBT001, FBT002 - as in torch
        super()._apply(fn, recurse)
        self._cache.apply(fn)
        return self

    def _check(self, model: LanguageModel, n_frozen_layers: int) -> None:
        n_rows, n_layers = self.vocabulary_size, self.language_model.n_blocks
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
