import copy

import torch
from torch.utils.data import DataLoader, RandomSampler, Sampler, WeightedRandomSampler
from toy_objective import Numbers

from medts.training.batches import Batches
from medts.training.randomness import random_state, restore_random_state, seed_of, seeded


def loader(n=10, **changes):
    data = Numbers(n, is_training=True)
    return DataLoader(data, collate_fn=data.collate, **{"batch_size": 3, "shuffle": True} | changes)


def seen(batches, epoch, first=0):
    return [
        (batch.record_ids, batch.streams["x"].signal.tolist())
        for batch in batches.epoch(epoch, first=first)
    ]


def test_an_epoch_is_the_same_whenever_it_is_read():
    whole = Batches(loader(), seed=3)
    epochs = [seen(whole, number) for number in range(3)]
    assert epochs[0] != epochs[1]
    torch.rand(7)
    assert seen(Batches(loader(), seed=3), 2) == epochs[2]
    assert seen(Batches(loader(), seed=3), 1, first=2) == epochs[1][2:]
    assert seen(Batches(loader(num_workers=2), seed=3), 1) == epochs[1]
    assert seen(Batches(loader(), seed=4), 1) != epochs[1]
    assert seen(whole, 2) == epochs[2]


def test_every_window_comes_once_an_epoch():
    batches = Batches(loader(), seed=0)
    for epoch in range(2):
        ids = [each for names, _ in seen(batches, epoch) for each in names]
        assert sorted(ids) == sorted(f"toy/{n}" for n in range(10))


def test_samplers_with_a_generator_of_their_own_start_anew_with_the_run():
    for kind in (RandomSampler, WeightedRandomSampler):
        data = range(10) if kind is RandomSampler else [1.0] * 10
        more = {} if kind is RandomSampler else {"num_samples": 10}
        sampler = kind(data, generator=torch.Generator().manual_seed(5), **more)
        given = loader(sampler=sampler, shuffle=None)
        first = [seen(Batches(given, seed=1), epoch) for epoch in (0, 1)]
        assert first[0] != first[1]
        assert seen(Batches(given, seed=1), 1) == first[1]


def test_a_sampler_with_a_memory_is_taken_through_the_epochs_before():
    class Counting(Sampler):
        def __init__(self):
            self.passes = 0

        def __iter__(self):
            self.passes += 1
            return iter([[self.passes], [0]])

        def __len__(self):
            return 2

    given = loader(batch_sampler=Counting(), batch_size=1, shuffle=None)
    batches = Batches(copy.copy(given), seed=0)
    assert [names for names, _ in seen(batches, 3)] == [("toy/4",), ("toy/0",)]
    assert [names for names, _ in seen(batches, 3)] == [("toy/4",), ("toy/0",)]
    assert [names for names, _ in seen(batches, 4)] == [("toy/5",), ("toy/0",)]


def test_preparing_batches_leaves_the_global_generators_alone():
    before = random_state()["torch"]
    seen(Batches(loader(), seed=0), 0)
    assert torch.equal(random_state()["torch"], before)


def test_a_random_state_survives_a_checkpoint(tmp_path):
    with seeded(4):
        torch.save(random_state(), tmp_path / "state.pt")
        expected = torch.rand(3)
    restore_random_state(torch.load(tmp_path / "state.pt", weights_only=True))
    assert torch.equal(torch.rand(3), expected)


def test_seeds_for_different_purposes_differ():
    made = {seed_of(*each) for each in [(0,), (1,), (0, "a"), (0, "b"), (0, "a", 1), (0, 1, "a")]}
    assert len(made) == 6
    assert all(0 <= seed < 2**63 for seed in made)
