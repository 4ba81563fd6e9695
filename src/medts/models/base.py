"""What every encoder promises: a batch in, tokens and one embedding per window out.

An encoder is what training is for and what a bundle keeps. It reads streams by name, channels
in the order its config states, and trusts the masks of the batch: padding and absent channels
carry no information.

Axes: B windows in the batch, N signal tokens, D embedding width.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import nn

from medts.core.batch import Batch, Encoded


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
