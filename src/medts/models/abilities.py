"""Protocols (interfaces) of encoders: what an objective may require beyond encoding.

An objective needs a few methods, not a certain class, so an encoder of another package can be
masked, or aligned with reports, as well as ours. Settings name abilities by their keys in
`ABILITIES`, which takes no torch; `need` makes sure that the network has them.

Axes: B windows or texts in the batch, N signal tokens, L text tokens, S sentences, M modalities,
D embedding width.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

from jaxtyping import Bool, Float, Int
from torch import Tensor

from medts.core.errors import ConfigError
from medts.models.base import Encoder
from medts.models.settings.base import StreamInput
from medts.nn.report_tower import ReportTokens
from medts.tensors.batch import Batch, Encoded, Latents, StreamBatch

_Ability = TypeVar("_Ability")


@dataclass(frozen=True)
class Scale:
    """The tokens of one rate; zero where they cover no real sample."""

    tokens: Float[Tensor, "B N D"]
    is_valid: Bool[Tensor, "B N"]


@dataclass(frozen=True)
class Passes:
    """The embeddings of two passes before fusion; zero where a pass had nothing to read.

    Args:
        signal: Of the signal pass.
        text: Of the text pass.
        has_signal: True for windows whose signal was read.
        has_text: True for windows whose report was read.
    """

    signal: Float[Tensor, "B D"]
    text: Float[Tensor, "B D"]
    has_signal: Bool[Tensor, "B"]
    has_text: Bool[Tensor, "B"]


@dataclass(frozen=True)
class Reports:
    """Texts in the shared space.

    Args:
        tokens: What was read.
        states: Of every token, as wide as the language model.
        summary: The whole text.
        sentences: Each sentence, rows of zeros where a text has fewer.
        is_sentence: True for real sentences, of which every text has at least one.
    """

    tokens: ReportTokens
    states: Float[Tensor, "B L D_text"]
    summary: Float[Tensor, "B D"]
    sentences: Float[Tensor, "B S D"]
    is_sentence: Bool[Tensor, "B S"]


@runtime_checkable
class Maskable(Protocol):
    """Masked modelling: an encoder whose first tokens can be replaced by a mask token.

    Tokens lie side by side in time, at one rate or at several. ``token_strides`` are samples per
    token of each scale, finest first, each a multiple of the one before; ``token_dims`` their
    widths. ``Encoded.intermediates["scales"]`` of `encode` holds a `Scale` for each.
    """

    input: StreamInput
    token_strides: tuple[int, ...]
    token_dims: tuple[int, ...]

    def select(self, batch: Batch) -> StreamBatch:
        """Picks the signal that is read."""
        ...

    def tokenize(
        self, signal: Float[Tensor, "B C T"], is_valid: Bool[Tensor, "B T"]
    ) -> tuple[Float[Tensor, "B N D"], Int[Tensor, "B"] | None]:
        """Makes the tokens of the finest scale, and counts the valid ones; None when all are."""
        ...

    def encode(
        self, tokens: Float[Tensor, "B N D"], n_valid: Int[Tensor, "B"] | None = None
    ) -> Encoded:
        """Runs all that follows."""
        ...


@runtime_checkable
class HasLatents(Protocol):
    """Late fusion: an encoder that embeds each modality by itself before an aggregator.

    ``latent_dim`` is the width of a latent, ``aggregate_dim`` that of what ``aggregator`` makes of
    `Latents`, a module that must also take windows without any.
    """

    modalities: tuple[str, ...]
    latent_dim: int
    aggregate_dim: int
    aggregator: Any

    def encode(self, batch: Batch) -> Latents:
        """Returns the latent of every modality."""
        ...


@runtime_checkable
class TwoTower(Protocol):
    """Dual encoder (CLIP, CoCa): signals and reports in one space, and perhaps a decoder.

    ``Encoded.tokens`` are vectors of that space. ``decoder`` has the methods of
    `medts.nn.report_decoder.ReportDecoder`, or is None.
    """

    decoder: Any

    @property
    def reads_texts(self) -> bool:
        """True where there is a text side."""
        ...

    def read(self, texts: Sequence[str]) -> Reports:
        """Reads texts into the shared space, word by word, by sentence and as a whole."""
        ...

    def gather_captions(self, encoded: Encoded) -> Float[Tensor, "B M D_caption"]:
        """Gathers what the decoder reads."""
        ...


@runtime_checkable
class TwoPasses(Protocol):
    """An encoder that reads signal and report in a pass each, of ``pass_dim`` features."""

    pass_dim: int

    @property
    def has_both_passes(self) -> bool:
        """True where neither pass was left out."""
        ...

    def read_passes(self, batch: Batch) -> Passes:
        """Returns the embeddings of both passes."""
        ...


@runtime_checkable
class MasksLanguage(Protocol):
    """A masked language model: ``model`` and ``tokenizer`` are those of transformers."""

    model: Any
    tokenizer: Any
    max_positions: int


ABILITIES: dict[str, type] = {
    "maskable": Maskable,
    "has_latents": HasLatents,
    "two_tower": TwoTower,
    "two_passes": TwoPasses,
    "masks_language": MasksLanguage,
}
"""Protocols by the names that settings use in ``offers`` and ``needs``."""


def need(
    encoder: Encoder,
    ability: type[_Ability],
    *,
    problem: str,
    remedy: str,
    is_met: Callable[[_Ability], bool] = lambda _: True,
) -> _Ability:
    """Returns the encoder as what an objective needs it to be.

    Args:
        encoder: Of any package.
        ability: Protocol that it has to follow.
        problem: Error message if it does not.
        remedy: What to do then.
        is_met: Further demand on one that does.

    Raises:
        ConfigError: If it does not; `check_fit` refuses settings, before anything is built.
    """
    if isinstance(encoder, ability) and is_met(encoder):
        return encoder
    raise ConfigError(problem, field="objective", remedy=remedy)
