"""Multi-dataset training: batches that belong to one label set each, with tempered sampling.

Label sets differ in their classes and datasets in length and channels, so a batch is always taken
from one dataset. A dataset of n windows is sampled in proportion to ``n ** (1 - balance)``; within
it, windows come in passes without repetition, each of which leaves out the few that fill no batch.

Axes: n windows.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Dataset, Sampler

from medts.core.errors import ConfigError
from medts.core.labels import LabelSet
from medts.data.windowing import Example
from medts.data.windows import WindowDataset, collate
from medts.signal.preprocess import Preprocessing
from medts.tensors.batch import Batch


class Mixture(Dataset[tuple[int, Example]]):
    """Windows of several datasets, each with the number of its dataset.

    Args:
        datasets: One per label set.
    """

    def __init__(self, datasets: Sequence[WindowDataset]) -> None:
        self.datasets = list(datasets)
        self._ends = np.cumsum([len(each) for each in self.datasets])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> tuple[int, Example]:
        number = int(np.searchsorted(self._ends, index, side="right"))
        return number, self.datasets[number][index - self.first(number)]

    def first(self, number: int) -> int:
        """Returns the index of the first window of a dataset."""
        return 0 if number == 0 else int(self._ends[number - 1])


class BatchesOfOneSet(Sampler[list[int]]):
    """Batch sampler: for each batch a dataset, then its windows; as many as all windows fill.

    Args:
        mixture: The datasets.
        batch_size: Windows per batch; a smaller dataset gives all it has.
        balance: 0 samples datasets by their size, 1 all equally often.
        seed: Every pass goes on with the same generator.
    """

    def __init__(
        self, mixture: Mixture, *, batch_size: int, balance: float = 0.5, seed: int = 0
    ) -> None:
        self.mixture, self.batch_size = mixture, batch_size
        size = np.array([len(each) for each in mixture.datasets], dtype=np.float64)
        self.share = size ** (1 - balance) / (size ** (1 - balance)).sum()
        self._generator = np.random.default_rng(seed)
        self._waiting = [np.empty(0, np.int64) for _ in size]

    def __len__(self) -> int:
        return max(1, len(self.mixture) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        for number in self._generator.choice(len(self.share), size=len(self), p=self.share):
            yield self._take(int(number))

    def _take(self, number: int) -> list[int]:
        n_windows = len(self.mixture.datasets[number])
        wanted = min(self.batch_size, n_windows)
        waiting = self._waiting[number]
        if len(waiting) < wanted:
            waiting = self._generator.permutation(n_windows)
        self._waiting[number] = waiting[wanted:]
        return (self.mixture.first(number) + waiting[:wanted]).tolist()


class EveryWindowOnce(Sampler[list[int]]):
    """All windows in their order, in batches that end where a dataset does."""

    def __init__(self, mixture: Mixture, *, batch_size: int) -> None:
        self._batches = [
            list(range(start, min(start + batch_size, end)))
            for number, each in enumerate(mixture.datasets)
            for end in [mixture.first(number) + len(each)]
            for start in range(mixture.first(number), end, batch_size)
        ]

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self._batches)


def collate_one_set(
    items: Sequence[tuple[int, Example]],
    config: Preprocessing,
    label_sets: Sequence[LabelSet],
) -> Batch:
    """Puts windows of one dataset into a batch of its label set."""
    numbers = sorted({number for number, _ in items})
    if len(numbers) != 1:
        names = ", ".join(label_sets[number].name for number in numbers)
        problem = f"one batch holds windows of {len(numbers)} label sets: {names}"
        remedy = "Sample batches with BatchesOfOneSet"
        raise ConfigError(problem, field="label_set", remedy=remedy)
    return collate([example for _, example in items], config, label_sets[numbers[0]])
