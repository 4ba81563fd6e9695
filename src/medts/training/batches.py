"""Reproducible, resumable dataloader: the order of batches depends on the seed alone.

A `DataLoader` leaves both the order and what is random in preparing an example to whichever
process comes first. Here the order of an epoch is fixed before it starts, and every batch is
prepared under a seed of its own: worker processes, a resume in the middle of an epoch, and how
often validation was run in between change nothing.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from medts.core.errors import ConfigError, MedtsError
from medts.training.randomness import seed_of, seeded


class Planned(NamedTuple):
    """The examples of one batch, and the seed under which they are prepared."""

    seed: int
    indices: Sequence[Any]


class Batches:
    """Batches by epoch, of the examples, the sampler and the workers of a `DataLoader`.

    Args:
        loader: Over a dataset with indices, in batches.
        seed: Of the order and of what is random in the examples.

    Raises:
        ConfigError: If the loader reads a stream of examples, which has no order to repeat.
    """

    def __init__(self, loader: DataLoader, *, seed: int) -> None:
        if loader.batch_sampler is None:
            raise ConfigError(
                "a loader without batches of indices cannot be continued after an interruption",
                field="training",
                remedy="Give a DataLoader over a dataset with __getitem__, and a batch_size",
            )
        self.seed, self._sampler = seed, loader.batch_sampler
        self._passes, self._epoch = 0, -1
        self._batches: list[Sequence[Any]] = []
        self._plan = _Plan()
        for each in _generators(loader):
            each.manual_seed(each.initial_seed())
        self.loader = DataLoader(
            _Seeded(loader.dataset),
            batch_sampler=self._plan,  # pyright: ignore[reportArgumentType] - yields `Planned`
            collate_fn=_Collate(loader.collate_fn),
            num_workers=loader.num_workers,
            pin_memory=loader.pin_memory,
            timeout=loader.timeout,
            worker_init_fn=loader.worker_init_fn,
            multiprocessing_context=loader.multiprocessing_context,
            generator=torch.Generator().manual_seed(seed_of(seed, "workers")),
            prefetch_factor=loader.prefetch_factor,
            persistent_workers=loader.persistent_workers,
        )

    def __len__(self) -> int:
        return len(self._sampler)  # pyright: ignore[reportArgumentType]

    def epoch(self, number: int, *, first: int = 0) -> Iterator[Any]:
        """Yields the batches of an epoch, from the one with index ``first`` on.

        Raises:
            MedtsError: What was wrong with an example, as if it had been read here.
        """
        batches = self._order(number)
        self._plan.batches = [
            Planned(seed_of(self.seed, "batch", number, index), batches[index])
            for index in range(first, len(batches))
        ]
        for batch in self.loader:
            if isinstance(batch, MedtsError):
                raise batch
            yield batch

    def _order(self, number: int) -> list[Sequence[Any]]:
        """Returns the batches of an epoch; a sampler with a memory is taken through those before.

        That one may be of any kind, so its state cannot be saved; but it costs little to repeat.
        """
        assert number == self._epoch or number >= self._passes
        if number != self._epoch:
            for each in range(self._passes, number + 1):
                with seeded(seed_of(self.seed, "order", each)):
                    self._batches = list(self._sampler)
            self._passes, self._epoch = number + 1, number
        return self._batches


class _Plan(Sampler[Planned]):
    """The batches of the epoch at hand."""

    def __init__(self) -> None:
        self.batches: list[Planned] = []

    def __iter__(self) -> Iterator[Planned]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class _Seeded(Dataset[Any]):
    """Prepares all examples of a batch under its seed, in this process or in a worker."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __getitems__(self, planned: Planned) -> Any:
        try:
            with seeded(planned.seed):
                if hasattr(self.dataset, "__getitems__"):
                    return self.dataset.__getitems__(planned.indices)
                return [self.dataset[index] for index in planned.indices]
        except MedtsError as error:  # torch would wrap a traceback of the worker around it
            return error


class _Collate:
    """Makes a batch of examples; hands on what was wrong with one."""

    def __init__(self, collate: Any) -> None:
        self.collate = collate

    def __call__(self, examples: Any) -> Any:
        if isinstance(examples, MedtsError):
            return examples
        try:
            return self.collate(examples)
        except MedtsError as error:
            return error


def _generators(loader: DataLoader) -> list[torch.Generator]:
    """Returns every generator that a loader and its samplers use, each once."""
    batch_sampler = loader.batch_sampler
    holders = (loader, loader.sampler, batch_sampler, getattr(batch_sampler, "sampler", None))
    found = [getattr(each, "generator", None) for each in holders]
    return list({id(each): each for each in found if isinstance(each, torch.Generator)}.values())
