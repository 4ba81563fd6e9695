"""Predictions through onnxruntime, on the CPU and without torch.

The graph is made by `medts.inference.export`: windows of one stream in, logits and embeddings out.

Axes: W windows, K classes, D embedding width.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from jaxtyping import Float

from medts.core.arithmetic import Precision
from medts.core.errors import BundleError, ConfigError
from medts.core.labels import LabelSet, same_classes
from medts.data.windowing import Example, stack_windows
from medts.inference.folder import check_expected, file_of, seeded_windows
from medts.inference.manifest import Manifest

INPUTS = ("signal", "is_recorded")
LOGITS, POOLED = "logits", "pooled"

_AT_A_TIME = 64


class OnnxBackend:
    """Computes the graph of a bundle.

    Args:
        folder: The bundle.
        manifest: Its manifest.
        device: ``auto`` or ``cpu``.
        precision: ``fp32``.

    Raises:
        BundleError: If the graph is altered, damaged, or its output is not as expected.
        ConfigError: If another device or arithmetic is wanted.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        *,
        device: str = "auto",
        precision: Precision = "fp32",
    ) -> None:
        for field, given, known in (
            ("device", device, ("auto", "cpu")),
            ("precision", precision, ("fp32",)),
        ):
            if given not in known:
                raise ConfigError(
                    f"{given!r} needs torch and its weights; this model is computed by onnxruntime",
                    field=field,
                    remedy=f"Use {' or '.join(known)}, or pip install 'medts[train]'",
                )
        self.manifest = manifest
        (self.stream,) = manifest.preprocessing.streams
        path = file_of(folder, manifest, "onnx")
        try:
            self.session = onnxruntime.InferenceSession(
                path.read_bytes(), providers=["CPUExecutionProvider"]
            )
            windows = seeded_windows(manifest.preprocessing, manifest.model.windowing)
            found = self._run(windows, LOGITS)
        except Exception as error:  # onnxruntime's own errors share no base class
            raise BundleError(f"malformed: {error}", path=path) from error
        check_expected(folder, found)

    def resolve(self, label_set: str | LabelSet | None) -> LabelSet:
        """Returns the label set of the graph.

        Raises:
            ConfigError: If another one is given.
        """
        found, own = self.manifest.labels.resolve(label_set), self.manifest.labels.resolve()
        if not (found.name == own.name and same_classes(found, own)):
            raise ConfigError(
                f"its classes are fixed: {own.name} ({', '.join(own.classes)})",
                field=found.name,
                remedy="Fine-tune the model on the other label set",
            )
        return own

    def logits(self, windows: Sequence[Example], label_set: LabelSet) -> Float[np.ndarray, "W K"]:
        """Returns one logit per window and class."""
        del label_set  # a graph has one
        return self._run(windows, LOGITS)

    def pooled(
        self, windows: Sequence[Example], label_set: LabelSet | None
    ) -> Float[np.ndarray, "W D"]:
        """Returns one embedding per window."""
        del label_set
        return self._run(windows, POOLED)

    def _run(self, windows: Sequence[Example], output: str) -> Float[np.ndarray, "W D"]:
        found = []
        for first in range(0, len(windows), _AT_A_TIME):
            piece = windows[first : first + _AT_A_TIME]
            arrays = stack_windows(piece, self.manifest.preprocessing)[self.stream]
            given = {name: getattr(arrays, name) for name in INPUTS}
            found.append(self.session.run([output], given)[0])
        return np.concatenate(found)
