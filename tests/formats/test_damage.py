"""A seeded thousand of damaged files over all readers; ``make fuzz`` reads a hundred thousand."""

from fuzz_formats import fuzz


def test_damaged_files_are_read_or_refused_in_words(tmp_path):
    outcomes, bugs = fuzz(1000, 0, tmp_path)
    assert not bugs
    assert min(outcomes["read"], outcomes["refused"], outcomes["unchanged"]) > 5
