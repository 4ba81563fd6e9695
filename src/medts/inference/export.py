"""ONNX export: the network of a bundle as a graph for onnxruntime, without torch.

The graph takes preprocessed windows of one stream, any number of them and all of the model's own
length, and gives logits and embeddings. Its output is compared with torch's before it is kept.

Axes: B windows in the batch, C channels, T samples in time, K classes, D embedding width.
"""

import warnings
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from medts.core.errors import BundleError, ConfigError
from medts.core.files import write_whole
from medts.data.windows import collate
from medts.inference.bundle import Bundle
from medts.inference.folder import MANIFEST, find_bundle, read_manifest, seeded_windows, sha256_of
from medts.inference.manifest import Artifact
from medts.inference.onnx_backend import INPUTS, LOGITS, POOLED, OnnxBackend
from medts.models.heads import Head
from medts.tensors.batch import Batch, StreamBatch

GRAPH = "model.onnx"

_TOLERANCE = 1e-5


class Graph(nn.Module):
    """Encoder and linear head as one function of arrays.

    Args:
        bundle: The model.
    """

    def __init__(self, bundle: Bundle) -> None:
        super().__init__()
        assert isinstance(bundle.head, Head)
        self.encoder, self.head, self.label_set = bundle.encoder, bundle.head, bundle.label_set
        ((self.stream, self.spec),) = bundle.preprocessing.streams.items()

    def forward(
        self,
        signal: Float[Tensor, "B C T"],
        is_recorded: Bool[Tensor, "B C T"],
    ) -> tuple[Float[Tensor, "B K"], Float[Tensor, "B D"]]:
        """Returns logits and embeddings."""
        stream = StreamBatch(
            signal=signal,
            is_recorded=is_recorded,
            channels=self.spec.channels,
            sampling_rate=self.spec.sampling_rate,
            modality=self.spec.modality,
        )
        batch = Batch({self.stream: stream}, record_ids=(), subject_ids=(), text=())
        encoded = self.encoder(batch)
        return self.head.logits(encoded, self.label_set), encoded.pooled


def export_onnx(bundle: Bundle, folder: str | Path) -> Path:
    """Adds an ONNX graph to the saved folder of a bundle, and returns its file.

    Args:
        bundle: A model of one stream with a linear head.
        folder: Where `Bundle.save` has written it.

    Raises:
        ConfigError: If the model has several streams, a matching head or an operation without an
            ONNX counterpart, or the graph gives other numbers than torch.
        BundleError: If the folder holds another bundle.
    """
    folder = find_bundle(Path(folder))
    manifest = read_manifest(folder)
    kind = bundle.config.encoder.kind
    if len(bundle.preprocessing.streams) != 1:
        raise _not_exported(kind, "it reads several streams")
    if not isinstance(bundle.head, Head):
        raise _not_exported(kind, "its head is not linear")
    if manifest.digest != bundle.digest():
        raise ConfigError(
            "the folder holds another bundle", field="folder", remedy="Save the bundle there first"
        )
    windows = seeded_windows(bundle.preprocessing, bundle.config.windowing, n_windows=3)
    ((_, stream),) = collate(windows, bundle.preprocessing).streams.items()
    given = tuple(getattr(stream, name).to(bundle.device) for name in INPUTS)
    graph = Graph(bundle).eval()
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of the exporter's own parts, about each other
            program = torch.onnx.export(
                graph,
                given,
                dynamo=True,
                input_names=list(INPUTS),
                output_names=[LOGITS, POOLED],
                dynamic_shapes=tuple({0: torch.export.Dim("windows", min=1)} for _ in INPUTS),
                verbose=False,
            )
    except Exception as error:  # whatever the exporter meets in a network it cannot translate
        raise _not_exported(kind, _first_cause(error)) from error
    assert program is not None
    with write_whole(folder / GRAPH) as target:
        program.save(str(target))
    artifact = Artifact(file=GRAPH, sha256=sha256_of(folder / GRAPH))
    changed = manifest.but(artifacts={**manifest.artifacts, "onnx": artifact})
    try:
        check_graph(bundle, OnnxBackend(folder, changed))
    except BundleError as error:
        (folder / GRAPH).unlink()
        raise _not_exported(kind, "its graph takes one number of windows alone") from error
    except ConfigError:
        (folder / GRAPH).unlink()
        raise
    with write_whole(folder / MANIFEST) as target:
        target.write_text(changed.model_dump_json(indent=1), encoding="utf-8")
    return folder / GRAPH


def check_graph(bundle: Bundle, backend: OnnxBackend, n_windows: int = 5) -> None:
    """Compares the outputs of a graph with those of torch, on another number of windows.

    Raises:
        ConfigError: If they differ.
    """
    windows = seeded_windows(bundle.preprocessing, bundle.config.windowing, n_windows)
    batch = collate(windows, bundle.preprocessing)
    wanted = bundle.logits(batch).cpu().numpy()
    difference = float(np.abs(backend.logits(windows, bundle.label_set) - wanted).max())
    embedding = bundle.encode(batch).pooled.cpu().numpy()
    difference = max(difference, float(np.abs(backend.pooled(windows, None) - embedding).max()))
    # Numbers in physical units may be large, and their rounding errors with them.
    scale = max(1.0, float(np.abs(embedding).max()), float(np.abs(wanted).max()))
    if not difference <= _TOLERANCE * scale:
        raise _not_exported(
            bundle.config.encoder.kind, f"the graph differs from torch by {difference:.1e}"
        )


def _first_cause(error: BaseException) -> str:
    """Returns the first line of the error that the exporter's own were raised from."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _not_exported(kind: str, reason: str) -> ConfigError:
    return ConfigError(
        f"a {kind} of this form cannot be exported to ONNX: {reason}",
        field="export",
        remedy="Predict with torch instead",
    )
