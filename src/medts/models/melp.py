"""MELP: contrastive ECG-language model, an ECG tower and a report tower in one space.

"From Token to Rhythm: A Multi-Scale Approach for ECG-Language Pretraining" (Wang, Xu and Yu, ICML
2025, arXiv:2506.21803). Learnt queries gather the ECG's tokens into "beats", which are compared
with the sentences of a report, and their mean with the whole report; other queries gather what a
decoder needs to write the report. Nothing finds R-peaks: a beat is whatever a query gathers.

The losses are left to `medts.objectives.report_alignment`, the weights that the authors published
to `medts.models.melp_weights`.

Axes: B windows or texts in the batch, N signal tokens, Q beats, M caption tokens, L text tokens,
S sentences, D width of the shared space.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from medts.core.errors import ConfigError
from medts.losses.report_alignment import beat_attention
from medts.models.abilities import Reports
from medts.models.base import Encoder
from medts.models.ecg_nat import EcgNat
from medts.models.melp_tower import MelpTower
from medts.models.settings.melp import MelpConfig
from medts.models.sparseformer import Sparseformer
from medts.nn.language_model import load_language_model
from medts.nn.poolers import AttentionPooler
from medts.nn.report_decoder import ReportDecoder
from medts.nn.report_tower import ReportTower
from medts.tensors.batch import Batch, Encoded

TOWERS: dict[str, type[Encoder]] = {
    "ecg_nat": EcgNat,
    "melp_tower": MelpTower,
    "sparseformer": Sparseformer,
}
"""ECG towers by the ``kind`` of their config."""

TIMED_TOWERS = ("ecg_nat", "melp_tower")
"""Those whose tokens lie side by side in time."""


class Melp(Encoder):
    """Beats of an ECG, sentences of a report, and both as a whole, in one space.

    Components:
        tower — any encoder with tokens — reads the ECG.
        beat_pooler — attention of learnt queries — gathers beats; ``beat_projection`` shares them.
        caption_pooler — the same — gathers what the decoder reads.
        report — causal language model with a summary token — reads texts.
        text_projection, sentence_projection — into the shared space.
        decoder — CoCa's — writes a report from the ECG; kept so that a bundle can draft.

    Symbols: our ``n_beats`` is the paper's N, ``beat_projection`` the code's ``proj_contrast``.

    ``Encoded.tokens`` are the beats in the shared space, ``pooled`` is their mean before the
    projection, which is what the paper probes; ``intermediates["ecg"]`` is what the tower gave.

    Departures: the text model is whichever is named, and its own word embeddings stay as they
    are (see `medts.nn.report_tower`). Sentences are cut by `medts.core.sentences`, not at token
    number 18.

    Raises:
        ConfigError: If the language model cannot be loaded or does not fit.
    """

    def __init__(self, config: MelpConfig) -> None:
        super().__init__()
        self.config, self.dim = config, config.shared_dim
        self.tower = TOWERS[config.tower.kind](config.tower)  # pyright: ignore[reportCallIssue]
        width, shared = self.tower.dim, config.shared_dim
        self.beat_pooler = AttentionPooler(
            n_queries=config.n_beats, dim=shared, token_dim=width, n_heads=config.n_pooler_heads
        )
        self.beat_projection = nn.Linear(shared, shared, bias=False)
        # As CLIP initialises its projections: the spread of the input is kept.
        nn.init.normal_(self.beat_projection.weight, std=width**-0.5)
        self.caption_pooler = None
        if config.n_caption_queries:
            self.caption_pooler = AttentionPooler(
                n_queries=config.n_caption_queries,
                dim=config.caption_dim,
                token_dim=width,
                n_heads=config.n_pooler_heads,
            )
        self.report = self.text_projection = self.sentence_projection = self.decoder = None
        if config.text is None:
            return
        self.report = ReportTower(
            load_language_model(config.text.name),
            max_tokens=config.text.max_tokens,
            n_frozen_layers=config.n_frozen_text_layers,
            is_causal=config.is_text_causal,
        )
        text_dim = self.report.dim
        self.text_projection = nn.Sequential(
            nn.Linear(text_dim, shared), nn.GELU(), nn.Linear(shared, shared)
        )
        self.sentence_projection = nn.Linear(text_dim, shared)
        if config.decoder_layers:
            self.decoder = ReportDecoder(
                text_dim=text_dim,
                memory_dim=config.caption_dim,
                dim=config.decoder_dim,
                n_layers=config.decoder_layers,
                n_heads=config.decoder_heads,
                vocabulary_size=self.report.vocabulary_size,
            )

    def parts(self) -> list[nn.Module]:
        """Lists the parts of the ECG tower, and what gathers their tokens."""
        tower = list(self.tower.parts())
        return [*tower, nn.ModuleList([self.beat_pooler, self.beat_projection])]

    def forward(self, batch: Batch) -> Encoded:
        """Encodes every window of the batch on its own; no text is read."""
        ecg = self.tower(batch)
        gathered = self.beat_pooler(ecg.tokens, ecg.is_valid)
        is_valid = ecg.is_valid.any(dim=1, keepdim=True).expand(-1, gathered.shape[1])
        beats = self.beat_projection(gathered)
        return Encoded(beats, is_valid, gathered.mean(dim=1), {"ecg": ecg})

    def gather_captions(self, encoded: Encoded) -> Float[Tensor, "B M D_caption"]:
        """Gathers what the decoder reads, from what `forward` returned."""
        if self.caption_pooler is None:
            raise ConfigError("this model gathers no caption tokens", field="n_caption_queries")
        ecg: Encoded = encoded.intermediates["ecg"]
        return self.caption_pooler(ecg.tokens, ecg.is_valid)

    def read(self, texts: Sequence[str]) -> Reports:
        """Reads texts into the shared space, word by word, by sentence and as a whole."""
        report, text_projection, sentence_projection = self._text_side()
        tokens = report.tokenize(texts)
        states, summary = report(texts, tokens)
        sentences, is_sentence = mean_by_sentence(states, tokens.sentence)
        return Reports(
            tokens,
            states,
            text_projection(summary),
            sentence_projection(sentences) * is_sentence[..., None],
            is_sentence,
        )

    def embed_text(self, texts: Sequence[str]) -> Float[Tensor, "B D"]:
        """Embeds texts as a whole into the shared space, with length one."""
        report, text_projection, _ = self._text_side()
        # Long lists are read in parts; texts in a batch do not depend on each other.
        parts = [
            text_projection(report(texts[start : start + 64])[1])
            for start in range(0, len(texts), 64)
        ]
        empty = self.beat_projection.weight.new_zeros(0, self.dim)
        return F.normalize(torch.cat([empty, *parts]).float(), dim=1)

    def embed_batch(self, batch: Batch) -> Float[Tensor, "B D"]:
        """Embeds windows as a whole into the shared space, with length one."""
        return F.normalize(self(batch).tokens.mean(dim=1).float(), dim=1)

    @property
    def reads_texts(self) -> bool:
        """True where the model has a text side."""
        return self.report is not None

    @torch.no_grad()
    def relevance(self, batch: Batch, sentences: Sequence[str]) -> Float[Tensor, "B S N"]:
        """Attention of each sentence over the tokens of the ECG; sums to 1 over tokens.

        Sentences attend to beats, and beats to tokens: the two attentions are multiplied.

        Raises:
            ConfigError: If the tokens of the tower do not follow time, or no texts are read.
        """
        if self.config.tower.kind not in TIMED_TOWERS:
            raise ConfigError(
                f"tokens of tower {self.config.tower.kind!r} do not follow time",
                field="encoder.tower",
                remedy=f"Towers whose attention can be plotted: {', '.join(TIMED_TOWERS)}",
            )
        ecg: Encoded = self.tower(batch)
        beats = self.beat_projection(self.beat_pooler(ecg.tokens, ecg.is_valid))
        reports = self.read(sentences)
        vectors = reports.sentences[:, :1]  # each text is one sentence, or its first
        of_beats = beat_attention(beats, vectors)[..., 0]
        of_tokens = self.beat_pooler.attend(ecg.tokens, ecg.is_valid)
        return torch.einsum("bqs,bqn->bsn", of_beats, of_tokens)

    @torch.no_grad()
    def draft(self, batch: Batch, *, max_tokens: int = 64) -> list[str]:
        """Greedy decoding of a report for every window.

        Raises:
            ConfigError: If the model has no decoder.
        """
        report, *_ = self._text_side()
        if self.decoder is None:
            raise ConfigError(
                "this model has no decoder to write with",
                field="decoder_layers",
                remedy="Train a recipe with the token level, such as melp",
            )
        memory = self.gather_captions(self(batch))
        ids = torch.full((len(batch), 1), report.start, device=memory.device)
        is_ended = torch.zeros(len(batch), dtype=torch.bool, device=memory.device)
        for _ in range(min(max_tokens, report.max_tokens - 2)):
            hidden = self.decoder(report.read(ids), memory)[:, -1]
            chosen = self.decoder.score(hidden).argmax(dim=1).masked_fill(is_ended, report.end)
            ids = torch.cat([ids, chosen[:, None]], dim=1)
            is_ended |= chosen == report.end
            if is_ended.all():
                break
        tokenizer: Any = report.tokenizer
        return [tokenizer.decode(row[1:], skip_special_tokens=True).strip() for row in ids.tolist()]

    def _text_side(self) -> tuple[ReportTower, nn.Sequential, nn.Linear]:
        if self.report is None:
            raise ConfigError(
                "this model reads no texts",
                field="text",
                remedy="The published weights hold the ECG side alone; train a recipe such as melp",
            )
        assert self.text_projection is not None
        assert self.sentence_projection is not None
        return self.report, self.text_projection, self.sentence_projection


def mean_by_sentence(
    states: Float[Tensor, "B L D"], sentence: Tensor
) -> tuple[Float[Tensor, "B S D"], Bool[Tensor, "B S"]]:
    """Averages the tokens of each sentence; tokens with a negative number belong to none."""
    n_sentences = int(sentence.max()) + 1
    is_part = F.one_hot(sentence + 1, n_sentences + 1)[..., 1:].to(states.dtype)
    count = is_part.sum(dim=1)
    mean = torch.einsum("bls,bld->bsd", is_part, states) / count.clamp(min=1.0)[..., None]
    return mean, count > 0
