import numpy as np

from medts.evaluation.details import Details
from medts.evaluation.result import Estimate, Result, Splits, read_result
from medts.report.files import write_result


def result() -> Result:
    return Result(
        metrics={"macro_auroc": Estimate(value=0.7)},
        per_class={},
        controls={},
        n_records=4,
        n_subjects=4,
        splits=Splits(),
        label_set="s",
        protocol="p",
        recipe="r",
        seed=0,
        data_digest="d",
        bundle_digest="b",
        versions={},
        seconds=1.0,
    )


def test_the_page_comes_first_and_the_numbers_last(tmp_path):
    probability = np.array([[0.1], [0.9], [0.2], [0.8]])
    details = Details((probability > 0.5).astype(np.float32), probability, ("a",))
    written = write_result(tmp_path, result(), details)
    assert [path.name for path in written] == ["report.html", "metrics.json"]
    assert all(path.is_file() for path in written)


def test_without_details_there_are_numbers_alone_and_no_page_of_an_earlier_result(tmp_path):
    (tmp_path / "report.html").write_text("old")
    (metrics,) = write_result(tmp_path, result(), None)
    assert read_result(metrics).metrics["macro_auroc"].value == 0.7
    assert not (tmp_path / "report.html").exists()
