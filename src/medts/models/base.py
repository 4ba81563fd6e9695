"""What every encoder promises: a batch in, tokens and one embedding per window out.

An encoder is what training is for and what a bundle keeps. It reads streams by name, channels
in the order its config states, and trusts the masks of the batch: padding and absent channels
carry no information. The config of an encoder of one stream says ``stream`` and ``channels``, that
of an encoder of several says ``streams``; `streams_of` reads both.

Axes: B windows in the batch, N signal tokens, D embedding width.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from pydantic import Field
from torch import nn

from medts.core.batch import Batch, Encoded, StreamBatch
from medts.core.config import Config
from medts.core.errors import ConfigError


class StreamInput(Config):
    """What an encoder reads of one stream."""

    channels: tuple[str, ...] = Field(min_length=1)
    """Channels that it reads, in this order."""

    sampling_rate: float | None = Field(default=None, gt=0)
    """Samples per second that it expects, Hz; none takes any."""


@runtime_checkable
class OneStream(Protocol):
    """Config of an encoder that reads one stream."""

    @property
    def stream(self) -> str:
        """Name of the stream."""
        ...

    @property
    def channels(self) -> tuple[str, ...]:
        """Channels that are read of it."""
        ...


@runtime_checkable
class SeveralStreams(Protocol):
    """Config of an encoder that reads any number of streams."""

    @property
    def streams(self) -> dict[str, StreamInput]:
        """What is read of each stream, by its name."""
        ...


def streams_of(config: OneStream | SeveralStreams) -> dict[str, StreamInput]:
    """Returns what an encoder reads of each stream, by the name of the stream."""
    if isinstance(config, SeveralStreams):
        return config.streams
    return {config.stream: StreamInput(channels=config.channels)}


def check_rate(name: str, stream: StreamBatch, wanted: StreamInput) -> None:
    """Makes sure that a stream comes at the rate that an encoder expects.

    Raises:
        ConfigError: If it comes at another one.
    """
    rate = wanted.sampling_rate
    if rate is not None and rate != stream.sampling_rate:
        raise ConfigError(
            f"stream {name!r} comes at {stream.sampling_rate:g} Hz, not {rate:g} Hz",
            field="sampling_rate",
            remedy="Resample it in preprocessing",
        )


class Encoder(nn.Module, ABC):
    """Turns a batch into `Encoded`; ``dim`` is the width of its pooled embedding."""

    dim: int

    @abstractmethod
    def forward(self, batch: Batch) -> Encoded:
        """Encodes every window of the batch on its own."""

    def parts(self) -> Sequence[nn.Module]:
        """Lists the parts from input to output, for learning rates that fall towards the input.

        An encoder that names none is one part: all of it learns at one rate.
        """
        return (self,)
