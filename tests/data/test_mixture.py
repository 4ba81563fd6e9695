from collections import Counter
from functools import partial

import pytest
from torch.utils.data import DataLoader

from medts.core.errors import ConfigError
from medts.data.mixture import BatchesOfOneSet, EveryWindowOnce, Mixture, collate_one_set
from medts.data.splits import take_part
from medts.data.windowing import Example, Windowing
from medts.data.windows import PreparedRecords, WindowDataset
from medts.signal.preprocess import Preprocessing

NAMES = ("synthetic/rhythm", "synthetic/morphology")


class Windows(WindowDataset):
    """So many windows, each named by its number."""

    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        return Example({}, record_id=str(index), subject_id="nobody")


@pytest.fixture
def mixture():
    return lambda *sizes: Mixture([Windows(n) for n in sizes])


def sets_of(batches, mixture):
    return [{mixture[index][0] for index in batch} for batch in batches]


def test_every_window_is_found_in_its_dataset(mixture):
    mixed = mixture(3, 1, 2)
    found = [mixed[index] for index in range(len(mixed))]
    assert [(number, example.record_id) for number, example in found] == [
        (0, "0"), (0, "1"), (0, "2"), (1, "0"), (2, "0"), (2, "1"),
    ]  # fmt: skip


def test_a_batch_belongs_to_one_set_and_holds_no_window_twice(mixture):
    mixed = mixture(40, 25)
    batches = list(BatchesOfOneSet(mixed, batch_size=8))
    assert len(batches) == 8
    assert all(len(each) == 1 for each in sets_of(batches, mixed))
    assert all(len(set(batch)) == 8 for batch in batches)


@pytest.mark.parametrize(("balance", "share"), [(0.0, 0.9), (0.5, 0.75), (1.0, 0.5)])
def test_datasets_are_drawn_by_a_power_of_their_size(mixture, balance, share):
    mixed = mixture(9000, 1000)
    batches = BatchesOfOneSet(mixed, batch_size=10, balance=balance)
    drawn = Counter(next(iter(each)) for each in sets_of(batches, mixed))
    assert batches.share[0] == pytest.approx(share)
    assert drawn[0] / len(batches) == pytest.approx(share, abs=0.05)


def test_a_window_comes_again_only_after_the_others_have_come(mixture):
    mixed = mixture(12)
    sampler = BatchesOfOneSet(mixed, batch_size=4)
    passes = [sorted(index for batch in sampler for index in batch) for _ in range(3)]
    assert passes == [list(range(12))] * 3


def test_a_dataset_smaller_than_a_batch_gives_what_it_has(mixture):
    assert [len(batch) for batch in BatchesOfOneSet(mixture(3), batch_size=8)] == [3]


def test_the_same_seed_draws_the_same_batches(mixture):
    mixed = mixture(40, 30)
    first, again, other = (
        list(BatchesOfOneSet(mixed, batch_size=8, seed=seed)) for seed in (1, 1, 2)
    )
    assert first == again != other


def test_in_evaluation_every_window_comes_once_and_no_batch_crosses_a_border(mixture):
    mixed = mixture(5, 3)
    batches = list(EveryWindowOnce(mixed, batch_size=4))
    assert batches == [[0, 1, 2, 3], [4], [5, 6, 7]]


@pytest.fixture
def real(synthetic_store):
    config, datasets = Preprocessing(), []
    for name in NAMES:
        part = take_part(synthetic_store, name, ["8"])
        records = PreparedRecords(synthetic_store, part.rows.tolist(), config)
        datasets.append(WindowDataset(records, Windowing(), targets=list(part.target)))
    sets = [synthetic_store.label_set(name) for name in NAMES]
    return Mixture(datasets), partial(collate_one_set, config=config, label_sets=sets)


def test_batches_of_recordings_say_which_label_set_they_belong_to(real):
    mixed, collated = real
    loader = DataLoader(
        mixed, batch_sampler=EveryWindowOnce(mixed, batch_size=4), collate_fn=collated
    )
    batches = list(loader)
    assert {batch.label_set.name for batch in batches} == set(NAMES)
    assert all(batch.target.shape == (len(batch), len(batch.label_set)) for batch in batches)


def test_windows_of_two_label_sets_in_one_batch_are_refused(real):
    mixed, collated = real
    with pytest.raises(ConfigError, match=f"windows of 2 label sets: {NAMES[0]}, {NAMES[1]}"):
        collated([mixed[0], mixed[len(mixed) - 1]])
