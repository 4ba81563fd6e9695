"""Report alignment (MELP): contrastive ECG-language pretraining by token, beat and rhythm.

MELP (Wang, Xu and Yu, ICML 2025, arXiv:2506.21803). The recording as a whole must find its report,
its beats must find the sentences that speak of them, and a decoder must write the report from the
signal. No label is looked at, and the epoch is chosen by the rhythm level on validation.

Both towers, and the decoder that can draft, are parts of the encoder and are kept; only the
temperature of the rhythm level is thrown away.

Axes: B windows in the batch, L text tokens, C channels, D width of the shared space.
"""

import math
from dataclasses import replace
from typing import cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from medts.core.errors import ConfigError, MedtsError
from medts.core.sentences import split_sentences
from medts.losses.collapse import collapse_parts
from medts.losses.contrastive import group_ids
from medts.losses.gathering import gather_rows, is_distributed
from medts.losses.report_alignment import (
    beat_loss,
    rhythm_loss,
    sampled_token_loss,
    token_loss,
)
from medts.models.abilities import Reports, TwoTower, need
from medts.models.base import Encoder
from medts.nn.views import has_signal
from medts.objectives.base import Objective
from medts.objectives.settings.report_alignment import ReportAlignmentConfig
from medts.tensors.batch import Batch, Encoded, Losses, Prediction, StreamBatch


class ReportAlignment(Objective):
    """Contrast of whole reports, local alignment of sentences, and writing of words.

    Windows without a signal or a report take no part; their share is logged as ``unpaired``. Equal
    reports of a batch are read once and are positives of each other.

    The collapse alarm counts steps in which all embeddings of a tower are the same; a run in which
    they stay so ends with an error instead of with a useless encoder. ``chance_ratio`` is the loss
    of the rhythm level over what guessing costs; near 1 nothing is being learnt, be it for want of
    a warm-up or because the pairs are shuffled.

    Departures: equal reports are no negatives of each other. The mean instead of the sum over
    sentences, and one softmax over beats of cosines (see `medts.losses.report_alignment`). A
    hidden lead is at the baseline, as our signals are centred, and never are all of them hidden.
    ``sentence_hiding`` lets the rhythm level read a part of each report. ``n_drawn_words``
    estimates the sum over the vocabulary instead of forming it. The learning rate always warms
    up: without that the released settings collapse.

    Args:
        config: Weights and temperatures.
        encoder: One with a tower for each, such as `Melp`.

    Raises:
        ConfigError: If the encoder reads no texts, or has a decoder that would not be trained.
        MedtsError: When the embeddings have collapsed.
    """

    encoder: Encoder

    def __init__(self, config: ReportAlignmentConfig, *, encoder: Encoder) -> None:
        super().__init__()
        able = need(
            encoder,
            TwoTower,
            problem="report alignment needs an encoder with a text side",
            remedy="Use encoder kind 'melp' with a text model; its tower can be any other",
            is_met=lambda each: each.reads_texts,
        )
        if (config.token > 0) != (able.decoder is not None):
            raise ConfigError(
                f"weight {config.token:g} of the token level and "
                f"{'a' if able.decoder is not None else 'no'} decoder contradict each other",
                field="objective.token",
                remedy="Set both to 0 or both above 0 (encoder.decoder_layers)",
            )
        self.config, self.encoder = config, encoder
        self.log_scale = nn.Parameter(
            torch.tensor(math.log(1 / config.temperature)), requires_grad=config.rhythm > 0
        )
        self.n_collapsed = 0

    @property
    def towers(self) -> TwoTower:
        """The encoder, as what it is here."""
        return cast(TwoTower, self.encoder)

    def forward(self, batch: Batch) -> Losses:
        """Scores one batch."""
        is_paired = has_signal(batch) & has_text(batch).to(self.log_scale.device)
        if not is_paired.any():
            return self._nothing_to_learn(batch)
        if self.training and self.config.lead_hiding > 0:
            batch = hide_leads(batch, self.config.lead_hiding)
        kept = is_paired.nonzero()[:, 0]
        texts = [batch.text[row] or "" for row in kept.tolist()]
        if self.config.shuffles_pairs:
            shift = int(torch.randint(1, max(2, len(texts)), ()))
            texts = texts[shift:] + texts[:shift]
        # MIMIC's machine reports repeat: equal ones are encoded once.
        distinct = list(dict.fromkeys(texts))
        number = torch.tensor([distinct.index(text) for text in texts], device=kept.device)

        encoded = self.encoder(batch)
        reports = self.towers.read(distinct)
        beats = encoded.tokens[kept]
        recording, report = beats.mean(dim=1), reports.summary[number]
        group = group_ids(texts).to(kept.device)
        report_group = group
        if self.training and self.config.rhythm > 0 and self.config.sentence_hiding > 0:
            texts = [hide_sentences(text, self.config.sentence_hiding) for text in texts]
            report = self.towers.read(texts).summary
            report_group = group_ids(texts).to(kept.device)
        terms: dict[str, Tensor] = {}
        parts: dict[str, Tensor] = {}
        if self.config.rhythm > 0:
            # CLIP's clamp: without it the learnt scale grows until training is unstable.
            with torch.no_grad():
                self.log_scale.clamp_(0.0, math.log(100.0))
            terms["rhythm"] = rhythm_loss(
                recording, report, report_group, self.log_scale.exp(), gather=self.training
            )
            n_compared = len(gather_rows(group)) if self.training else len(group)
            parts["chance_ratio"] = terms["rhythm"].detach() / math.log(max(2, n_compared))
        if self.config.beat > 0:
            terms["beat"] = beat_loss(
                beats,
                reports.sentences[number],
                reports.is_sentence[number],
                group,
                beat_temperature=self.config.beat_temperature,
                sentence_temperature=self.config.sentence_temperature,
                score_temperature=self.config.score_temperature,
                variant=self.config.beat_variant,
            )
        if self.config.token > 0:
            terms["token"] = self._write(encoded, kept, reports, number)
        total = torch.stack([getattr(self.config, name) * term for name, term in terms.items()])
        parts |= {name: term.detach() for name, term in terms.items()}
        parts |= collapse_parts(recording)
        parts["unpaired"] = 1.0 - is_paired.float().mean()
        self._watch(recording, report, len(distinct))
        return Losses(total.sum(), parts)

    def validate(self, batch: Batch) -> tuple[Losses, Prediction | None]:
        """Returns the rhythm level alone, which the epoch is chosen by, where it is on.

        The other levels are means to it: a decoder learns words by heart long after the towers
        have stopped to agree better on reports they have not seen.
        """
        losses = self(batch)
        chosen = losses.parts.get("rhythm", losses.total)
        return Losses(chosen, losses.parts), None

    def _write(
        self, encoded: Encoded, kept: Tensor, reports: Reports, number: Tensor
    ) -> Float[Tensor, ""]:
        """Predicts every word from those before it and the signal; padding costs nothing."""
        assert self.towers.decoder is not None
        ids, is_token = reports.tokens.ids[number], reports.tokens.is_token[number]
        memory = self.towers.gather_captions(encoded)[kept]
        hidden = self.towers.decoder(reports.states[number, :-1], memory)
        is_scored = is_token[:, 1:]
        hidden, words = hidden[is_scored], ids[:, 1:][is_scored]
        if self.training and self.config.n_drawn_words:
            rows = self.towers.decoder.vocabulary.weight
            return sampled_token_loss(hidden, rows, words, n_sampled=self.config.n_drawn_words)
        return token_loss(self.towers.decoder.score(hidden), words)

    def _watch(self, recording: Tensor, report: Tensor, n_distinct: int) -> None:
        """Ends a run whose embeddings have been the same for too many steps.

        Raises:
            MedtsError: If they have.
        """
        if not self.training or n_distinct < 2:
            return
        is_flat = is_constant(recording) | is_constant(report)
        self.n_collapsed = self.n_collapsed + 1 if bool(is_flat) else 0
        if self.n_collapsed >= self.config.collapse_after:
            raise MedtsError(
                f"the embeddings of {'recordings' if is_constant(recording) else 'reports'} have "
                f"been the same for {self.n_collapsed} steps: the towers have collapsed",
                field="training",
                remedy="Lower --training.learning-rate or raise --training.warmup-ratio",
            )

    def _nothing_to_learn(self, batch: Batch) -> Losses:
        if self.training and is_distributed():
            raise MedtsError(
                "a batch has no recording with a report, and the other processes wait for it",
                remedy="Train on records with reports, or with larger batches",
            )
        total = self.encoder(batch).tokens.sum() * 0.0
        return Losses(total, {"unpaired": torch.ones((), device=total.device)})


def has_text(batch: Batch) -> Bool[Tensor, "B"]:
    """Finds the windows whose report has words in it."""
    return torch.tensor([any(map(str.isalnum, text or "")) for text in batch.text])


@torch.no_grad()
def is_constant(embedding: Float[Tensor, "B D"], tolerance: float = 1e-3) -> Bool[Tensor, ""]:
    """Representation collapse: rows differ from their mean by next to nothing."""
    z = embedding.float()
    spread = (z - z.mean(dim=0)).norm(dim=1).mean()
    return spread <= tolerance * z.norm(dim=1).mean()


def hide_leads(batch: Batch, probability: float) -> Batch:
    """Lead dropout (lead-wise masking): hides each lead with this probability, never the last."""
    return replace(
        batch,
        streams={name: _hide(stream, probability) for name, stream in batch.streams.items()},
    )


def hide_sentences(text: str, probability: float) -> str:
    """Sentence dropout: removes each sentence with this probability, never the last one."""
    sentences = split_sentences(text)
    chance = torch.rand(len(sentences))
    is_left = chance >= min(probability, float(chance.max()))
    return " ".join(each for each, stays in zip(sentences, is_left, strict=True) if stays)


def _hide(stream: StreamBatch, probability: float) -> StreamBatch:
    is_there = stream.is_channel_present
    chance = torch.rand(is_there.shape, device=is_there.device).masked_fill(~is_there, -1.0)
    is_last = nn.functional.one_hot(chance.argmax(dim=1), chance.shape[1]).bool()
    is_left = is_there & ((chance >= probability) | is_last)
    return stream.keep(is_left[:, :, None])
