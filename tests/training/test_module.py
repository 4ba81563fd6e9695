import numpy as np
import pytest
import torch

from medts.core.labels import LabelSet
from medts.training.module import record_score

LABELS = LabelSet(name="a/b", classes=("A",), kind="multi")


def test_windows_of_a_record_are_averaged_before_they_are_scored():
    target = torch.tensor([[1.0], [1.0], [0.0]])
    windows = [
        (("a", "a"), torch.tensor([[0.9], [0.1]]), target[:2]),  # 0.5 together
        (("b",), torch.tensor([[0.4]]), target[2:]),
    ]
    assert record_score(LABELS, windows) == pytest.approx(1.0)


def test_a_part_without_both_answers_has_no_score():
    assert np.isnan(record_score(LABELS, [(("a",), torch.tensor([[0.5]]), torch.ones(1, 1))]))
