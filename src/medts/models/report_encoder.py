"""Report encoder: a masked language model such as BERT that reads reports and no signal.

Stage 1 of MELP adapts it to the wording of reports (`medts.objectives.masked_language`); it is then
named by its folder wherever a text model is wanted. The head that names tokens is kept with it, so
that perplexity can be measured again.

Axes: B windows in the batch, L text tokens, D embedding width.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from medts.core.errors import ConfigError
from medts.models.base import Encoder
from medts.models.settings.report_encoder import ReportEncoderConfig
from medts.nn.language_model import LanguageModel, load_language_model
from medts.nn.poolers import mean_of_valid
from medts.tensors.batch import Batch, Encoded

if TYPE_CHECKING:  # the extra [text] is optional, and its import takes seconds
    from transformers import PreTrainedModel


class ReportEncoder(Encoder):
    """Mean of the last layer over a report's tokens; zero for a window without a report.

    Args:
        config: Which language model.
        language_model: One that is at hand already, in place of the one named.

    Raises:
        ConfigError: If the model is causal, or its tokenizer has no mask token or another
            vocabulary than the model.
    """

    def __init__(
        self, config: ReportEncoderConfig, *, language_model: LanguageModel | None = None
    ) -> None:
        super().__init__()
        self.config = config
        found = language_model or load_language_model(config.text.name)
        if found.is_causal or found.tokenizer.mask_token_id is None:
            raise ConfigError(
                f"{found.name!r} reads from left to right or has no mask token",
                field="text",
                remedy="Use an encoder such as BERT; stage 1 is not meant for GPT-2",
            )
        self.tokenizer, self.dim, self.digest = found.tokenizer, found.dim, found.digest
        self.max_positions = found.max_positions
        self.model, self.has_fresh_head = with_masked_head(found)
        n_known = int(self.model.config.vocab_size)
        if len(self.tokenizer) > n_known:
            raise ConfigError(
                f"its tokenizer has {len(self.tokenizer)} tokens, its weights {n_known}",
                field="text",
                remedy="Take tokenizer and weights from the same model",
            )

    def forward(self, batch: Batch) -> Encoded:
        """Encodes the report of every window."""
        texts = [text or "" for text in batch.text]
        found = self.tokenizer(
            texts,
            truncation=True,
            max_length=min(self.config.text.max_tokens, self.max_positions),
            padding=True,
        )
        device = self.model.device
        inputs = {name: torch.tensor(rows, device=device) for name, rows in found.items()}
        tokens = self.model.base_model(**inputs).last_hidden_state
        has_text = torch.tensor([bool(text) for text in texts], device=tokens.device)
        is_valid = inputs["attention_mask"].bool() & has_text[:, None]
        return Encoded(tokens, is_valid, mean_of_valid(tokens, is_valid))

    def save_language_model(self, folder: Path) -> None:
        """Writes model and tokenizer in the Hugging Face layout."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


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
