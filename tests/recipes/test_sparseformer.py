import pytest

from medts.recipes import find_recipe
from research.models import job_recipe
from research.tables import find_suite

SUPERVISED = ("ptb-xl", "cinc", "beats", "eegmat", "wisdm")


def changed(one, other):
    return {name for name in type(one).model_fields if getattr(one, name) != getattr(other, name)}


def test_what_is_printed_takes_back_every_part_of_the_encoder_that_is_ours():
    ours, printed = (
        job_recipe(next(job for job in find_suite("sparseformer-ptb-xl").jobs()
                        if job.method.name == row))
        for row in ("sparseformer_small", "sparseformer_small_as_printed")
    )  # fmt: skip
    assert changed(ours, printed) == {"encoder"}
    paper = find_recipe("sparseformer_paper").encoder
    taken_back = changed(ours.encoder, printed.encoder)
    assert taken_back == {
        "token_counts", "query_start", "is_summary_normed", "has_granularity_embedding",
        "patch_lengths", "channel_identity", "has_positions", "is_normalised",
    }  # fmt: skip
    assert all(getattr(printed.encoder, name) == getattr(paper, name) for name in taken_back)


@pytest.mark.parametrize("name", SUPERVISED)
def test_what_is_printed_stands_in_every_supervised_table_on_the_same_channels(name):
    suite = find_suite(f"sparseformer-{name}")
    ours, printed = (
        next(each for each in suite.methods if each.name == row)
        for row in ("sparseformer_small", "sparseformer_small_as_printed")
    )
    assert (printed.reads or "sparseformer_small") == ours.recipe


@pytest.mark.parametrize("name", ["cinc", "beats", "wisdm"])
def test_few_examples_are_sampled_ten_times_for_scratch_too(name):
    suite = find_suite(f"sparseformer-few-{name}")
    jobs = [job for job in suite.jobs() if job.method.name == "scratch"]
    assert {job.draw for job in jobs} == set(range(10))
