"""DeepConvLSTM: convolutions on every channel alone, then recurrent layers over all of them.

Ordóñez and Roggen, "Deep Convolutional and LSTM Recurrent Neural Networks for Multimodal Wearable
Activity Recognition" (Sensors 2016, 16(1):115): the supervised standard on body-worn sensors. All
streams are read as channels of one signal. Training and the head are left to others.

Axes: B windows in the batch, C channels of all streams, T samples in time, D embedding width.
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from medts.core.errors import ConfigError
from medts.models.base import Encoder, missing_stream, select_stream
from medts.models.settings.deep_conv_lstm import DeepConvLSTMConfig
from medts.tensors.batch import Batch, Encoded


class DeepConvLSTM(Encoder):
    """Filters shared by all channels, then LSTMs; pooling takes the last valid token.

    Components: *convolutions* — along time, each channel by itself, with ReLU; *recurrent* — LSTMs
    that read all channels' filters at each place; *pooling* — the token of the last valid sample.

    Departures: the paper's convolutions shorten the signal by four samples each; ours keep its
    length, with zeros outside. Samples of padding are zeroed before every convolution and no valid
    token comes after them, so padding changes nothing. The paper reads windows of 0.5 s; for the
    longer ones here, ``stride`` shortens the way through the LSTMs.

    Raises:
        ConfigError: In `forward`, when streams come at different rates, or at another one than the
            config states.
    """

    def __init__(self, config: DeepConvLSTMConfig) -> None:
        super().__init__()
        self.config, self.dim = config, config.dim
        widths = [1, *[config.width] * config.depth]
        self.convs = nn.ModuleList(
            nn.Conv1d(
                widths[i],
                widths[i + 1],
                config.kernel_size,
                stride=config.stride if i == config.depth - 1 else 1,
                padding=config.kernel_size // 2,
            )
            for i in range(config.depth)
        )
        n_channels = sum(len(stream.channels) for stream in config.streams.values())
        self.dropout = nn.Dropout(config.dropout)
        self.recurrent = nn.LSTM(
            n_channels * config.width,
            config.dim,
            config.n_recurrent,
            batch_first=True,
            dropout=config.dropout if config.n_recurrent > 1 else 0.0,
        )

    def forward(self, batch: Batch) -> Encoded:
        """Encodes all streams as one; a window without any gives a zero embedding."""
        signal, is_valid = self.join(batch)
        n_channels = signal.shape[1]
        x = rearrange(signal, "b c t -> (b c) 1 t")
        is_kept = is_valid.repeat_interleave(n_channels, dim=0)[:, None]
        for conv in self.convs:
            # Zeroed before each convolution, whose bias would otherwise spread from padding.
            x = F.relu(conv(x * is_kept))
            is_kept = is_kept[..., :: conv.stride[0]]  # pyright: ignore[reportIndexIssue]
        is_valid = is_valid[:, :: self.config.stride]
        x = rearrange(x * is_kept, "(b c) d n -> b n (c d)", c=n_channels)
        tokens, _ = self.recurrent(self.dropout(x))
        tokens = tokens * is_valid[..., None]
        place = torch.arange(is_valid.shape[1], device=is_valid.device)
        last = (is_valid * place).amax(dim=1)
        return Encoded(tokens, is_valid, tokens[torch.arange(len(tokens)), last])

    def join(self, batch: Batch) -> tuple[Float[Tensor, "B C T"], Bool[Tensor, "B T"]]:
        """Returns all streams as one signal, absent channels zero; valid where any stream is."""
        own = {name: batch.streams[name] for name in self.config.streams if name in batch.streams}
        if not own:
            raise missing_stream(tuple(self.config.streams), batch)
        rates = {stream.sampling_rate for stream in own.values()}
        if len(rates) > 1:
            raise ConfigError(
                f"streams come at {', '.join(f'{rate:g}' for rate in sorted(rates))} Hz",
                field="sampling_rate",
                remedy="Bring them to one rate in preprocessing",
            )
        some = next(iter(batch.streams.values())).signal
        n_samples = max((stream.signal.shape[2] for stream in own.values()), default=1)
        rows, is_valid = (
            [],
            torch.zeros(len(batch), n_samples, dtype=torch.bool, device=some.device),
        )
        for name, wanted in self.config.streams.items():
            stream = own.get(name)
            if stream is None:
                rows.append(some.new_zeros(len(batch), len(wanted.channels), n_samples))
                continue
            read = select_stream(name, stream, wanted)
            missing = n_samples - read.signal.shape[2]
            rows.append(F.pad(read.signal, (0, missing)))
            is_valid = is_valid | F.pad(read.is_valid, (0, missing))
        return torch.cat(rows, dim=1), is_valid
