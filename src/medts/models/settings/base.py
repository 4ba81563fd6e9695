"""EncoderSettings: what every encoder's settings say before a network exists.

A subclass with a ``kind`` is an encoder of the package: it is listed, has its flags on the command
line, trains, travels in bundles and is held to the contracts. No file here imports torch.
"""

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import BeforeValidator, Field, SerializeAsAny

from medts.core.config import Config
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

    offers: ClassVar[frozenset[str]] = frozenset()
    """Abilities beyond encoding that objectives may need; keys of `medts.models.abilities`."""

    def inputs(self) -> dict[str, StreamInput]:
        """Returns what is read of each stream, by its name.

        Settings with a field ``streams`` read several, those with ``stream`` and ``channels`` one.
        """
        streams = getattr(self, "streams", None)
        if streams is not None:
            return streams
        return {self.stream: StreamInput(channels=self.channels)}  # pyright: ignore[reportAttributeAccessIssue]

    @abstractmethod
    def build(self) -> "medts.models.base.Encoder":
        """Builds the network with random weights."""

    @classmethod
    def tiny(cls) -> "EncoderSettings":
        """Returns sizes that the contract suite can build in milliseconds."""
        return cls()  # pyright: ignore[reportCallIssue]


AnyEncoder = Annotated[SerializeAsAny[EncoderSettings], BeforeValidator(by_kind(EncoderSettings))]
"""Settings of any registered encoder, told apart by their ``kind``."""
