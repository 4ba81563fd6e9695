"""MELP losses: report-level CLIP, beat-sentence alignment (GLoRIA) and captioning (CoCa).

MELP (Wang, Xu and Yu, ICML 2025, arXiv:2506.21803). *Rhythm*: a recording finds its report among
all others (CLIP, Radford et al., 2021, arXiv:2103.00020). *Beat*: the sentences of a report gather
the beats that they speak of, and a report is as near to a recording as its sentences are to what
they gathered (GLoRIA, Huang et al., ICCV 2021). *Token*: the report is written word by word (CoCa,
arXiv:2205.01917).

Equal reports are positives of each other, as nothing distinguishes them.

Axes: B pairs, I recordings, J reports, Q beats, S sentences, L text tokens, D width, V vocabulary.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from medts.losses.contrastive import at_least_fp32, symmetric_nll, unit_rows
from medts.losses.gathering import gather_rows


def rhythm_loss(
    recordings: Float[Tensor, "B D"],
    reports: Float[Tensor, "B D"],
    group: Int[Tensor, "B"],
    scale: Float[Tensor, ""] | float,
    *,
    gather: bool = False,
) -> Float[Tensor, ""]:
    """Symmetric InfoNCE (CLIP) of recordings and reports with a learnt scale: the rhythm level.

    Args:
        recordings: Embeddings of any length.
        reports: Their reports, in the same order.
        group: Pairs of one group have equal reports and are positives of each other.
        scale: Multiplies the cosines; a learnt one gets its gradient.
        gather: Whether the pairs of all processes are compared with each other.
    """
    if gather:
        recordings, reports, group = map(gather_rows, (recordings, reports, group))
    with torch.autocast(recordings.device.type, enabled=False):
        cosine = unit_rows(recordings) @ unit_rows(reports).T
        return symmetric_nll(cosine * scale, group)


def beat_attention(
    beats: Float[Tensor, "I Q D"], sentences: Float[Tensor, "J S D"], *, temperature: float = 0.25
) -> Float[Tensor, "I Q J S"]:
    """Cross-attention (GLoRIA) of the sentences of every report over the beats of a recording."""
    cosine = torch.einsum("iqd,jsd->iqjs", unit_rows(beats), unit_rows(sentences))
    return (cosine / temperature).softmax(dim=1)


def beat_scores(
    beats: Float[Tensor, "I Q D"],
    sentences: Float[Tensor, "J S D"],
    is_sentence: Bool[Tensor, "J S"],
    *,
    beat_temperature: float = 0.25,
    sentence_temperature: float = 0.2,
    variant: Literal["clean", "code"] = "clean",
) -> Float[Tensor, "I J"]:
    """Local alignment score (GLoRIA) of every recording and report, by sentences and beats.

    ``clean``: beats are weighted by a softmax of their cosine with the sentence; the score is
    ``log mean exp`` of the sentences' cosines with what they gathered. ``code``: what the released
    program computes instead, a softmax over sentences of raw inner products and then one over
    beats of that, and ``log sum exp``. There a report of one sentence weights all beats alike, and
    a report scores higher for being longer.

    The gathered beats themselves are never formed: their inner products follow from those of beats
    with sentences and of beats with each other, which saves a factor of D/Q.

    Args:
        beats: Of each recording.
        sentences: Of each report; padding is ignored.
        is_sentence: True for real sentences, at least one per report.
        beat_temperature: Divides what weighs the beats; the paper's tau_1.
        sentence_temperature: Divides the cosines of the sentences; the paper's tau_2.
        variant: Which form is computed.
    """
    with torch.autocast(beats.device.type, enabled=False):
        beats, sentences = at_least_fp32(beats), at_least_fp32(sentences)
        inner = torch.einsum("iqd,jsd->iqjs", beats, sentences)
        if variant == "clean":
            attention = beat_attention(beats, sentences, temperature=beat_temperature)
        else:
            share = inner.masked_fill(~is_sentence, -torch.inf).softmax(dim=3)
            attention = (share / beat_temperature).softmax(dim=1)
        # |sum_q a_q b_q|² = aᵀ G a with the Gram matrix G of the beats.
        gram = beats @ beats.transpose(1, 2)
        flat = attention.flatten(2)
        squared = ((gram @ flat) * flat).sum(dim=1).unflatten(1, is_sentence.shape)
        length = (squared.clamp(min=1e-16).sqrt() * sentences.norm(dim=2)).clamp(min=1e-8)
        cosine = (attention * inner).sum(dim=1) / length
        logits = (cosine / sentence_temperature).masked_fill(~is_sentence, -torch.inf)
        scores = logits.logsumexp(dim=2)
        return scores - is_sentence.sum(dim=1).log() if variant == "clean" else scores


def beat_loss(
    beats: Float[Tensor, "B Q D"],
    sentences: Float[Tensor, "B S D"],
    is_sentence: Bool[Tensor, "B S"],
    group: Int[Tensor, "B"],
    *,
    beat_temperature: float = 0.25,
    sentence_temperature: float = 0.2,
    score_temperature: float = 0.1,
    variant: Literal["clean", "code"] = "clean",
) -> Float[Tensor, ""]:
    """Beat level of MELP: `symmetric_nll` of `beat_scores`."""
    scores = beat_scores(
        beats,
        sentences,
        is_sentence,
        beat_temperature=beat_temperature,
        sentence_temperature=sentence_temperature,
        variant=variant,
    )
    return symmetric_nll(scores / score_temperature, group)


def token_loss(logits: Float[Tensor, "n V"], words: Int[Tensor, "n"]) -> Float[Tensor, ""]:
    """Captioning loss (CoCa): mean ``-log p`` of the next word; zero where there is none."""
    if not len(words):
        return logits.sum() * 0.0
    return F.cross_entropy(logits.float(), words)


def sampled_token_loss(
    hidden: Float[Tensor, "n D"],
    vocabulary: Float[Tensor, "V D"],
    words: Int[Tensor, "n"],
    *,
    n_sampled: int,
) -> Float[Tensor, ""]:
    """Sampled softmax (Jean et al., ACL 2015): estimates `token_loss` on a part of the vocabulary.

    Scored are the targets of the whole batch and ``n_sampled`` other words, each with the weight of
    all that it was sampled from: the sum over the vocabulary under the logarithm is estimated
    without bias. With all others sampled it is exact.

    Args:
        hidden: State at each position.
        vocabulary: One row of the map to logits per word.
        words: What was to be written.
        n_sampled: Other words that are scored.
    """
    if not len(words):
        return hidden.sum() * 0.0
    present, target = words.unique(return_inverse=True)
    is_other = torch.ones(len(vocabulary), dtype=torch.bool, device=words.device)
    is_other[present] = False
    others = is_other.nonzero()[:, 0]
    sampled = others[torch.randperm(len(others), device=words.device)[:n_sampled]]
    logits = F.linear(hidden, vocabulary[torch.cat([present, sampled])]).float()
    stands_for = torch.ones_like(logits[0])
    stands_for[len(present) :] = len(others) / max(1, len(sampled))
    return F.cross_entropy(logits + stands_for.log(), target)
