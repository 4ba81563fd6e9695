import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "research" / "bench" / "coverage.py"


def load_bench():
    spec = importlib.util.spec_from_file_location("bench_coverage", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_with_ten_positives_the_default_covers_and_percentiles_do_not():
    found = load_bench().cover("AUROC, 10 positives", n_sets=150)
    assert 0.92 <= found["default"][0] <= 0.99
    assert found["percentile"][0] < found["default"][0] - 0.03


@pytest.mark.slow
@pytest.mark.parametrize("n_positive", [125, 30, 10])
def test_the_default_auroc_interval_covers_93_to_97_percent_of_1000_test_sets(n_positive):
    found = load_bench().cover(f"AUROC, {n_positive} positives", n_sets=1000)
    assert 0.93 <= found["default"][0] <= 0.97


@pytest.mark.slow
def test_the_default_macro_interval_covers_93_to_97_percent_of_1000_test_sets():
    found = load_bench().cover("5 classes, rarest 4 %", n_sets=1000)
    assert 0.93 <= found["macro_auroc default"][0] <= 0.97
    assert found["macro_auprc default"][0] > found["macro_auprc percentile"][0] + 0.02
