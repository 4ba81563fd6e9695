"""Settings of heads: from an embedding to the logits of a label set."""

from typing import Literal

from pydantic import Field

from medts.core.config import Config
from medts.nn.settings import TextConfig


class HeadConfig(Config):
    """Shape and regularisation of a head."""

    hidden: int = Field(default=128, ge=0)
    """Width of the layer between embedding and logits; 0 makes the head linear."""

    dropout: float = Field(default=0.5, ge=0.0, lt=1.0)
    """Share of the last layer's inputs dropped in training; half of it at the first."""

    normalise: bool = True
    """Whether batch norm stands before each layer."""


class MatchingHeadConfig(Config):
    """How classes are read and compared with a signal."""

    kind: Literal["matching"] = "matching"
    """Discriminator against a head with a fixed list of classes."""

    text: TextConfig = TextConfig()
    """Frozen language model that reads the words of classes and datasets."""

    words: Literal["meaning", "shuffled", "random"] = "meaning"
    """``meaning``: each class has its own words. Controls: ``shuffled`` gives it those of another
    class of its label set, ``random`` a random vector for every text, another one in every label
    set, so that sets which share words share nothing."""

    hidden: int = Field(default=768, ge=1)
    """Width between the two layers of the label encoder; fits the paper's parameter count."""

    dim: int | None = Field(default=128, ge=1)
    """Width of the space of comparison, reached by a norm and a linear layer. None compares the
    embedding as it is, as in the paper, whose encoder ends in layers of its own."""

    similarity: Literal["dot", "cosine"] = "dot"
    """``dot``: the plain inner product of the paper. ``cosine``: times a scale that is learnt."""
