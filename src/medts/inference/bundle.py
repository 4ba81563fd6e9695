"""Bundle: encoder and head as one network, with everything that its predictions depend on.

`Bundle.save` writes a folder, `load_bundle` reads it; the layout is that of
`medts.inference.folder`. Weights are never pickled. The label set is an argument of every method,
never a state of the model, so one bundle serves several threads.

Axes: B windows in the batch, K classes, D embedding width.
"""

import copy
import hashlib
import shutil
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save, save_file
from torch import Tensor, nn

from medts.core.errors import BundleError, ConfigError
from medts.core.labels import LabelSet
from medts.data.windows import collate
from medts.inference.card import write_card
from medts.inference.folder import (
    CARD,
    MANIFEST,
    check_expected,
    file_of,
    find_bundle,
    read_manifest,
    requirements_of,
    seeded_windows,
    sha256_of,
    write_expected,
)
from medts.inference.manifest import (
    Artifact,
    Labels,
    Manifest,
    ModelConfig,
    Provenance,
    channels_of,
    digest_of,
)
from medts.models.base import Encoder
from medts.models.heads import BaseHead, Head, build_head
from medts.models.matching_head import MatchingHead, read_texts, texts_of
from medts.models.settings.heads import HeadConfig
from medts.signal.preprocess import Preprocessing
from medts.tensors.batch import Batch, Encoded, move_to

WEIGHTS = "model.safetensors"


class Bundle(nn.Module):
    """A model with everything that its predictions depend on.

    Args:
        config: Encoder, head and windows.
        preprocessing: How a recording must look.
        labels: Label sets and operating points.
        provenance: Where the weights come from.
    """

    head: BaseHead | None

    def __init__(
        self,
        config: ModelConfig,
        *,
        preprocessing: Preprocessing,
        labels: Labels,
        provenance: Provenance,
    ) -> None:
        super().__init__()
        if (config.head is None) != (labels.label_set is None):
            raise BundleError("a head needs a label set, and a label set a head")
        self.config, self.preprocessing = config, preprocessing
        self.labels, self.provenance = labels, provenance
        self.encoder: Encoder = config.encoder.build()
        self.head = self._build_head()
        self.eval()

    def _build_head(self) -> BaseHead | None:
        config, label_set = self.config.head, self.labels.label_set
        if config is None or label_set is None:
            return None
        if isinstance(config, HeadConfig):
            return build_head(config, dim=self.encoder.dim, label_set=label_set)
        if self.config.text is None:
            raise BundleError("a matching head needs its language model", field="text")
        texts = texts_of(self.label_sets.values())
        return MatchingHead(
            config, dim=self.encoder.dim, text_dim=self.config.text.dim, texts=texts
        )

    @property
    def label_sets(self) -> dict[str, LabelSet]:
        """Every label set that the model was trained on, by name; the first one leads."""
        return self.labels.label_sets

    @property
    def label_set(self) -> LabelSet:
        """The leading label set.

        Raises:
            BundleError: If the model has no head.
        """
        return self.labels.resolve()

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        first = next(chain(self.parameters(), self.buffers()), None)
        return torch.device("cpu") if first is None else first.device

    def resolve(self, label_set: str | LabelSet | None = None) -> LabelSet:
        """Returns the label set that is meant, ready to be predicted.

        A matching head also takes one that it was never trained on (zero-shot); its texts are then
        embedded once and kept.

        Args:
            label_set: Name of one that it was trained on, any label set as a value, or None for
                the leading one.

        Raises:
            BundleError: If the model has no head.
            UnknownNameError: If it was not trained on one of that name.
            ConfigError: If its classes are fixed and others, or its language model is needed and
                cannot be loaded or has changed.
        """
        found = self.labels.resolve(label_set)
        if isinstance(self.head, MatchingHead):
            missing = self.head.missing(found)
            if missing:
                self._learn(self.head, missing)
        elif isinstance(self.head, Head):
            self.head.check(found)
        return found

    def _learn(self, head: MatchingHead, texts: list[str]) -> None:
        read, expected = read_texts(head.config, texts), self.config.text
        assert expected is not None
        if read.digest != expected.digest:
            raise ConfigError(
                f"language model {expected.name!r} has other weights than in training "
                f"({read.digest[:12]}…, not {expected.digest[:12]}…)",
                remedy="Use the one that the model was trained with",
            )
        head.learn(texts, read.vectors)

    def thresholds(self, label_set: str | LabelSet | None = None) -> dict[str, float]:
        """Returns the operating point of each class; none for sets that it was not trained on."""
        return self.labels.thresholds(self.labels.resolve(label_set))

    def prevalence(self, label_set: str | LabelSet | None = None) -> dict[str, float]:
        """Returns the share of training records of each class; none where unknown."""
        return self.provenance.shares_of(self.labels.resolve(label_set), self.labels)

    def prior(self, label_set: str | LabelSet | None = None) -> Float[Tensor, "D_text"] | None:
        """Returns the vector of the dataset's description, where the encoder takes a prior."""
        if not (isinstance(self.head, MatchingHead) and self.encoder.takes_prior):
            return None
        return self.head.prior(self.resolve(label_set))

    def with_preprocessing(self, preprocessing: Preprocessing) -> "Bundle":
        """Returns the same network, weights shared, behind another preprocessing."""
        other = self._twin()
        other.preprocessing = preprocessing
        return other

    def with_encoder(self, encoder: Encoder) -> "Bundle":
        """Returns the same head behind another encoder, such as one wrapped around ours."""
        other = self._twin()
        other.encoder = encoder
        return other

    def _twin(self) -> "Bundle":
        """Returns a shallow copy, of which a part can be replaced without touching this one."""
        other = copy.copy(self)
        other._modules = dict(self._modules)
        return other

    def forward(self, batch: Batch, label_set: str | LabelSet | None = None) -> Tensor:
        """Returns logits, differentiably; see `logits`.

        Raises:
            BundleError: If the model has no head.
        """
        found = self.resolve(label_set)
        assert self.head is not None, "a label set was resolved"
        batch = move_to(batch, self.device)
        return self.head.logits(self.head.encode(self.encoder, batch, found), found)

    @torch.inference_mode()
    def encode(self, batch: Batch, label_set: str | LabelSet | None = None) -> Encoded:
        """Runs the encoder alone, wherever the batch lies."""
        batch, prior = move_to(batch, self.device), self.prior(label_set)
        return self.encoder(batch) if prior is None else self.encoder(batch, prior=prior)

    @torch.inference_mode()
    def logits(self, batch: Batch, label_set: str | LabelSet | None = None) -> Float[Tensor, "B K"]:
        """Runs encoder and head, wherever the batch lies.

        Raises:
            BundleError: If the model has no head.
        """
        return self(batch, label_set)

    def weights(self) -> dict[str, Tensor]:
        """Returns weights by name, ready for safetensors."""
        return {
            name: value.detach().cpu().contiguous() for name, value in self.state_dict().items()
        }

    def digest(self) -> str:
        """Returns the digest that the bundle has on disk; see `Manifest.digest`."""
        weights = hashlib.sha256(save(self.weights())).hexdigest()
        return digest_of(weights, self.config, self.preprocessing, self.labels)

    def manifest(self) -> Manifest:
        """Returns everything but the weights."""
        return Manifest(
            model=self.config,
            preprocessing=self.preprocessing,
            channels=channels_of(self.preprocessing),
            labels=self.labels,
            seen=self.provenance.seen,
            requires=requirements_of(self.config.encoder, self.provenance),
            provenance=self.provenance.but(seen=()),
        )

    def save(self, folder: str | Path) -> Path:
        """Writes the bundle beside ``folder`` and puts it in its place once it is whole."""
        folder = Path(folder)
        temporary = folder.with_name(f".{folder.name}.tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        save_file(self.weights(), temporary / WEIGHTS)
        weights = Artifact(file=WEIGHTS, sha256=sha256_of(temporary / WEIGHTS))
        manifest = self.manifest().but(artifacts={"safetensors": weights})
        (temporary / MANIFEST).write_text(manifest.model_dump_json(indent=1), encoding="utf-8")
        write_expected(temporary, self.seeded_output())
        write_card(temporary / CARD, manifest)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
        return folder

    def seeded_output(self) -> Float[np.ndarray, "B K"]:
        """Returns the output for the seeded windows: logits, or embeddings without a head."""
        windows = seeded_windows(self.preprocessing, self.config.windowing)
        batch = collate(windows, self.preprocessing)
        output = self.encode(batch).pooled if self.head is None else self.logits(batch)
        return output.float().cpu().numpy()


def load_bundle(path: str | Path) -> Bundle:
    """Loads a bundle, or the bundle of a run folder, on the CPU, and checks its output.

    Raises:
        UnknownNameError: If no bundle of that name is shipped.
        BundleError: If a file is missing, malformed or altered, weights do not fit, the version is
            another, or the model no longer gives its expected output.
    """
    folder = find_bundle(path)
    manifest = read_manifest(folder)
    bundle = Bundle(
        manifest.model,
        preprocessing=manifest.preprocessing,
        labels=manifest.labels,
        provenance=manifest.provenance.but(seen=manifest.seen),
    )
    file = file_of(folder, manifest, "safetensors")
    try:
        weights = load_file(file)
    except SafetensorError as error:
        raise BundleError(f"malformed: {error}", path=file) from error
    wanted = bundle.state_dict()
    if weights.keys() != wanted.keys() or any(
        weights[name].shape != wanted[name].shape for name in wanted
    ):
        differing = sorted(weights.keys() ^ wanted.keys()) or ["a shape"]
        raise BundleError(
            f"weights do not fit the settings: {', '.join(differing[:3])}",
            path=file,
        )
    bundle.load_state_dict(weights)
    check_expected(folder, bundle.seeded_output())
    return bundle
