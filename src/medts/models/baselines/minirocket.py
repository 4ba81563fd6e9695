"""MiniRocket: ten thousand fixed kernels, proportion of positive values (PPV) of each.

Dempster, Schmidt and Webb (KDD 2021, arXiv:2012.08791), in the implementation of aeon. Nothing is
trained by gradient: `fit` samples channels and takes biases as quantiles from training windows, and
a linear classifier does the rest. So this is no `Encoder` but features to put before a logistic
regression.

Axes: n windows, C channels, T samples in time, F features.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float

from medts.core.errors import MedtsError

N_BASE_KERNELS = 84


class MiniRocketFeatures:
    """Fits and transforms windows of one length, as transformers of scikit-learn do.

    The first calls compile aeon's loops, which takes about a minute; they are kept on disk.
    Features are shares between 0 and 1, and the same windows and seed give the same ones. Biases
    come from the windows given to `fit`, so these must be of the training split alone.

    >>> rocket = MiniRocketFeatures(n_features=2_000).fit(training)  # doctest: +SKIP
    >>> rocket.transform(test).shape  # doctest: +SKIP
    (267, 1932)

    Args:
        n_features: Features wanted; rounded down to a multiple of 84, the number of kernels.
        seed: Of the sampled channels and of the windows whose values become biases.
        n_jobs: Threads of `transform`.

    Raises:
        MedtsError: If fewer than 84 features are wanted, or aeon is not installed.
    """

    shortest: ClassVar[int] = 9
    """Samples of the shortest window that the kernels fit into."""

    def __init__(self, n_features: int = 10_000, *, seed: int = 0, n_jobs: int = 1) -> None:
        if n_features < N_BASE_KERNELS:
            raise MedtsError(
                f"{n_features} is fewer than {N_BASE_KERNELS}, the number of kernels",
                field="n_features",
            )
        self.n_features, self.seed, self.n_jobs = n_features, seed, n_jobs
        self._transformer = build_aeon(
            "MiniRocket", n_kernels=n_features, n_jobs=n_jobs, random_state=seed
        )
        self._shape: tuple[int, int] | None = None

    def fit(self, signals: Float[np.ndarray, "n C T"]) -> "MiniRocketFeatures":
        """Samples channels and takes biases from training windows.

        Raises:
            MedtsError: If windows are shorter than 9 samples, or a value is not finite.
        """
        check_windows(signals, shortest=self.shortest)
        with _threads_kept():
            self._transformer.fit(signals)
        self._shape = signals.shape[1:]
        return self

    def transform(self, signals: Float[np.ndarray, "n C T"]) -> Float[np.ndarray, "n F"]:
        """Returns the features of windows like those that were fitted.

        Raises:
            MedtsError: If nothing was fitted yet, channels or length differ, or a value is not
                finite.
        """
        if self._shape is None:
            raise MedtsError("nothing is fitted yet", remedy="Call fit with training windows")
        if signals.shape[1:] != self._shape:
            raise MedtsError(
                f"windows are {signals.shape[1:]} channels by samples, fitted were {self._shape}",
                field="signals",
            )
        check_windows(signals, shortest=self.shortest)
        with _threads_kept():
            features = self._transformer.transform(signals)
        return np.asarray(features, dtype=np.float32)


@contextmanager
def _threads_kept() -> Iterator[None]:
    """Gives PyTorch back its number of threads: aeon's loops set it for all of OpenMP."""
    n_threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


def build_aeon(name: str, **settings: Any) -> Any:
    """Returns one of aeon's convolutional transformers.

    Raises:
        MedtsError: If aeon is not installed.
    """
    try:
        module = import_module("aeon.transformations.collection.convolution_based")
    except ImportError as error:
        raise MedtsError(
            f"{name} needs the package aeon", remedy="Run: pip install medts[bench]"
        ) from error
    return getattr(module, name)(**settings)


def check_windows(signals: Float[np.ndarray, "n C T"], *, shortest: int) -> None:
    """Makes sure that kernels fit into the windows and every value is a number.

    Raises:
        MedtsError: If windows are shorter than ``shortest`` samples, or a value is not finite.
    """
    if signals.shape[2] < shortest:
        raise MedtsError(
            f"windows of {signals.shape[2]} samples are shorter than the kernels, {shortest}",
            field="signals",
        )
    if not np.isfinite(signals).all():
        raise MedtsError(
            "a value is not finite",
            field="signals",
            remedy="Preprocess first: what is absent is zero there",
        )
