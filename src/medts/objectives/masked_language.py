"""Masked language modelling: a text tower learns how reports are worded, by filling in words.

BERT's task (Devlin et al., 2019), and stage 1 of MELP, which adapts a general encoder to cardiology
before it meets a signal: some tokens are hidden, some replaced by others, and the model names what
stood there. The encoder is kept; the head that names words is kept with it, so that the perplexity
can be measured again.

What counts is masked perplexity: exp of the mean cross-entropy over hidden tokens. When validating,
the tokens hidden in a text depend on the text alone, so numbers before and after, and of different
runs, are about the same tokens.

Departures: the vocabulary is multiplied with the hidden tokens only. In each text at least one
token is hidden; BERT hides none in many a short report.

Axes: B texts in the batch, L text tokens, V vocabulary.
"""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional as F

from medts.core.batch import Batch, Losses
from medts.core.config import Config
from medts.core.errors import ConfigError, MedtsError
from medts.nn.language_model import LanguageModel
from medts.objectives.base import Objective

if TYPE_CHECKING:  # the extra [text] is optional, and its import takes seconds
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class MaskedLanguageConfig(Config):
    """How many tokens are hidden, and how; BERT's numbers."""

    kind: Literal["masked_language"] = "masked_language"
    """Name of the objective."""

    mask_ratio: float = Field(default=0.15, gt=0.0, lt=1.0)
    """Share of a text's tokens that have to be named; at least one."""

    shown_as_mask: float = Field(default=0.8, ge=0.0, le=1.0)
    """Share of those that the model sees as the mask token."""

    shown_as_other: float = Field(default=0.1, ge=0.0, le=1.0)
    """Share of those that it sees as a token drawn at random; the rest it sees as they are."""

    max_tokens: int = Field(default=128, ge=8)
    """Tokens of a report that are read, special ones included."""

    @model_validator(mode="after")
    def _shares_fit(self) -> "MaskedLanguageConfig":
        if self.shown_as_mask + self.shown_as_other > 1.0:
            raise ValueError("shown_as_mask and shown_as_other together exceed 1")
        return self


class MaskedLanguage(Objective):
    """Names hidden tokens of ``batch.text``; streams are not looked at.

    Args:
        config: What is hidden.
        language_model: An encoder such as BERT, as loaded.

    Raises:
        ConfigError: If the model is causal, or its tokenizer has no mask token or another
            vocabulary than the model.
    """

    def __init__(self, config: MaskedLanguageConfig, *, language_model: LanguageModel) -> None:
        super().__init__()
        if language_model.is_causal or language_model.tokenizer.mask_token_id is None:
            raise ConfigError(
                f"{language_model.name!r} reads from left to right or has no mask token",
                field="text",
                remedy="Use an encoder such as BERT; stage 1 is not meant for GPT-2",
            )
        self.config, self.tokenizer = config, language_model.tokenizer
        self.model, self.has_fresh_head = with_masked_head(language_model)
        self.max_tokens = min(config.max_tokens, language_model.max_positions)
        n_known = int(self.model.config.vocab_size)
        if len(self.tokenizer) > n_known:
            raise ConfigError(
                f"its tokenizer has {len(self.tokenizer)} tokens, its weights know {n_known}",
                field="text",
                remedy="Take tokenizer and weights from the same model",
            )

    def forward(self, batch: Batch) -> Losses:
        """Scores one batch: mean cross-entropy over the hidden tokens."""
        loss, is_right = self.score(self._texts(batch))
        return Losses(total=loss.mean(), parts={"accuracy": is_right.float().mean().detach()})

    def score(self, texts: Sequence[str]) -> tuple[Float[Tensor, "h"], Bool[Tensor, "h"]]:
        """Returns cross-entropy of each hidden token, and whether it was named rightly."""
        device = self.model.device
        ids, is_token, may_hide = tokenise(self.tokenizer, texts, self.max_tokens)
        chance = torch.rand(3, *ids.shape) if self.training else self._fixed_chance(texts, ids)
        is_hidden = draw_hidden(may_hide, self.config.mask_ratio, chance[0])
        shown = disguise(ids, is_hidden, chance[1:], config=self.config, tokenizer=self.tokenizer)
        logits = self._name(shown.to(device), is_token.to(device), is_hidden.to(device))
        target = ids.to(device)[is_hidden.to(device)]
        return F.cross_entropy(logits.float(), target, reduction="none"), logits.argmax(1) == target

    def n_cut(self, texts: Sequence[str]) -> int:
        """Counts the texts that are longer than is read."""
        whole = self.tokenizer(list(texts), verbose=False)["input_ids"]
        return sum(len(ids) > self.max_tokens for ids in whole)

    def _name(
        self, ids: Int[Tensor, "B L"], is_token: Bool[Tensor, "B L"], is_hidden: Bool[Tensor, "B L"]
    ) -> Float[Tensor, "h V"]:
        head = getattr(self.model, "cls", None) or getattr(self.model, "lm_head", None)
        if head is None:  # an architecture with a head of another form is run as a whole
            return self.model(input_ids=ids, attention_mask=is_token.long()).logits[is_hidden]
        base = self.model.base_model
        states = base(input_ids=ids, attention_mask=is_token.long()).last_hidden_state
        return head(states[is_hidden])

    def _fixed_chance(
        self, texts: Sequence[str], ids: Int[Tensor, "B L"]
    ) -> Float[Tensor, "3 B L"]:
        """Uniform numbers that depend on each text alone, not on its neighbours or the padding."""
        rows = []
        for text in texts:
            seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1
            generator = torch.Generator().manual_seed(seed)
            rows.append(torch.rand(3, self.max_tokens, generator=generator)[:, : ids.shape[1]])
        return torch.stack(rows, dim=1)

    def _texts(self, batch: Batch) -> list[str]:
        missing = [
            name for name, text in zip(batch.record_ids, batch.text, strict=True) if not text
        ]
        if missing:
            raise MedtsError(f"record {missing[0]!r} has no report", field="text")
        return [text for text in batch.text if text]


def with_masked_head(language_model: LanguageModel) -> tuple["PreTrainedModel", bool]:
    """Returns the model with a head that names tokens, and whether that head is a fresh one.

    A folder whose weights hold such a head gives it; MiniLM's do not.
    """
    from transformers import AutoModelForMaskedLM
    from transformers.utils import logging

    origin = language_model.model.name_or_path
    level, was_on = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # it warns of the head that it had to make, which we report
    logging.disable_progress_bar()
    try:
        if not origin:
            model = AutoModelForMaskedLM.from_config(language_model.model.config)
            model.base_model.load_state_dict(language_model.model.state_dict(), strict=False)
            return model, True
        model, info = AutoModelForMaskedLM.from_pretrained(
            origin, local_files_only=True, output_loading_info=True, dtype=torch.float32
        )
    finally:
        logging.set_verbosity(level)
        if was_on:
            logging.enable_progress_bar()
    return model, bool(info["missing_keys"])


def tokenise(
    tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str], max_tokens: int
) -> tuple[Int[Tensor, "B L"], Bool[Tensor, "B L"], Bool[Tensor, "B L"]]:
    """Returns ids, which of them are tokens and not padding, and which of those may be hidden."""
    found = tokenizer(
        list(texts),
        truncation=True,
        max_length=max_tokens,
        padding=True,
        return_tensors="pt",
        return_special_tokens_mask=True,
    )
    is_token = found["attention_mask"].bool()
    return found["input_ids"], is_token, is_token & ~found["special_tokens_mask"].bool()


def draw_hidden(
    may_hide: Bool[Tensor, "B L"], ratio: float, chance: Float[Tensor, "B L"]
) -> Bool[Tensor, "B L"]:
    """Draws the tokens to name: a share of each text's, rounded, and never none.

    Args:
        may_hide: True for tokens that are words.
        ratio: Share to draw.
        chance: Uniform numbers; the lowest are drawn.
    """
    n_wanted = (may_hide.sum(dim=1) * ratio).round().clamp(min=1)
    rank = chance.masked_fill(~may_hide, 2.0).argsort(dim=1).argsort(dim=1)
    return (rank < n_wanted[:, None]) & may_hide


def disguise(
    ids: Int[Tensor, "B L"],
    is_hidden: Bool[Tensor, "B L"],
    chance: Float[Tensor, "2 B L"],
    *,
    config: MaskedLanguageConfig,
    tokenizer: "PreTrainedTokenizerBase",
) -> Int[Tensor, "B L"]:
    """Returns the ids as the model sees them: masked, exchanged, or left for it to doubt.

    Args:
        ids: What stands in the text.
        is_hidden: True for tokens to name.
        chance: Uniform numbers that decide each token's fate, and what it is exchanged for.
        config: The shares.
        tokenizer: Its special tokens are never drawn.
    """
    fate, other = chance
    special = set(tokenizer.all_special_ids)
    ordinary = torch.tensor([i for i in range(len(tokenizer)) if i not in special])
    drawn = ordinary[(other * len(ordinary)).long()]
    limit = config.shown_as_mask + config.shown_as_other
    shown = torch.where(is_hidden & (fate < limit), drawn, ids)
    assert isinstance(tokenizer.mask_token_id, int)
    return shown.masked_fill(is_hidden & (fate < config.shown_as_mask), tokenizer.mask_token_id)
