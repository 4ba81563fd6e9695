"""Attributions of a prediction and their faithfulness, as plain values without torch.

Axes: C channels, n bins in time, S steps of a faithfulness curve.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from medts.core.records import Record


@dataclass(frozen=True)
class Curves:
    """What becomes of the probability while samples are taken away or put back.

    Args:
        shares: Share of pieces that were changed, from 0 to 1.
        deletion: Mean probability over windows, with that share taken away.
        insertion: The same, with nothing but that share.
    """

    shares: Float[np.ndarray, "S"]
    deletion: Float[np.ndarray, "S"]
    insertion: Float[np.ndarray, "S"]

    @property
    def score(self) -> float:
        """Area between insertion and deletion: 1 at best, around 0 for orders without meaning."""
        gap = self.insertion - self.deletion
        return float(((gap[1:] + gap[:-1]) / 2 * np.diff(self.shares)).sum())


@dataclass(frozen=True)
class StreamRelevance:
    """Relevance of one stream of a model over the recording.

    Args:
        channels: That the model reads.
        relevance: Mean over each bin; NaN where no window has a sample.
        start_s: Where the first bin begins, in seconds from the start of the record.
        end_s: Where the last bin ends.
        shares: Of the whole relevance, by channel.
    """

    channels: tuple[str, ...]
    relevance: Float[np.ndarray, "C n"]
    start_s: float
    end_s: float
    shares: dict[str, float]


@dataclass(frozen=True)
class Explained:
    """Attribution of a class's probability to samples, with its faithfulness curves.

    Args:
        record: As it was recorded, with the streams that the model reads.
        label: The class that is explained.
        label_meaning: The class in words.
        probability: Of that class, the mean over windows.
        method: How the relevance was found.
        streams: Relevance by stream.
        n_tokens: Tokens of the first window after each stage, where the encoder counts them.
        curves: Deletion and insertion, by order.
    """

    record: Record
    label: str
    label_meaning: str
    probability: float
    method: str
    streams: dict[str, StreamRelevance]
    n_tokens: dict[str, int]
    curves: dict[str, list[Curves]]
