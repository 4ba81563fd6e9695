"""Encoder base class (backbone): a batch in, tokens and one embedding per window out.

An encoder is what training is for and what a bundle keeps. It reads streams by name, and their
channels by name in the order its config states. Padding, absent channels and gaps, also those of
one channel, carry no information: `select_stream` sets them to zero for every encoder. The config
of an encoder of one stream has ``stream`` and ``channels``, that of an encoder of several has
``streams``; `EncoderSettings.inputs` gives both. `medts.testing.check_encoder` holds an encoder to
this.

Axes: B windows in the batch, C channels, T samples in time, N signal tokens, D embedding width.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import torch.nn.functional as F
from torch import nn

from medts.core.channels import match_channels
from medts.core.errors import ConfigError, MedtsError
from medts.models.settings.base import EncoderSettings, StreamInput
from medts.nn.tracing import can_look
from medts.tensors.batch import Batch, Encoded, StreamBatch


class Encoder(nn.Module, ABC):
    """Encoder (backbone): turns a batch into `Encoded`, whose embedding is ``dim`` wide."""

    dim: int

    takes_prior: bool = False
    """Whether `forward` takes ``prior``, the vector of a dataset's description (conditioning)."""

    @abstractmethod
    def forward(self, batch: Batch) -> Encoded:
        """Encodes every window of the batch on its own."""

    def parts(self) -> Sequence[nn.Module]:
        """Lists the parts from input to output, for layer-wise learning-rate decay.

        An encoder that names none is one part: all of it learns at one rate.
        """
        return (self,)


class OneStreamEncoder(Encoder):
    """An encoder of one stream, whose channels are matched by name.

    A subclass calls `select` in its ``forward`` and looks at nothing else of the stream.

    Args:
        config: Settings with exactly one input.
    """

    shortest: int = 1
    """Fewest samples of a window that it can read."""

    def __init__(self, config: EncoderSettings) -> None:
        super().__init__()
        ((self.stream, self.input),) = config.inputs().items()
        self.longest = config.longest_window()

    def select(self, batch: Batch) -> StreamBatch:
        """Picks its channels from its stream, zero wherever nothing was recorded.

        Raises:
            ConfigError: If the batch lacks the stream, the stream all of the channels, or its rate
                is another one.
            MedtsError: If the windows are shorter or longer than the encoder can read.
        """
        if self.stream not in batch.streams:
            raise missing_stream((self.stream,), batch)
        stream = batch.streams[self.stream]
        n_samples = stream.signal.shape[-1]
        if n_samples < self.shortest:
            raise MedtsError(
                f"a window of {n_samples} samples is shorter than the {self.shortest} samples of "
                "one token",
                field="window_s",
                remedy=f"Use windows of {self.shortest / stream.sampling_rate:g} s or more",
            )
        return select_stream(self.stream, stream, self.input, longest=self.longest)


def select_stream(
    name: str, stream: StreamBatch, wanted: StreamInput, *, longest: int | None = None
) -> StreamBatch:
    """Brings a stream's channels into the order that is wanted, with zeros for what is absent.

    Padding beyond ``longest`` is left out, so that it changes nothing.

    Args:
        name: Of the stream, for errors.
        stream: Windows with any channels, in any order.
        wanted: Channels to return; one that the stream lacks is absent.
        longest: Most samples of a window that can be read.

    Raises:
        ConfigError: If the stream has none of the channels, or comes at another rate.
        MedtsError: If a window has recorded samples beyond ``longest``.
    """
    check_rate(name, stream, wanted)
    rows = match_channels(wanted.channels, stream.channels)
    if all(row is None for row in rows):
        raise ConfigError(
            f"none of {', '.join(wanted.channels)} among {', '.join(stream.channels)}",
            field=f"{name}: channels",
            remedy="Rename the channels of the recordings, or take an encoder that reads them",
        )
    signal, is_recorded = stream.signal, stream.is_recorded
    if longest is not None and signal.shape[-1] > longest:
        if not can_look(is_recorded) or bool(is_recorded[..., longest:].any()):
            raise MedtsError(
                f"a window of {signal.shape[-1]} samples of {name!r} is longer than the {longest} "
                "samples that the encoder reads",
                field="window",
                remedy="Cut shorter windows, or build the encoder for longer ones",
            )
        signal, is_recorded = signal[..., :longest], is_recorded[..., :longest]
    if rows != tuple(range(len(stream.channels))):
        absent = len(stream.channels)
        order = [absent if row is None else row for row in rows]
        signal = F.pad(signal, (0, 0, 0, 1))[:, order]
        is_recorded = F.pad(is_recorded, (0, 0, 0, 1))[:, order]
    return replace(
        stream,
        signal=signal.masked_fill(~is_recorded, 0.0),
        is_recorded=is_recorded,
        channels=wanted.channels,
    )


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


def missing_stream(wanted: Sequence[str], batch: Batch) -> ConfigError:
    """Builds the error for a batch without any of the streams that an encoder reads."""
    return ConfigError(
        f"no stream {' or '.join(map(repr, wanted))} in the batch",
        field="streams",
        remedy=f"Present: {', '.join(batch.streams)}",
    )
