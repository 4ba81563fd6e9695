"""Matching head (MedSpaformer): zero-shot classification by inner products with class texts.

From MedSpaformer (Ye, Zhang, Li, Li and Tsung, AAAI 2026, arXiv:2503.15578): embedding and class
are compared by their inner product, and a class is given by its text alone. One head therefore
serves many label sets, and those that it has never been trained on. The vectors of the texts
come from a frozen language model; they are kept beside the weights, so that label sets of the
training need no language model at all.

It works with any encoder; one that takes a prior (Sparseformer) is conditioned on the vector of the
label set's description. Reading new texts is left to `read_texts`.

Axes: B windows in the batch, K classes, D embedding width, n texts.
"""

import hashlib
import math
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from medts.core.labels import LabelSet
from medts.models.heads import BaseHead
from medts.models.settings.heads import MatchingHeadConfig
from medts.nn.frozen_lm import shared_lm
from medts.nn.label_encoder import LabelEncoder
from medts.tensors.batch import Encoded

RANDOM_DIM = 384
"""Width of random vectors, that of ``minilm``."""

_FIRST_SCALE = 10.0

# Of the module and not of a head, because a head is copied and pickled, which a lock cannot be.
_LEARNING = threading.Lock()


@dataclass(frozen=True)
class ReadTexts:
    """What a language model made of some texts.

    Args:
        vectors: One row per text.
        digest: Of the language model; ``random`` where there was none.
        n_truncated: Texts that were longer than is read.
    """

    vectors: Float[Tensor, "n D"]
    digest: str
    n_truncated: int


class MatchingHead(BaseHead):
    """Inner products of the embedding with the vectors of class texts.

    Components: *projector* — norm and linear layer — embedding to the space of comparison;
    *label_encoder* — two layers — text vectors to the same space; *vectors* — buffer — the texts
    of the label sets that it was built for; *bias* — one number for the classes of all ``multi``
    sets.

    Symbols: our projected embedding is the paper's h_x, a row of `classes` its h_y, the vector of
    a description its e_prior.

    Departures: the paper has ``single`` sets only. In a ``multi`` set every class is a question of
    its own whose answer is mostly no, so one learnt bias is added, as in SigLIP (Zhai et al.,
    2023, arXiv:2303.15343). It cancels in a softmax and is left out there.

    Args:
        config: Widths and similarity.
        dim: Width of the embedding.
        text_dim: Width of the language model.
        texts: What `vectors` holds a row for.
    """

    vectors: Tensor

    def __init__(
        self, config: MatchingHeadConfig, *, dim: int, text_dim: int, texts: Sequence[str]
    ) -> None:
        super().__init__()
        self.config = config
        width = config.dim or dim
        self.projector = (
            nn.Identity()
            if config.dim is None
            else nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, width))
        )
        self.label_encoder = LabelEncoder(text_dim=text_dim, hidden=config.hidden, dim=width)
        self.bias = nn.Parameter(torch.zeros(()))
        if config.similarity == "cosine":
            self.log_scale = nn.Parameter(torch.tensor(math.log(_FIRST_SCALE)))
        self._row = {text: row for row, text in enumerate(texts)}
        self.register_buffer("vectors", torch.zeros(len(texts), text_dim))
        self._further: dict[str, Tensor] = {}

    @property
    def texts(self) -> tuple[str, ...]:
        """Texts that are saved with the weights."""
        return tuple(self._row)

    def learn(self, texts: Sequence[str], vectors: Float[Tensor, "n D"]) -> None:
        """Takes the vectors of texts; those that it was not built for are not saved with it.

        Texts are only ever added, so threads that use other label sets are not disturbed.
        """
        with _LEARNING:
            for text, vector in zip(texts, vectors, strict=True):
                if text in self._row:
                    self.vectors[self._row[text]] = vector
                else:
                    self._further[text] = vector

    def missing(self, label_set: LabelSet) -> list[str]:
        """Lists the texts of a label set whose vectors have to be learnt before its logits."""
        return [
            text
            for text in texts_of([label_set])
            if text not in self._row and text not in self._further
        ]

    def logits(self, encoded: Encoded, label_set: LabelSet) -> Float[Tensor, "B K"]:
        """Returns one logit per class of a label set."""
        signal, classes = self.projector(encoded.pooled), self.classes(label_set)
        if self.config.similarity == "cosine":
            signal, classes = F.normalize(signal, dim=-1), F.normalize(classes, dim=-1)
            signal = signal * self.log_scale.exp()
        logits = signal @ classes.T
        return logits + self.bias if label_set.kind == "multi" else logits

    def classes(self, label_set: LabelSet) -> Float[Tensor, "K D"]:
        """Returns where every class lies in the space of comparison."""
        texts = list(label_set.texts())
        if self.config.words == "shuffled":
            texts = [texts[k] for k in exchanged(label_set)]
        return self.label_encoder(self._vectors_of(texts, label_set))

    def prior(self, label_set: LabelSet) -> Float[Tensor, "D"] | None:
        """Returns the vector of a label set's description; None where it has none."""
        if not label_set.description:
            return None
        return self._vectors_of([label_set.description], label_set)[0]

    def _vectors_of(self, texts: Sequence[str], label_set: LabelSet) -> Float[Tensor, "n D"]:
        rows = [
            self.vectors[self._row[text]]
            if text in self._row
            else self._further[text].to(self.vectors)
            for text in texts
        ]
        vectors = torch.stack(rows)
        if self.config.words == "random":
            vectors = vectors[:, reordered(label_set, vectors.shape[1]).to(vectors.device)]
        return vectors


def texts_of(label_sets: Iterable[LabelSet]) -> tuple[str, ...]:
    """Lists the texts of label sets, each once: their classes', then their descriptions."""
    sets = list(label_sets)
    classes = [text for each in sets for text in each.texts()]
    descriptions = [each.description for each in sets if each.description]
    return tuple(dict.fromkeys([*classes, *descriptions]))


def read_texts(config: MatchingHeadConfig, texts: Sequence[str]) -> ReadTexts:
    """Embeds texts with the language model of a head, or by a random vector for each.

    Raises:
        ConfigError: If the language model cannot be loaded.
    """
    if config.words == "random":
        noise = [torch.randn(RANDOM_DIM, generator=_generator(text)) for text in texts]
        vectors = torch.stack(noise) if noise else torch.zeros(0, RANDOM_DIM)
        return ReadTexts(F.normalize(vectors, dim=-1), "random", 0)
    lm = shared_lm(config.text)  # pyright: ignore[reportArgumentType] - frozen, so hashable
    return ReadTexts(lm.encode(texts), lm.sha256, lm.n_cut(texts))


def exchanged(label_set: LabelSet) -> list[int]:
    """Samples whose words each class gets, never its own; seeded by the name of the label set."""
    order = torch.randperm(len(label_set), generator=_generator(label_set.name)).tolist()
    taken_from = dict(zip(order, [*order[1:], order[0]], strict=True))
    return [taken_from[k] for k in range(len(label_set))]


def reordered(label_set: LabelSet, dim: int) -> Int[Tensor, "D"]:
    """Samples a permutation of a vector's numbers, seeded by the name of the label set."""
    return torch.randperm(dim, generator=_generator(label_set.name))


def _generator(text: str) -> torch.Generator:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")
    return torch.Generator().manual_seed(seed)
