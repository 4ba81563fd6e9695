"""Batch Renormalization (Ioffe 2017) of pooled embeddings, by statistics of all windows.

Ioffe, 2017 (arXiv:1702.03275). Queries, positions and biases give nearly the same summary for every
window; what distinguishes windows is a small part on top, and a head that has to find it learns
slowly. Subtracting the mean over windows brings it out. Plain batch norm does so with the
statistics of the batch when training and with running ones when predicting, which are not alike
where batches come from one dataset each; here both use the running ones once training is under
way, and only gradients pass through those of the batch.

Axes: B windows in the batch, D features.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

_MOMENTUM = 0.1
"""Share of the newest batch in the running statistics."""

_EPSILON = 1e-3
"""Least deviation, so that a feature that never changes is no division by zero."""

_N_PLAIN, _N_RAMP = 50, 100
"""Updates as in batch norm, and over how many more the correction is let in."""

_MOST_SCALE, _MOST_SHIFT = 3.0, 5.0
"""Largest correction of the deviation and of the mean; the paper's."""


class BatchRenorm(nn.Module):
    """Brings every feature to mean 0 and spread 1 over windows, and scales it by a learnt factor.

    Components: *mean*, *deviation* — buffers — running statistics; *weight*, *bias* — learnt.

    Departures: training on whole batches is plain for 50 updates and correction is let in over the
    next 100, where the paper, which trains for much longer, takes 5,000 and 20,000. A batch with
    one window, which has no spread, is treated as in prediction.

    Args:
        dim: Number of features.
    """

    mean: Tensor
    deviation: Tensor
    n_updates: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(dim)), nn.Parameter(torch.zeros(dim))
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("deviation", torch.ones(dim))
        self.register_buffer("n_updates", torch.zeros((), dtype=torch.long))

    def forward(
        self, features: Float[Tensor, "B D"], is_present: Bool[Tensor, "B"]
    ) -> Float[Tensor, "B D"]:
        """Normalises all rows, and learns the statistics from those that are present."""
        x = features.float()
        if self.training and int(is_present.sum()) > 1:
            x = self._renormalise(x, x[is_present])
        else:
            x = (x - self.mean) / self.deviation
        return (x * self.weight + self.bias).to(features.dtype)

    def _renormalise(
        self, x: Float[Tensor, "B D"], present: Float[Tensor, "b D"]
    ) -> Float[Tensor, "B D"]:
        mean = present.mean(dim=0)
        deviation = (present.var(dim=0, correction=0) + _EPSILON**2).sqrt()
        with torch.no_grad():
            n = int(self.n_updates)
            share = max(_MOMENTUM, 1 / (n + 1))
            self.mean.lerp_(mean, share)
            self.deviation.lerp_(deviation, share)
            self.n_updates.add_(1)
            ease = min(1.0, max(0.0, (n - _N_PLAIN) / _N_RAMP))
            most_scale, most_shift = 1 + (_MOST_SCALE - 1) * ease, _MOST_SHIFT * ease
            scale = (deviation / self.deviation).clamp(1 / most_scale, most_scale)
            shift = ((mean - self.mean) / self.deviation).clamp(-most_shift, most_shift)
        return (x - mean) / deviation * scale + shift
