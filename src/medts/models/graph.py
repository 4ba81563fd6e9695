"""EncoderGraph: an encoder as a function of plain tensors, for ONNX export and tracing.

Axes: B windows in the batch, C channels, T samples in time, D embedding width.
"""

from jaxtyping import Float
from torch import Tensor, nn

from medts.models.base import Encoder
from medts.tensors.batch import Batch, StreamBatch


class EncoderGraph(nn.Module):
    """Takes the signal of every stream and which of its samples were recorded, in turn.

    Streams and channels are in the order of the encoder's settings, at the rates of the settings.
    No report is read.

    Args:
        encoder: What is exported.
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, *tensors: Tensor) -> Float[Tensor, "B D"]:
        """Returns the pooled embedding."""
        streams = {}
        wanted = self.encoder.config.inputs()  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]
        for number, (name, each) in enumerate(wanted.items()):
            signal, is_recorded = tensors[2 * number :][:2]
            streams[name] = StreamBatch(
                signal=signal,
                is_recorded=is_recorded,
                channels=each.channels,
                sampling_rate=each.sampling_rate or 1.0,
                modality="other",
            )
        names = ("",) * len(tensors[0])
        return self.encoder(Batch(streams, names, names, (None,) * len(names))).pooled


def graph_inputs(batch: Batch) -> tuple[Tensor, ...]:
    """Returns the tensors of a batch in the order that an `EncoderGraph` takes them."""
    return tuple(
        tensor for each in batch.streams.values() for tensor in (each.signal, each.is_recorded)
    )
