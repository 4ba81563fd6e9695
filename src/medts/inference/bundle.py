"""Bundle: the folder that is the model.

It holds everything that a prediction depends on and nothing else::

    model.safetensors           weights of encoder and head
    config.json                 encoder, head, windowing
    preprocessor_config.json    channels, unit, rate, band, scale of every stream
    labels.json                 label sets, and the operating point of each class
    provenance.json             recipe, seed, splits, digests, versions, licences
    expected_output.json        what the model gives for a seeded input; checked on loading
    README.md                   card for the reader

Weights are never pickled. A bundle that is incomplete, altered or of another version does not
load. A model with a matching head answers several label sets, one at a time: `Bundle.answering`
gives the same model answering another.

Axes: B windows in the batch, K classes, D embedding width.
"""

import copy
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from medts.core.errors import BundleError, ConfigError, unknown_name
from medts.core.labels import LabelSet
from medts.data.windowing import Example, Windowing, WindowStream
from medts.data.windows import collate
from medts.inference.card import write_card
from medts.inference.manifest import FORMAT_VERSION, Labels, ModelConfig, Provenance
from medts.models.heads import Head
from medts.models.matching_head import MatchingHead, encode, read_texts, takes_prior, texts_of
from medts.models.settings.heads import HeadConfig
from medts.signal.preprocess import PREPROCESSING_VERSION, Preprocessing
from medts.tensors.batch import Batch, Encoded

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
        self.encoder = config.encoder.build()
        self.head = self._build_head()
        self._asked: LabelSet | None = None
        self.eval()

    def _build_head(self) -> Head | MatchingHead | None:
        config, label_set = self.config.head, self.labels.label_set
        if config is None or label_set is None:
            return None
        if isinstance(config, HeadConfig):
            return Head(config, dim=self.encoder.dim, n_classes=len(label_set))
        if self.config.text is None:
            raise BundleError("a matching head needs to know its language model", field="text")
        texts = texts_of(self.label_sets.values())
        return MatchingHead(
            config, dim=self.encoder.dim, text_dim=self.config.text.dim, texts=texts
        )

    @property
    def label_sets(self) -> dict[str, LabelSet]:
        """Every label set that the model was trained to answer, by name; the first one leads."""
        every = (self.labels, *self.labels.further)
        return {each.label_set.name: each.label_set for each in every if each.label_set}

    @property
    def label_set(self) -> LabelSet:
        """What the model answers.

        Raises:
            BundleError: If it has no head.
        """
        asked = self._asked or self.labels.label_set
        if asked is None:
            raise BundleError("this bundle is an encoder without a head; fine-tune it first")
        return asked

    def not_told(self, label_set: LabelSet) -> "Bundle":
        """Returns the same model, from whose redacted reports further classes are removed.

        A model that reads no redacted reports is returned as it is.
        """
        reports = self.preprocessing.reports
        if reports is None or not reports.is_redacted:
            return self
        view = copy.copy(self)
        view.preprocessing = self.preprocessing.but(reports=reports.hiding([label_set]))
        return view

    def answering(self, label_set: str | LabelSet, *, allow_new: bool = False) -> "Bundle":
        """Returns the same model, with the same weights, answering another label set.

        Args:
            label_set: Name of one that it was trained on; or, with ``allow_new``, any label set,
                whose words its language model then reads.
            allow_new: True lets a model with a matching head answer classes that it has never
                been trained on (zero-shot).

        Raises:
            UnknownNameError: If it was not trained on that label set.
            ConfigError: If it was trained on other classes under that name, or its language
                model is needed and cannot be loaded or has changed.
        """
        name = label_set if isinstance(label_set, str) else label_set.name
        known = self.label_sets.get(name)
        if known is not None and (isinstance(label_set, str) or same_classes(label_set, known)):
            label_set = known
        elif isinstance(label_set, str) or (known is None and not allow_new):
            raise unknown_name("label set of this model", name, self.label_sets)
        elif not allow_new:
            raise ConfigError(
                f"{', '.join(label_set.classes)!r} are not the classes that were learnt",
                field=name,
                remedy="Give another label set another name",
            )
        view = copy.copy(self)
        view._asked = None if label_set is self.labels.label_set else label_set
        shares = self.provenance.prevalence_by_set
        if shares:
            own = shares.get(name, {}) if label_set is known else {}
            view.provenance = self.provenance.but(prevalence=own)
        view._read_texts_of(label_set)
        return view

    def _read_texts_of(self, label_set: LabelSet) -> None:
        if isinstance(self.head, Head) or self.head is None:
            if label_set not in self.label_sets.values():
                raise BundleError(
                    "its classes are fixed", field=label_set.name, remedy="Fine-tune the model"
                )
            return
        missing = self.head.missing(label_set)
        if not missing:
            return
        read, expected = read_texts(self.head.config, missing), self.config.text
        assert expected is not None
        if read.digest != expected.digest:
            raise ConfigError(
                f"language model {expected.name!r} has other weights than in training "
                f"({read.digest[:12]}…, not {expected.digest[:12]}…)",
                remedy="Use the one that the model was trained with",
            )
        self.head.learn(missing, read.vectors)

    @property
    def thresholds(self) -> dict[str, float]:
        """Operating point of each class; none for label sets that it was not trained on."""
        found = (
            each.operating_points
            for each in (self.labels, *self.labels.further)
            if each.label_set == self.label_set
        )
        return {name: each.threshold for name, each in next(found, {}).items()}

    def prior(self) -> Float[Tensor, "D_text"] | None:
        """Returns the vector of the recordings' description, where the encoder reads one."""
        if isinstance(self.head, MatchingHead) and takes_prior(self.encoder):
            return self.head.prior(self.label_set)
        return None

    def eval(self) -> "Bundle":
        """Puts encoder and head into evaluation mode."""
        self.encoder.eval()
        if self.head is not None:
            self.head.eval()
        return self

    @torch.inference_mode()
    def encode(self, batch: Batch) -> Encoded:
        """Runs the encoder alone."""
        if isinstance(self.head, MatchingHead):
            return encode(self.encoder, self.head, batch, self.label_set)
        return self.encoder(batch)

    @torch.inference_mode()
    def logits(self, batch: Batch) -> Float[Tensor, "B K"]:
        """Runs encoder and head."""
        if self.head is None:
            raise BundleError("this bundle is an encoder without a head; fine-tune it first")
        pooled = self.encode(batch).pooled
        if isinstance(self.head, MatchingHead):
            return self.head(pooled, self.label_set)
        return self.head(pooled)

    def state_dict(self) -> dict[str, Tensor]:
        """Weights by name, ready for safetensors."""
        weights = {f"encoder.{k}": v for k, v in self.encoder.state_dict().items()}
        if self.head is not None:
            weights |= {f"head.{k}": v for k, v in self.head.state_dict().items()}
        return {name: value.detach().cpu().contiguous() for name, value in weights.items()}

    def save(self, folder: str | Path) -> Path:
        """Writes the bundle beside ``folder`` and puts it in its place once it is whole."""
        leading = self.labels.label_set
        if self._asked is not None and leading is not None:
            return self.answering(leading.name)._save(Path(folder))
        return self._save(Path(folder))

    def _save(self, folder: Path) -> Path:
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
        write_card(
            temporary / "README.md",
            self.labels,
            self.provenance,
            self.preprocessing,
            self.config.text,
        )
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
        return folder

    def _expected(self) -> Float[np.ndarray, "B K"]:
        batch = seeded_batch(self.preprocessing, self.config.windowing)
        return (self.encode(batch).pooled if self.head is None else self.logits(batch)).numpy()


def same_classes(one: LabelSet, other: LabelSet) -> bool:
    """Tells whether two label sets ask the same question, whatever words they use."""
    return one.classes == other.classes and one.kind == other.kind


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
    weights = _read_weights(folder / "model.safetensors")
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
        remedy = "The run has not ended; give the same `medts train` command again"
    else:
        remedy = "Give a bundle, or the run folder that `medts train` wrote"
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


def _read_weights(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(_required(path))
    except SafetensorError as error:
        raise BundleError(f"malformed: {error}", path=path) from error


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
        if kind is Preprocessing:
            _check_preprocessing_version(content, path)
        return TypeAdapter(kind).validate_python(content)
    except (json.JSONDecodeError, ValidationError) as error:
        raise BundleError(f"malformed: {error}", path=path) from error


def _check_preprocessing_version(content: dict[str, Any], path: Path) -> None:
    version = content.get("version", 1)  # the first version was not written
    if version != PREPROCESSING_VERSION:
        raise BundleError(
            f"preprocessing of version {version} is not of version {PREPROCESSING_VERSION}, which "
            "gives a model other numbers",
            path=path,
            field="version",
            remedy="Train the model again, or use the version of medts that wrote it",
        )


def _check_expected(bundle: Bundle, folder: Path) -> None:
    path = _required(folder / "expected_output.json")
    try:
        expected = np.array(json.loads(path.read_text(encoding="utf-8"))["output"], dtype=float)
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"malformed: {error}", path=path) from error
    found = bundle._expected()
    if expected.shape != found.shape or not np.allclose(
        expected, found, atol=_TOLERANCE, rtol=1e-3
    ):
        raise BundleError(
            "the model does not give its expected output: weights or code have changed",
            path=folder,
            remedy="Fetch the bundle again, or use the version of medts named in provenance.json",
        )
