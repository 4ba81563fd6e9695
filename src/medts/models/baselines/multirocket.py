"""MultiRocket: MiniRocket's kernels on a window and on its differences, each pooled four ways.

Tan, Dempster, Bergmeir and Webb (Data Mining and Knowledge Discovery 2022, arXiv:2102.00457), in
the implementation of aeon. Beside the share of values above a bias it keeps their mean, their mean
place and their longest stretch. As with MiniRocket nothing is trained by gradient, so this is no
`Encoder` but features to put before a linear classifier.

Axes: n windows, C channels, T samples in time, F features.
"""

from typing import ClassVar

import numpy as np
from jaxtyping import Float

from medts.core.errors import MedtsError
from medts.models.baselines.minirocket import N_BASE_KERNELS, MiniRocketFeatures, build_aeon

_FEATURES_PER_KERNEL = 2 * 4


class MultiRocketFeatures(MiniRocketFeatures):
    """Fits and transforms windows of one length, as `MiniRocketFeatures` does.

    The first calls compile aeon's loops, which takes about a minute; they are kept on disk. The
    same windows and seed give the same features. They are shares, values, places in samples and
    lengths, of very different sizes: scale them before a linear classifier. Biases come from the
    windows given to `fit`, so these must be of the training split alone.

    >>> rocket = MultiRocketFeatures(n_features=2_000).fit(training)  # doctest: +SKIP
    >>> rocket.transform(test).shape  # doctest: +SKIP
    (267, 1344)

    Args:
        n_features: Features wanted, about 50,000 in the paper; rounded down to a multiple of 672,
            which is 84 kernels on two series with four features each.
        seed: Of the sampled channels and of the windows whose values become biases.
        n_jobs: Threads of `transform`.

    Raises:
        MedtsError: If fewer than 672 features are wanted, or aeon is not installed.
    """

    shortest: ClassVar[int] = 10

    def __init__(self, n_features: int = 50_000, *, seed: int = 0, n_jobs: int = 1) -> None:
        fewest = N_BASE_KERNELS * _FEATURES_PER_KERNEL
        if n_features < fewest:
            raise MedtsError(
                f"{n_features} is fewer than {fewest}: 84 kernels, two series, four features",
                field="n_features",
            )
        self.n_features, self.seed, self.n_jobs = n_features, seed, n_jobs
        self._transformer = build_aeon(
            "MultiRocket",
            n_kernels=n_features // _FEATURES_PER_KERNEL,
            n_jobs=n_jobs,
            random_state=seed,
        )
        self._shape: tuple[int, int] | None = None

    def fit(self, signals: Float[np.ndarray, "n C T"]) -> "MultiRocketFeatures":
        """Samples channels and takes biases from training windows.

        Raises:
            MedtsError: If there is a single window, windows are shorter than 10 samples, or a
                value is not finite.
        """
        if len(signals) < 2:
            raise MedtsError(f"{len(signals)} windows are too few to fit", field="signals")
        state = np.random.get_state()  # noqa: NPY002 - aeon seeds numpy's global generator
        try:
            super().fit(signals)
        finally:
            np.random.set_state(state)  # noqa: NPY002
        return self
