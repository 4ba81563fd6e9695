"""Bundle: the folder that is the model.

It holds everything that a prediction depends on and nothing else::

    model.safetensors           weights of encoder and head
    config.json                 encoder, head, windowing
    preprocessor_config.json    channels, unit, rate, band, scale of every stream
    labels.json                 label set, and the operating point of each class
    provenance.json             recipe, seed, splits, digests, versions, licences
    expected_output.json        what the model gives for a seeded input; checked on loading
    README.md                   card for the reader

Weights are never pickled. A bundle that is incomplete, altered or of another version does not
load.

Axes: B windows in the batch, K classes, D embedding width.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from pydantic import TypeAdapter, ValidationError
from safetensors.torch import load_file, save_file
from torch import Tensor

from medts.core.batch import Batch, Encoded
from medts.core.errors import BundleError
from medts.core.labels import LabelSet
from medts.data.windows import Example, Windowing, WindowStream, collate
from medts.inference.card import write_card
from medts.inference.manifest import FORMAT_VERSION, Labels, ModelConfig, Provenance
from medts.models import build_encoder
from medts.models.heads import Head
from medts.signal.preprocess import Preprocessing

_TOLERANCE = 1e-3
_DIGESTED = ("model.safetensors", "config.json", "preprocessor_config.json", "labels.json")


class Bundle:
    """A model with everything that its predictions depend on.

    Args:
        config: Encoder, head and windows.
        preprocessing: How a recording must look.
        labels: Label set and operating points.
        provenance: Where the weights come from.
    """

    def __init__(
        self,
        config: ModelConfig,
        *,
        preprocessing: Preprocessing,
        labels: Labels,
        provenance: Provenance,
    ) -> None:
        if (config.head is None) != (labels.label_set is None):
            raise BundleError("a head needs a label set, and a label set a head")
        self.config, self.preprocessing = config, preprocessing
        self.labels, self.provenance = labels, provenance
        self.encoder = build_encoder(config.encoder)
        self.head = None
        if config.head is not None and labels.label_set is not None:
            self.head = Head(config.head, dim=self.encoder.dim, n_classes=len(labels.label_set))
        self.eval()

    @property
    def label_set(self) -> LabelSet:
        """What the model answers.

        Raises:
            BundleError: If it has no head.
        """
        if self.labels.label_set is None:
            raise BundleError("this bundle is an encoder without a head; fine-tune it first")
        return self.labels.label_set

    @property
    def thresholds(self) -> dict[str, float]:
        """Operating point of each class."""
        return {name: each.threshold for name, each in self.labels.operating_points.items()}

    def eval(self) -> "Bundle":
        """Puts encoder and head into evaluation mode."""
        self.encoder.eval()
        if self.head is not None:
            self.head.eval()
        return self

    @torch.inference_mode()
    def encode(self, batch: Batch) -> Encoded:
        """Runs the encoder alone."""
        return self.encoder(batch)

    @torch.inference_mode()
    def logits(self, batch: Batch) -> Float[Tensor, "B K"]:
        """Runs encoder and head."""
        if self.head is None:
            raise BundleError("this bundle is an encoder without a head; fine-tune it first")
        return self.head(self.encoder(batch).pooled)

    def state_dict(self) -> dict[str, Tensor]:
        """Weights by name, ready for safetensors."""
        weights = {f"encoder.{k}": v for k, v in self.encoder.state_dict().items()}
        if self.head is not None:
            weights |= {f"head.{k}": v for k, v in self.head.state_dict().items()}
        return {name: value.detach().cpu().contiguous() for name, value in weights.items()}

    def save(self, folder: str | Path) -> Path:
        """Writes the bundle beside ``folder`` and puts it in its place once it is whole."""
        folder = Path(folder)
        temporary = folder.with_name(f".{folder.name}.tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        save_file(self.state_dict(), temporary / "model.safetensors")
        for name, value in (
            ("config.json", self.config),
            ("preprocessor_config.json", self.preprocessing),
            ("labels.json", self.labels),
            ("provenance.json", self.provenance),
        ):
            (temporary / name).write_text(value.model_dump_json(indent=1), encoding="utf-8")
        expected = json.dumps({"seed": 0, "output": self._expected().tolist()})
        (temporary / "expected_output.json").write_text(expected, encoding="utf-8")
        write_card(temporary / "README.md", self.labels, self.provenance, self.preprocessing)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
        return folder

    def _expected(self) -> Float[np.ndarray, "B K"]:
        batch = seeded_batch(self.preprocessing, self.config.windowing)
        output = self.encode(batch).pooled if self.head is None else self.logits(batch)
        return output.numpy()


def seeded_batch(config: Preprocessing, windowing: Windowing, n_windows: int = 2) -> Batch:
    """Makes the input whose output a bundle remembers: reproducible noise on every channel."""
    generator = np.random.default_rng(0)
    examples = []
    for index in range(n_windows):
        streams = {}
        for name, spec in config.streams.items():
            n_samples = round(windowing.window_s * spec.sampling_rate)
            noise = generator.standard_normal((len(spec.channels), n_samples))
            streams[name] = WindowStream(
                signal=noise.astype(np.float32),
                is_valid=np.ones(n_samples, dtype=bool),
                is_channel_present=np.ones(len(spec.channels), dtype=bool),
            )
        examples.append(Example(streams, record_id=f"noise/{index}", subject_id=f"noise/{index}"))
    return collate(examples, config)


def load_bundle(path: str | Path) -> Bundle:
    """Loads a bundle, or the bundle of a run folder, and checks what it gives.

    Raises:
        BundleError: If a file is missing or malformed, weights do not fit, the version is
            another, or the model no longer gives its expected output.
    """
    folder = find_bundle(path)
    config = _read(folder / "config.json", ModelConfig)
    bundle = Bundle(
        config,
        preprocessing=_read(folder / "preprocessor_config.json", Preprocessing),
        labels=_read(folder / "labels.json", Labels),
        provenance=_read(folder / "provenance.json", Provenance),
    )
    weights = load_file(_required(folder / "model.safetensors"))
    wanted = bundle.state_dict()
    if weights.keys() != wanted.keys() or any(
        weights[name].shape != wanted[name].shape for name in wanted
    ):
        differing = sorted(weights.keys() ^ wanted.keys()) or ["a shape"]
        raise BundleError(
            f"weights do not fit the config: {', '.join(differing[:3])}",
            path=folder / "model.safetensors",
        )
    parts = {"encoder": bundle.encoder, "head": bundle.head}
    for part, module in parts.items():
        if module is not None:
            prefix = f"{part}."
            own = {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
            module.load_state_dict(own)
    _check_expected(bundle, folder)
    return bundle


def find_bundle(path: str | Path) -> Path:
    """Returns the folder of a bundle, given it or the run that made it.

    Raises:
        BundleError: If there is none.
    """
    path = Path(path)
    for folder in (path, path / "bundle"):
        if (folder / "config.json").is_file():
            return folder
    if (path / "run.json").is_file():
        remedy = "The run has not ended; give the same `medts finetune` command again"
    else:
        remedy = "Give a bundle, or the run folder that `medts finetune` wrote"
    raise BundleError("no bundle here", path=path, remedy=remedy)


def bundle_digest(path: str | Path) -> str:
    """Returns the SHA-256 over weights, configs and labels of a bundle on disk."""
    folder, digest = find_bundle(path), hashlib.sha256()
    for name in _DIGESTED:
        digest.update(hashlib.sha256((folder / name).read_bytes()).digest())
    return digest.hexdigest()


def _required(path: Path) -> Path:
    if not path.is_file():
        raise BundleError("file is missing", path=path, remedy="Copy the whole bundle folder")
    return path


def _read(path: Path, kind: type[Any]) -> Any:
    text = _required(path).read_text(encoding="utf-8")
    try:
        content = json.loads(text)
        version = content.get("format_version", FORMAT_VERSION)
        if version != FORMAT_VERSION:
            raise BundleError(
                f"version {version} is not {FORMAT_VERSION}",
                path=path,
                field="format_version",
                remedy="Use the version of medts that wrote it",
            )
        return TypeAdapter(kind).validate_python(content)
    except (json.JSONDecodeError, ValidationError) as error:
        raise BundleError(f"malformed: {error}", path=path) from error


def _check_expected(bundle: Bundle, folder: Path) -> None:
    content = json.loads(_required(folder / "expected_output.json").read_text(encoding="utf-8"))
    expected, found = np.array(content["output"]), bundle._expected()
    if expected.shape != found.shape or not np.allclose(
        expected, found, atol=_TOLERANCE, rtol=1e-3
    ):
        raise BundleError(
            "the model does not give its expected output: weights or code have changed",
            path=folder,
            remedy="Fetch the bundle again, or use the version of medts named in provenance.json",
        )
