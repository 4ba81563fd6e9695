"""EncoderSettings: the config of an encoder (backbone), before a network exists.

A subclass with a ``kind`` is an encoder of the package: it is listed, has its flags on the command
line, trains, travels in bundles and is held to the contracts. No file here imports torch.
"""

import pkgutil
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import BeforeValidator, Field, SerializeAsAny, model_validator

from medts.core.config import Config
from medts.core.montage import STANDARD_12_LEADS
from medts.core.registry import Registered, by_kind

if TYPE_CHECKING:
    import medts.models.base


class StreamInput(Config):
    """What an encoder reads of one stream."""

    channels: tuple[str, ...] = Field(min_length=1)
    """Channels that it reads, in this order."""

    sampling_rate: float | None = Field(default=None, gt=0)
    """Samples per second that it expects, Hz; none takes any."""


class EncoderSettings(Registered):
    """Sizes of an encoder (a backbone), and what it reads."""

    noun: ClassVar[str] = "encoder"
    home: ClassVar[str] = "medts.models.settings"
    group: ClassVar[str] = "medts.encoders"

    network: ClassVar[str] = ""
    """``module:Class`` of the network, as text: it needs torch, which settings do without."""

    offers: ClassVar[frozenset[str]] = frozenset()
    """Abilities beyond encoding that objectives may need; keys of `medts.models.abilities`."""

    reads_signal: ClassVar[bool] = True
    """False for a control that reads reports alone."""

    is_channel_variable: ClassVar[bool] = False
    """Whether it reads any channels; otherwise its own, of which those a batch lacks are absent."""

    sees_whole_window: ClassVar[bool] = True
    """Whether any token may depend on any sample; False where tokens only see what is near."""

    left_alone: ClassVar[tuple[str, ...]] = ()
    """Beginnings of the names of parameters that encoding does not use and objectives train."""

    onnx_obstacle: ClassVar[str] = ""
    """Operator that keeps the network from export to ONNX; empty where nothing does."""

    def abilities(self) -> frozenset[str]:
        """Returns which of ``offers`` an encoder of these very settings has."""
        return self.offers

    def longest_window(self) -> int | None:
        """Returns the most samples of a window that can be read; None where any number can.

        A longer window is refused. A field ``window`` is this number unless a subclass differs.
        """
        return getattr(self, "window", None)

    def inputs(self) -> dict[str, StreamInput]:
        """Returns what is read of each stream, by its name.

        Settings with a field ``streams`` read several, those with ``stream`` and ``channels`` one.
        """
        streams = getattr(self, "streams", None)
        if streams is not None:
            return streams
        return {self.stream: StreamInput(channels=self.channels)}  # pyright: ignore[reportAttributeAccessIssue]

    def build(self) -> "medts.models.base.Encoder":
        """Builds the network with random weights."""
        return pkgutil.resolve_name(self.network)(self)

    @classmethod
    def tiny(cls) -> "EncoderSettings":
        """Returns sizes that the contract suite can build in milliseconds."""
        return cls()  # pyright: ignore[reportCallIssue]


class OneStreamSettings(EncoderSettings):
    """Settings of an encoder of one stream, whose channels are matched by name."""

    stream: str = "ecg"
    """Stream that it reads."""

    channels: tuple[str, ...] = Field(default=STANDARD_12_LEADS, min_length=1)
    """Channels that it reads, in this order; one that a recording lacks counts as zero."""

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> "OneStreamSettings":
        dim, n_heads = getattr(self, "dim", 0), getattr(self, "n_heads", 1)
        if dim % n_heads:
            raise ValueError(f"dim {dim} is not a multiple of {n_heads} heads")
        return self


class FixedWindowSettings(OneStreamSettings):
    """Settings of an encoder with weights for every sample of a window of one length."""

    window: int = Field(default=250, ge=4)
    """Most samples of a window; a longer one is refused, in a shorter one zeros follow."""


AnyEncoder = Annotated[SerializeAsAny[EncoderSettings], BeforeValidator(by_kind(EncoderSettings))]
"""Settings of any registered encoder, by their ``kind`` (a tagged union)."""
