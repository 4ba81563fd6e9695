"""Predictions through torch: a `Bundle` on a device.

Axes: W windows, K classes, D embedding width.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from torch import Tensor

from medts.core.arithmetic import Precision, arithmetic
from medts.core.labels import LabelSet
from medts.data.windowing import Example
from medts.data.windows import collate
from medts.inference.bundle import Bundle, load_bundle
from medts.inference.folder import bundle_digest
from medts.inference.predictor import Predictor
from medts.tensors.batch import Batch
from medts.tensors.devices import resolve_device, within_memory

_AT_A_TIME = 64


class TorchBackend:
    """Computes the network of a bundle where its weights lie.

    Args:
        bundle: The network.
        precision: Arithmetic.
    """

    def __init__(self, bundle: Bundle, precision: Precision = "fp32") -> None:
        self.bundle = bundle
        self.precision: Precision = precision

    def resolve(self, label_set: str | LabelSet | None) -> LabelSet:
        """Returns the label set that is meant, its texts read; see `Bundle.resolve`."""
        return self.bundle.resolve(label_set)

    def logits(self, windows: Sequence[Example], label_set: LabelSet) -> Float[np.ndarray, "W K"]:
        """Returns one logit per window and class."""
        return self._over(windows, lambda batch: self.bundle.logits(batch, label_set))

    def pooled(
        self, windows: Sequence[Example], label_set: LabelSet | None
    ) -> Float[np.ndarray, "W D"]:
        """Returns one embedding per window."""
        return self._over(windows, lambda batch: self.bundle.encode(batch, label_set).pooled)

    def _over(
        self, windows: Sequence[Example], function: Callable[[Batch], Tensor]
    ) -> Float[np.ndarray, "W D"]:
        """Takes windows a few at a time, since a recording may last for days."""
        found, device = [], self.bundle.device
        with within_memory(device), arithmetic(self.precision, device.type):
            for first in range(0, len(windows), _AT_A_TIME):
                batch = collate(windows[first : first + _AT_A_TIME], self.bundle.preprocessing)
                found.append(function(batch).float().cpu().numpy())
        return np.concatenate(found)


def load_torch(folder: Path, *, device: str = "auto", precision: Precision = "fp32") -> Predictor:
    """Loads the torch weights of a bundle onto a device.

    Raises:
        BundleError: If the bundle is incomplete or altered.
        ConfigError: If the device is not there, or too small.
    """
    resolve_device(device)  # a device that is not there is named before anything is loaded
    digest = bundle_digest(folder)  # of the file, which is read anyway
    return predictor_of(load_bundle(folder), device=device, precision=precision, digest=digest)


def predictor_of(
    bundle: Bundle,
    *,
    device: str | None = None,
    precision: Precision = "fp32",
    digest: str = "",
) -> Predictor:
    """Returns a predictor with a bundle in memory.

    Args:
        bundle: The network.
        device: Where it is moved; none leaves it where it is.
        precision: Arithmetic of every prediction.
        digest: Of the bundle; computed if not given.
    """
    if device is not None:
        target = resolve_device(device)
        with within_memory(target):
            bundle.to(target)
    with arithmetic(precision, bundle.device.type):
        pass  # a kind that this device lacks is named now, not at the first recording
    return Predictor(bundle.manifest(), TorchBackend(bundle, precision), digest or bundle.digest())
