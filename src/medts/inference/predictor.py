"""Inference on recordings, the same through Python, command line and streams.

Nothing here imports torch: a bundle that holds an ONNX graph predicts through onnxruntime. Where
torch weights are there and torch is installed, `medts.inference.torch_backend` computes instead.
Both get the same windows and both are averaged, calibrated and compared with thresholds here.

Axes: R records, W windows, K classes or numbers, D embedding width.
"""

import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from medts.core.answer import Answer, ClassAnswer, ModelFacts, RecordingFacts, StreamFacts, decide
from medts.core.arithmetic import Precision
from medts.core.channels import match_channels
from medts.core.errors import BundleError, ConfigError, NoSignalError
from medts.core.labels import LabelSet
from medts.core.records import Record
from medts.data.windowing import Example, windows_of
from medts.inference.calibrate import record_probability
from medts.inference.card import card_of
from medts.inference.folder import find_bundle, has_file, read_manifest
from medts.inference.manifest import Manifest
from medts.signal.measure import measurements_of
from medts.signal.preprocess import regroup
from medts.signal.quality import judge, not_judged

if TYPE_CHECKING:
    import medts.inference.bundle


@runtime_checkable
class Backend(Protocol):
    """Computes a network on windows."""

    def resolve(self, label_set: str | LabelSet | None) -> LabelSet:
        """Returns the label set that is meant, and refuses one without logits."""
        ...

    def logits(self, windows: Sequence[Example], label_set: LabelSet) -> Float[np.ndarray, "W K"]:
        """Returns one logit per window and class, or one value per window and number."""
        ...

    def pooled(
        self, windows: Sequence[Example], label_set: LabelSet | None
    ) -> Float[np.ndarray, "W D"]:
        """Returns one embedding per window."""
        ...


class Predictor:
    """A loaded model that takes recordings; may be used from several threads.

    >>> model = medts.load("runs/demo")  # doctest: +SKIP
    >>> model.predict("ecg.hea").probability  # doctest: +SKIP
    {'NORM': 0.93, 'MI': 0.02, ...}

    Args:
        manifest: Everything that the model is but its weights.
        backend: Computes the network.
        digest: Of the model.
    """

    def __init__(self, manifest: Manifest, backend: Backend, digest: str) -> None:
        self.manifest, self.backend = manifest, backend
        self.facts = ModelFacts(name=manifest.provenance.recipe, digest=digest)

    @property
    def label_sets(self) -> dict[str, LabelSet]:
        """Every label set that the model was trained on, by name; the first one leads."""
        return self.manifest.labels.label_sets

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes of the leading label set, in the order of arrays."""
        return self.manifest.labels.resolve().classes

    @property
    def card(self) -> str:
        """Model card, as Markdown."""
        return card_of(self.manifest)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Caveats of every prediction."""
        if self.manifest.provenance.synthetic:
            return ("trained on synthetic recordings: says nothing about patients",)
        return ()

    @property
    def bundle(self) -> "medts.inference.bundle.Bundle":
        """The network, for whatever needs torch.

        Raises:
            BundleError: If the model is computed by onnxruntime.
        """
        bundle = getattr(self.backend, "bundle", None)
        if bundle is None:
            raise BundleError(
                "this model is computed by onnxruntime, which has no gradients and no layers",
                remedy="Load a bundle with model.safetensors where torch is installed",
            )
        return bundle

    def predict(
        self,
        recording: Record | str | Path,
        label_set: str | LabelSet | None = None,
        **hints: Any,
    ) -> Answer:
        """Returns the prediction for one recording; none of one that cannot be judged.

        That is one in which every channel that the model reads is empty, covers less than half a
        window, or swings as no body does; `Answer.not_judged` has the reason.

        Args:
            recording: A record, or a file in any known format.
            label_set: The leading one if none. A model with a matching head also
                takes one that it was never trained on (zero-shot): its scores then rank
                recordings, and state nothing of a ``multi`` set.
            hints: What the file lacks, as for `medts.read`.

        Raises:
            MedtsError: If the file cannot be read or lacks what the model reads, or the model has
                no logits for the label set.
        """
        found = self.backend.resolve(label_set)
        record = self._record(recording, hints)
        windows, quality, unread = self._windows(record), judge(record), self._unreadable(record)
        classes = {name: ClassAnswer(unit=found.units.get(name)) for name in found.classes}
        if not unread:
            by_class = dict(zip(found.classes, self._scores(windows, found).tolist(), strict=True))
            classes = decide(by_class, found, self.manifest.labels.thresholds(found))
        return Answer(
            record_id=record.record_id,
            label_set=found.name,
            classes=classes,
            not_judged=(*unread, *self._not_judged(found), *quality.words_not_judged()),
            warnings=(*self.warnings, *quality.warnings()),
            is_usable=quality.is_usable,
            quality=quality.channels,
            measurements=measurements_of(record, quality),
            recording=facts_of(record, windows, self.manifest),
            model=self.facts,
        )

    def predict_many(
        self,
        recordings: Iterable[Record | str | Path],
        label_set: str | LabelSet | None = None,
        **hints: Any,
    ) -> list[Answer]:
        """Returns the prediction for each of several recordings; see `predict`."""
        return [self.predict(recording, label_set, **hints) for recording in recordings]

    def predict_proba(
        self,
        recordings: Iterable[Record | str | Path],
        label_set: str | LabelSet | None = None,
        **hints: Any,
    ) -> Float[np.ndarray, "R K"]:
        """Returns one row of probabilities per recording.

        Raises:
            ConfigError: If the label set is one of numbers.
        """
        return self._rows(recordings, label_set, hints, has_numbers=False)

    def predict_values(
        self,
        recordings: Iterable[Record | str | Path],
        label_set: str | LabelSet | None = None,
        **hints: Any,
    ) -> Float[np.ndarray, "R K"]:
        """Returns one row of predicted numbers per recording, in physical units (regression).

        Raises:
            ConfigError: If the label set is one of classes.
        """
        return self._rows(recordings, label_set, hints, has_numbers=True)

    def _rows(
        self,
        recordings: Iterable[Record | str | Path],
        label_set: str | LabelSet | None,
        hints: Mapping[str, Any],
        *,
        has_numbers: bool,
    ) -> Float[np.ndarray, "R K"]:
        found = self.backend.resolve(label_set)
        if found.has_numbers != has_numbers:
            kinds = ("classes", "numbers") if has_numbers else ("numbers", "classes")
            raise ConfigError(
                f"{found.name} has {kinds[0]}, not {kinds[1]}",
                field="label_set",
                remedy=f"Use {'predict_proba' if has_numbers else 'predict_values'}",
            )
        windows = (self._windows(self._record(each, hints)) for each in recordings)
        rows = [self._scores(each, found) for each in windows]
        return np.array(rows, dtype=float).reshape(len(rows), len(found))

    def embed(
        self,
        recording: Record | str | Path,
        label_set: str | LabelSet | None = None,
        **hints: Any,
    ) -> Float[np.ndarray, "D"]:
        """Returns the embedding of one recording, the mean over its windows.

        The label set matters only to an encoder that is conditioned on its description.
        """
        found = None if label_set is None else self.backend.resolve(label_set)
        windows = self._windows(self._record(recording, hints))
        return self.backend.pooled(windows, found).mean(axis=0, dtype=np.float64)

    def _scores(self, windows: list[Example], found: LabelSet) -> Float[np.ndarray, "K"]:
        """Returns calibrated probabilities, or numbers, as the mean over windows."""
        calibration = self.manifest.labels.of(found).calibration
        return record_probability(self.backend.logits(windows, found), found, calibration)

    def _not_judged(self, label_set: LabelSet) -> tuple[str, ...]:
        """Lists the classes that the model cannot predict: no training record held them."""
        shares = self.manifest.prevalence(label_set)
        return tuple(
            f"{name}: no training record holds it"
            for name in label_set.classes
            if shares.get(name) == 0
        )

    def _unreadable(self, record: Record) -> tuple[str, ...]:
        """Returns why no channel that the model reads holds anything to judge; else nothing."""
        preprocessing = self.manifest.preprocessing
        shortest_s = self.manifest.model.windowing.window_s / 2
        reasons: dict[str, None] = {}
        for name, stream in regroup(record, preprocessing).streams.items():
            rows = match_channels(preprocessing.streams[name].channels, stream.channels)
            read = stream.pick(tuple(stream.channels[row] for row in rows if row is not None))
            found = not_judged(read, shortest_s=shortest_s)
            if len(found) < len(read.channels):
                return ()
            reasons |= dict.fromkeys(found.values())
        return tuple(f"the recording: {why}" for why in reasons)

    def _record(self, recording: Record | str | Path, hints: Mapping[str, Any]) -> Record:
        from medts.formats import read

        return recording if isinstance(recording, Record) else read(recording, **hints)

    def _windows(self, record: Record) -> list[Example]:
        manifest = self.manifest
        windows = windows_of(record, manifest.preprocessing, manifest.model.windowing)
        if not windows:
            streams = ", ".join(manifest.preprocessing.streams)
            raise NoSignalError(
                f"record {record.record_id!r} holds no sample of {streams}", field="streams"
            )
        return windows


def load(path: str | Path, *, device: str = "auto", precision: Precision = "fp32") -> Predictor:
    """Loads a model ready to predict: a bundle, the folder of a run, or a shipped one by name.

    Args:
        path: Folder, or a name without a separator; write ``./name`` for a folder of that name.
        device: Where torch computes: auto, cpu, gpu, cuda:1 or mps.
        precision: Arithmetic of every prediction; the faster kinds are not exact.

    Raises:
        UnknownNameError: If no bundle of that name is shipped.
        BundleError: If it is incomplete, altered or of another version, or needs torch.
        ConfigError: If the device is not there.
    """
    folder = find_bundle(path)
    manifest = read_manifest(folder)
    if has_file(folder, manifest, "safetensors") and has_torch():
        from medts.inference.torch_backend import load_torch

        return load_torch(folder, device=device, precision=precision)
    if has_file(folder, manifest, "onnx"):
        from medts.inference.onnx_backend import OnnxBackend

        backend = OnnxBackend(folder, manifest, device=device, precision=precision)
        return Predictor(manifest, backend, manifest.digest)
    if has_file(folder, manifest, "safetensors"):
        raise BundleError(
            "this bundle holds weights for torch alone, which is not installed",
            path=folder,
            remedy="pip install 'medts[train]'",
        )
    raise BundleError(
        "no file with weights is here", path=folder, remedy="Copy the whole bundle folder"
    )


def has_torch() -> bool:
    """Whether torch can be imported."""
    try:
        return importlib.util.find_spec("torch") is not None
    except (ImportError, ValueError):  # an import hook, or an entry of None, forbids it
        return False


def facts_of(record: Record, windows: Sequence[Example], manifest: Manifest) -> RecordingFacts:
    """Returns what a recording holds, and which channels of the model's it lacks."""
    specs = manifest.preprocessing.streams
    missing = []
    for name, spec in specs.items():
        present = np.any([each.streams[name].is_recorded.any(axis=1) for each in windows], axis=0)
        missing += [
            channel if len(specs) == 1 else f"{name}/{channel}"
            for channel, is_present in zip(spec.channels, present.tolist(), strict=True)
            if not is_present
        ]
    return RecordingFacts(
        streams={
            name: StreamFacts(
                modality=stream.modality,
                channels=stream.channels,
                sampling_rate=stream.sampling_rate,
                duration_s=stream.duration_s,
            )
            for name, stream in record.streams.items()
        },
        missing_channels=tuple(missing),
    )
