"""Masked language modelling (BERT) of reports.

BERT's task (Devlin et al., 2019), and stage 1 of MELP, which adapts a general encoder to cardiology
before it is paired with signals: some tokens are masked, some replaced by others, and the model
predicts them. The encoder is kept; the head that predicts words is kept with it, so that the
perplexity can be measured again.

What counts is masked perplexity: exp of the mean cross-entropy over hidden tokens. When validating,
the tokens hidden in a text depend on the text alone, so numbers before and after, and of different
runs, are about the same tokens.

Departures: the vocabulary is multiplied with the hidden tokens only. In each text at least one
token is hidden; BERT hides none in many a short report.

Axes: B texts in the batch, L text tokens, V vocabulary.
"""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from medts.core.errors import MedtsError
from medts.models.abilities import MasksLanguage, need
from medts.models.base import Encoder
from medts.objectives.base import Objective
from medts.objectives.settings.masked_language import MaskedLanguageConfig
from medts.tensors.batch import Batch, Losses

if TYPE_CHECKING:  # the extra [text] is optional, and its import takes seconds
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class MaskedLanguage(Objective):
    """Predicts masked tokens of ``batch.text``; streams are not read.

    Args:
        config: What is hidden.
        encoder: A masked language model, such as `ReportEncoder`.

    Raises:
        ConfigError: If the encoder is another one.
    """

    def __init__(self, config: MaskedLanguageConfig, *, encoder: Encoder) -> None:
        super().__init__()
        able = need(
            encoder,
            MasksLanguage,
            problem=f"masked language modelling cannot train a {type(encoder).__name__}",
            remedy="Use the encoder report_encoder",
        )
        self.config, self.encoder = config, encoder
        self.tokenizer = able.tokenizer
        self.max_tokens = min(config.max_tokens, able.max_positions)

    @property
    def model(self) -> "PreTrainedModel":
        """The language model with the head that predicts tokens."""
        return self.encoder.model  # pyright: ignore[reportReturnType]

    def forward(self, batch: Batch) -> Losses:
        """Scores one batch: mean cross-entropy over the hidden tokens."""
        loss, is_right = self.score(self._texts(batch))
        return Losses(total=loss.mean(), parts={"accuracy": is_right.float().mean().detach()})

    def score(self, texts: Sequence[str]) -> tuple[Float[Tensor, "h"], Bool[Tensor, "h"]]:
        """Returns cross-entropy of each hidden token, and whether the prediction is right."""
        device = self.model.device
        ids, is_token, may_hide = tokenise(self.tokenizer, texts, self.max_tokens)
        # On the CPU: a GPU would give other masks for the same seed.
        chance = torch.rand(3, *ids.shape) if self.training else self._fixed_chance(texts, ids)
        is_hidden = sample_hidden(may_hide, self.config.mask_ratio, chance[0])
        shown = corrupt(ids, is_hidden, chance[1:], config=self.config, tokenizer=self.tokenizer)
        logits = self._predict(shown.to(device), is_token.to(device), is_hidden.to(device))
        target = ids.to(device)[is_hidden.to(device)]
        return F.cross_entropy(logits.float(), target, reduction="none"), logits.argmax(1) == target

    def n_cut(self, texts: Sequence[str]) -> int:
        """Counts the texts that are longer than is read."""
        whole = self.tokenizer(list(texts), verbose=False)["input_ids"]
        return sum(len(ids) > self.max_tokens for ids in whole)

    def _predict(
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
            raise MedtsError(
                f"record {missing[0]!r} has no report",
                field="text",
                remedy="Leave records without a report out of this training",
            )
        return [text for text in batch.text if text]


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


def sample_hidden(
    may_hide: Bool[Tensor, "B L"], ratio: float, chance: Float[Tensor, "B L"]
) -> Bool[Tensor, "B L"]:
    """Samples the tokens to predict: a share of each text's, rounded, and never none.

    Args:
        may_hide: True for tokens that are words.
        ratio: Share to mask.
        chance: Uniform numbers; the lowest are masked.
    """
    n_wanted = (may_hide.sum(dim=1) * ratio).round().clamp(min=1)
    rank = chance.masked_fill(~may_hide, 2.0).argsort(dim=1).argsort(dim=1)
    return (rank < n_wanted[:, None]) & may_hide


def corrupt(
    ids: Int[Tensor, "B L"],
    is_hidden: Bool[Tensor, "B L"],
    chance: Float[Tensor, "2 B L"],
    *,
    config: MaskedLanguageConfig,
    tokenizer: "PreTrainedTokenizerBase",
) -> Int[Tensor, "B L"]:
    """BERT's corruption of masked tokens: mask token, random token, or left as they are.

    Args:
        ids: What stands in the text.
        is_hidden: True for tokens to predict.
        chance: Uniform numbers that decide each token's fate, and what it is exchanged for.
        config: The shares.
        tokenizer: Its special tokens are never sampled.
    """
    fate, other = chance
    special = set(tokenizer.all_special_ids)
    ordinary = torch.tensor([i for i in range(len(tokenizer)) if i not in special])
    random = ordinary[(other * len(ordinary)).long()]
    limit = config.shown_as_mask + config.shown_as_other
    shown = torch.where(is_hidden & (fate < limit), random, ids)
    assert isinstance(tokenizer.mask_token_id, int)
    return shown.masked_fill(is_hidden & (fate < config.shown_as_mask), tokenizer.mask_token_id)
