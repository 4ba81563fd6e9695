"""Folders of bundles: found by path or by name, read and checked; without torch.

A string with a separator, or that begins with ``./`` or ``/``, is a path; any other is the name of
a bundle that comes with this package or with another one. The folder of a run stands for the bundle
in it. Layout of a bundle::

    manifest.json           everything but weights: see `medts.inference.manifest`
    model.safetensors       weights for torch        ⎫ either
    model.onnx              graph for onnxruntime    ⎭ may be absent
    expected_output.json    output for a seeded input; checked on loading
    README.md               card for the reader
"""

import hashlib
import json
import os
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import ValidationError

from medts.core.errors import BundleError, MedtsError, unknown_name
from medts.core.registry import add_plugins, in_words, package_of
from medts.data.windowing import Example, Windowing, WindowStream
from medts.inference.manifest import FORMAT_VERSION, Manifest, Provenance, Requirement
from medts.models.settings.base import EncoderSettings
from medts.objectives.settings.base import ObjectiveSettings
from medts.signal.preprocess import PREPROCESSING_VERSION, Preprocessing

MANIFEST = "manifest.json"
CARD = "README.md"
EXPECTED = "expected_output.json"

_TOLERANCE = 1e-3
_REGISTRIES = {"encoder": EncoderSettings, "objective": ObjectiveSettings}


def shipped_bundles() -> dict[str, Path]:
    """Returns the bundles that come with this package, or with others by ``medts.bundles``."""
    home = Path(str(files("medts"))) / "bundles"
    own = {folder.parent.name: folder.parent for folder in sorted(home.glob(f"*/{MANIFEST}"))}
    return {name: Path(path) for name, path in add_plugins("medts.bundles", own).found.items()}


def is_name(text: str | Path) -> bool:
    """Whether a string is the name of a shipped bundle, rather than a path."""
    if isinstance(text, Path):
        return False
    return text not in ("", ".", "..") and not any(sep in text for sep in {"/", "\\", os.sep})


def find_bundle(path: str | Path) -> Path:
    """Returns the folder of a bundle, given it, the run that made it, or its name.

    Raises:
        UnknownNameError: If no bundle of that name is shipped.
        BundleError: If there is none, or one of an earlier format.
    """
    if isinstance(path, str) and is_name(path):
        known = shipped_bundles()
        if path not in known:
            error = unknown_name("bundle", path, known)
            if Path(path).exists():
                remedy = f"Write ./{path} for the folder of that name. {error.remedy}"
                raise BundleError(error.problem, remedy=remedy)
            raise error
        return known[path]
    path = Path(path)
    for folder in (path, path / "bundle"):
        if (folder / MANIFEST).is_file():
            return folder
    for folder in (path, path / "bundle"):
        if (folder / "preprocessor_config.json").is_file():
            raise BundleError(
                f"a bundle of format 1, not {FORMAT_VERSION}",
                path=folder,
                remedy="Train it again, or use the version of medts named in its provenance.json",
            )
    if (path / "run.json").is_file():
        remedy = "The run has not ended; give the same `medts train` command again"
    else:
        remedy = "Give a bundle, or the run folder that `medts train` wrote"
    raise BundleError("no bundle here", path=path, remedy=remedy)


def is_bundle(path: Path) -> bool:
    """Whether a folder, or one named ``bundle`` in it, looks like a bundle of any format."""
    marks = (MANIFEST, "preprocessor_config.json")
    return any((folder / mark).is_file() for folder in (path, path / "bundle") for mark in marks)


def holds_bundle(path: str | Path) -> bool:
    """Whether a folder is a bundle, or that of a run which has ended in one."""
    return any((folder / MANIFEST).is_file() for folder in (Path(path), Path(path) / "bundle"))


def read_manifest(path: str | Path) -> Manifest:
    """Returns the manifest of a bundle.

    Raises:
        BundleError: If it is malformed, of another version, or needs a package that is missing.
    """
    file = find_bundle(path) / MANIFEST
    content = _read_json(file)
    if not isinstance(content, dict):
        raise BundleError("malformed: no table of keys", path=file)
    if content.get("format_version") != FORMAT_VERSION:
        raise BundleError(
            f"version {content.get('format_version')} is not {FORMAT_VERSION}",
            path=file,
            field="format_version",
            remedy="Use the version of medts that wrote it, named under provenance",
        )
    _check_preprocessing(content.get("preprocessing"), file)
    try:
        for each in content.get("requires", ()):
            _check_requirement(Requirement.model_validate(each), file)
        return Manifest.model_validate(content)
    except ValidationError as error:
        raise BundleError(f"malformed: {in_words(error)}", path=file) from error


def bundle_digest(path: str | Path) -> str:
    """Returns the SHA-256 over weights, settings and labels of a bundle on disk."""
    return read_manifest(path).digest


def requirements_of(encoder: EncoderSettings, provenance: Provenance) -> tuple[Requirement, ...]:
    """Lists the packages of others that provide the encoder or the objective of a model."""
    used: list[tuple[Literal["encoder", "objective"], type]] = [("encoder", type(encoder))]
    recipe = provenance.settings.get("recipe")
    objective = recipe.get("objective") if isinstance(recipe, dict) else None
    kind = objective.get("kind") if isinstance(objective, dict) else None
    if kind in ObjectiveSettings.registry():
        used.append(("objective", ObjectiveSettings.registry()[kind]))
    found = []
    for noun, settings in used:
        package = package_of(settings)
        if package != "medts":
            kind = settings.model_fields["kind"].default
            found.append(
                Requirement(package=package, version=_version(package), noun=noun, kind=kind)
            )
    return tuple(found)


def file_of(folder: Path, manifest: Manifest, kind: Literal["safetensors", "onnx"]) -> Path:
    """Returns a file with weights, checked by its SHA-256 in the manifest.

    Raises:
        BundleError: If it is missing or has changed.
    """
    artifact = manifest.artifacts.get(kind)
    if artifact is None:
        raise BundleError(f"this bundle holds no {kind} weights", path=folder)
    path = required(folder / artifact.file)
    if sha256_of(path) != artifact.sha256:
        raise BundleError(
            "has changed since the bundle was written",
            path=path,
            remedy="Fetch the bundle again",
        )
    return path


def has_file(folder: Path, manifest: Manifest, kind: Literal["safetensors", "onnx"]) -> bool:
    """Whether weights of a kind are there."""
    artifact = manifest.artifacts.get(kind)
    return artifact is not None and (folder / artifact.file).is_file()


def sha256_of(path: Path) -> str:
    """Returns the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def required(path: Path) -> Path:
    """Returns the path of a file that a bundle must hold.

    Raises:
        BundleError: If it is missing.
    """
    if not path.is_file():
        raise BundleError("file is missing", path=path, remedy="Copy the whole bundle folder")
    return path


def seeded_windows(
    config: Preprocessing, windowing: Windowing, n_windows: int = 2
) -> list[Example]:
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
                is_recorded=np.ones(noise.shape, dtype=bool),
            )
        examples.append(Example(streams, record_id=f"noise/{index}", subject_id=f"noise/{index}"))
    return examples


def write_expected(folder: Path, output: Float[np.ndarray, "B K"]) -> None:
    """Writes the output for the seeded windows."""
    content = json.dumps({"seed": 0, "output": output.tolist()})
    (folder / EXPECTED).write_text(content, encoding="utf-8")


def check_expected(folder: Path, found: Float[np.ndarray, "B K"]) -> None:
    """Compares the output for the seeded windows with that which was written.

    Raises:
        BundleError: If it differs.
    """
    path = required(folder / EXPECTED)
    try:
        expected = np.array(_read_json(path)["output"], dtype=float)
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, MedtsError):
            raise
        raise BundleError(f"malformed: {error}", path=path) from error
    if expected.shape != found.shape or not np.allclose(
        expected, found, atol=_TOLERANCE, rtol=1e-3
    ):
        raise BundleError(
            "the model does not give its expected output: weights or code have changed",
            path=folder,
            remedy="Fetch the bundle again, or use the version of medts named in its manifest",
        )


def _check_preprocessing(content: Any, file: Path) -> None:
    version = content.get("version") if isinstance(content, dict) else None
    if version != PREPROCESSING_VERSION:
        raise BundleError(
            f"preprocessing of version {version} is not of version {PREPROCESSING_VERSION}, which "
            "gives a model other numbers",
            path=file,
            field="preprocessing",
            remedy="Train the model again, or use the version of medts that wrote it",
        )


def _check_requirement(needed: Requirement, file: Path) -> None:
    registry = _REGISTRIES[needed.noun].registry()
    if needed.kind not in registry:
        which = f"{needed.package} {needed.version}".strip()
        raise BundleError(
            f"its {needed.noun} {needed.kind!r} comes from another package, {which}, which is not "
            "installed or cannot be imported",
            path=file,
            field="requires",
            remedy=f"pip install {needed.package}",
        )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _read_json(path: Path) -> Any:
    try:
        return json.loads(required(path).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BundleError(f"malformed: {error}", path=path) from error
