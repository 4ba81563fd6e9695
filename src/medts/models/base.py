"""What every encoder promises: a batch in, tokens and one embedding per window out.

An encoder is what training is for and what a bundle keeps. It reads streams by name, channels
in the order its config states, and trusts the masks of the batch: padding and absent channels
carry no information. The config of an encoder of one stream says ``stream`` and ``channels``, that
of an encoder of several says ``streams``; `EncoderSettings.inputs` gives both.

Axes: B windows in the batch, N signal tokens, D embedding width.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import nn

from medts.core.errors import ConfigError
from medts.models.settings.base import StreamInput
from medts.tensors.batch import Batch, Encoded, StreamBatch


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

    takes_prior: bool = False
    """Whether `forward` takes ``prior``, the vector of a dataset's description (conditioning)."""

    @abstractmethod
    def forward(self, batch: Batch) -> Encoded:
        """Encodes every window of the batch on its own."""

    def parts(self) -> Sequence[nn.Module]:
        """Lists the parts from input to output, for learning rates that fall towards the input.

        An encoder that names none is one part: all of it learns at one rate.
        """
        return (self,)
