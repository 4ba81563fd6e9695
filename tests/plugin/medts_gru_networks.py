"""The networks of `medts_gru`, imported only when one is built."""

from copy import deepcopy

import torch
from torch import nn

from medts.models.base import Encoder
from medts.nn.views import make_view
from medts.objectives.base import Objective
from medts.tensors.batch import Encoded, Losses


class Gru(Encoder):
    """Mean over time of the states, of every tenth sample."""

    def __init__(self, config):
        super().__init__()
        self.config, self.dim = config, config.hidden
        self.gru = nn.GRU(len(config.channels), config.hidden, batch_first=True)

    def forward(self, batch):
        stream = batch.streams[self.config.stream]
        rows = [stream.channels.index(name) for name in self.config.channels]
        signal = (stream.signal * stream.is_recorded)[:, rows, ::10]
        is_valid = stream.is_valid[:, ::10]
        tokens = self.gru(signal.mT)[0] * is_valid[..., None]
        pooled = tokens.sum(1) / is_valid.sum(1, keepdim=True).clamp(min=1)
        return Encoded(tokens, is_valid, pooled)


class Byol(Objective):
    """The teacher follows the encoder after each step, and is thrown away with the predictor."""

    def __init__(self, config, encoder):
        super().__init__()
        self.config, self.encoder = config, encoder
        self.teacher = deepcopy(encoder).requires_grad_(False)
        self.predictor = nn.Linear(encoder.dim, encoder.dim)

    def forward(self, batch):
        views = [make_view(batch, self.config.views) for _ in range(2)]
        predicted = self.predictor(self.encoder(views[0]).pooled)
        target = self.teacher(views[1]).pooled
        loss = (1 - nn.functional.cosine_similarity(predicted, target)).mean()
        return Losses(loss, {"byol": loss.detach()})

    @torch.no_grad()
    def after_step(self):
        for slow, fast in zip(self.teacher.parameters(), self.encoder.parameters(), strict=True):
            slow.lerp_(fast, 1 - self.config.momentum)
