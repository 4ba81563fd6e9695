"""Settings of Sparseformer; the network is `medts.models.sparseformer`."""

from itertools import pairwise
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from medts.core.montage import STANDARD_12_LEADS
from medts.models.settings.base import EncoderSettings, StreamInput


class SparseformerConfig(EncoderSettings):
    """Sizes, token counts and input; [P] marks values of the paper, the others are ours."""

    network: ClassVar[str] = "medts.models.sparseformer:Sparseformer"
    is_channel_variable: ClassVar[bool] = True

    kind: Literal["sparseformer"] = "sparseformer"
    """Name of the encoder in the registry."""

    streams: dict[str, StreamInput] = Field(
        default_factory=lambda: {"ecg": StreamInput(channels=STANDARD_12_LEADS)}, min_length=1
    )
    """Streams that are read and the channels that preprocessing makes of each; the network itself
    takes any channels, and does without a stream that a batch lacks."""

    patch_lengths: tuple[int, ...] = Field(default=(25, 50, 100, 150), min_length=1)
    """Samples per patch of each granularity [P]; one alone is an ablation."""

    dim: int = Field(default=128, ge=2)
    """Width of tokens and of the embedding [P]; even."""

    n_heads: int = Field(default=8, ge=1)
    """Heads of attention; they share the width evenly."""

    tokens_per_block: tuple[int, ...] = Field(default=(128, 64, 32), min_length=1)
    """Queries of each block in the stack of a granularity [P]; never rising."""

    tokens_per_channel: int = Field(default=10, ge=1)
    """Queries of the block that merges granularities [P]."""

    tokens_per_window: int = Field(default=5, ge=1)
    """Queries of the block that merges channels [P]; always all of them."""

    token_counts: Literal["capped", "paper"] = "capped"
    """``capped``: no stage gives out more tokens than it takes in. ``paper``: every query is used,
    which on short signals turns few tokens into many [P]."""

    cap_ratios: tuple[float, ...] = (1.0, 0.5, 0.25)
    """Tokens that each block keeps over the patches of its granularity, at most; never rising."""

    mlp_ratio: float = Field(default=4.0, gt=0.0)
    """Hidden width of feed-forward parts over ``dim``; fits the paper's number of parameters."""

    hidden: int = Field(default=512, ge=1)
    """Width inside the last layers; fits the paper's number of parameters."""

    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Share of values dropped in every update of tokens."""

    prior_dim: int = Field(default=384, ge=0)
    """Width of the vector of a dataset's description: 384 for ``minilm``, 768 for ClinicalBERT;
    0 is the ablation without prior, which leaves any vector unread."""

    has_positions: bool = True
    """Whether patches have sinusoidal positions; without them, and with ``learnt`` queries, patches
    have no order."""

    has_granularity_embedding: bool = True
    """Whether a learnt embedding of its granularity is added to a token."""

    channel_identity: Literal["none", "name"] = "none"
    """``name`` scales the tokens of a channel, feature by feature, and shifts them by maps of a
    fixed code of its name, for any name. With ``none`` their order does not matter [P]."""

    is_normalised: bool = True
    """Whether every channel of a window is brought to mean 0 and spread 1; False keeps what
    preprocessing gives, in which the sizes of waves can be compared."""

    reads_partial_patches: bool = True
    """Whether a last patch that is filled up with zeros is read; one alone always is [P]. A window
    that is shorter than every patch is refused either way, alone or in a batch of longer ones."""

    shares_stacks: bool = False
    """Whether all granularities use the same stack; an ablation."""

    query_start: Literal["learnt", "local"] = "local"
    """``local``: within a channel each query starts from the mean of its part of the tokens.
    ``learnt``: queries do not depend on the window [P], as those that merge channels never do."""

    is_summary_normed: bool = True
    """Whether what is alike in the summaries of all windows is taken out before the last layers,
    by batch renormalisation; not in the paper."""

    is_sparse: bool = True
    """False leaves out every sparse stage: full attention, then a mean; an ablation."""

    has_channel_attention: bool = True
    """False takes the mean over the tokens of all channels instead; an ablation."""

    tokens_at_once: int = Field(default=65_536, ge=1)
    """Tokens of all channels that are held at a time; what is more is encoded in pieces, which
    training computes twice, so that memory does not grow with the number of channels."""

    @property
    def stream(self) -> str:
        """The first stream, for code that reads a single one."""
        return next(iter(self.streams))

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels of the first stream."""
        return self.streams[self.stream].channels

    @model_validator(mode="after")
    def _sizes_make_sense(self) -> "SparseformerConfig":
        if self.dim % self.n_heads or self.dim % 2:
            raise ValueError(f"dim {self.dim} must be even and a multiple of {self.n_heads} heads")
        if min(self.patch_lengths) < 1 or len(set(self.patch_lengths)) < len(self.patch_lengths):
            raise ValueError(f"patch_lengths {self.patch_lengths} must be positive and distinct")
        if any(a < b for a, b in pairwise(self.tokens_per_block)) or self.tokens_per_block[-1] < 1:
            raise ValueError(f"tokens_per_block {self.tokens_per_block} must not rise")
        if len(self.cap_ratios) != len(self.tokens_per_block):
            raise ValueError(f"cap_ratios {self.cap_ratios} must have one ratio per block")
        ratios = (1.0, *self.cap_ratios)
        if any(a < b for a, b in pairwise(ratios)) or ratios[-1] <= 0:
            raise ValueError(f"cap_ratios {self.cap_ratios} must lie in (0, 1] and not rise")
        return self

    @classmethod
    def tiny(cls) -> "SparseformerConfig":
        """Returns sizes for the contract suite."""
        return SparseformerConfig(
            dim=16, n_heads=2, mlp_ratio=2.0, hidden=32, prior_dim=8, dropout=0.0
        )
