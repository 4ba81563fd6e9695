import numpy as np
import pytest
import torch

from medts.core.errors import MedtsError
from medts.core.reports import ReportSettings
from medts.evaluation import embeddings
from medts.evaluation.embeddings import embed, encoder_digest, record_keys, remember
from medts.inference.bundle import load_bundle
from medts.inference.stored import embed_store


@pytest.fixture
def counted(monkeypatch):
    """Rows that the encoder was asked for, call by call."""
    asked = []

    def counting(model, store, rows, **settings):
        asked.append(list(rows))
        return embed_store(model, store, rows)

    monkeypatch.setattr(embeddings, "embed_store", counting)
    return asked


def test_the_encoder_runs_once_per_record(tiny_run, synthetic_store, tmp_path, counted):
    model = load_bundle(tiny_run)
    first = embed(model, synthetic_store, np.array([4, 2, 9]), tmp_path)
    again = embed(model, synthetic_store, np.array([9, 4]), tmp_path)
    more = embed(model, synthetic_store, np.array([2, 30, 2, 4]), tmp_path)
    assert counted == [[4, 2, 9], [30]]
    np.testing.assert_array_equal(again, first[[2, 0]])
    np.testing.assert_array_equal(more[[0, 2, 3]], first[[1, 1, 0]])
    fresh = embed_store(model, synthetic_store, [2, 30])
    np.testing.assert_allclose(more[:2], fresh, atol=1e-5)


def test_without_a_folder_nothing_is_kept(tiny_run, synthetic_store, tmp_path, counted):
    model = load_bundle(tiny_run)
    for _ in range(2):
        embed(model, synthetic_store, np.array([1]))
    assert counted == [[1], [1]]
    assert not list(tmp_path.iterdir())


def test_other_weights_are_another_encoder_and_another_head_is_not(tiny_run):
    model, other = load_bundle(tiny_run), load_bundle(tiny_run)
    with torch.no_grad():
        for weight in other.head.parameters():
            weight.add_(1.0)
    assert encoder_digest(model) == encoder_digest(other)
    with torch.no_grad():
        next(other.encoder.parameters()).add_(1.0)
    assert encoder_digest(model) != encoder_digest(other)


def test_another_window_is_another_encoder(tiny_run):
    model, other = load_bundle(tiny_run), load_bundle(tiny_run)
    windowing = model.config.windowing
    other.config = model.config.but(windowing=windowing.but(stride_s=windowing.window_s / 5))
    assert encoder_digest(model) != encoder_digest(other)


def test_another_scale_or_report_is_another_record(synthetic_store, monkeypatch):
    rows = np.arange(5)
    before = record_keys(synthetic_store, rows)
    assert len(set(before)) == 5
    entry = next(iter(synthetic_store.streams[3].values()))
    monkeypatch.setitem(entry, "step", [2 * step for step in entry["step"]])
    after = record_keys(synthetic_store, rows)
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, True, True, False, True]


def test_a_report_that_is_read_otherwise_is_another_record(synthetic_store, monkeypatch):
    rows = np.arange(5)
    settings = ReportSettings(is_redacted=True).hiding(
        [synthetic_store.label_set("synthetic/findings")]
    )
    before = record_keys(synthetic_store, rows, settings)
    assert before == record_keys(synthetic_store, rows, settings)
    told = list(embeddings.as_read(synthetic_store.column("report")[:5], settings))
    told[2] = f"{told[2]} and something that a new rule lets through"
    monkeypatch.setattr(embeddings, "as_read", lambda texts, settings: tuple(told))
    after = record_keys(synthetic_store, rows, settings)
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, True, False, True, True]


def test_an_embedding_that_is_not_finite_is_refused(tiny_run, synthetic_store):
    model = load_bundle(tiny_run)
    with torch.no_grad():
        for weight in model.encoder.parameters():
            weight.fill_(float("nan"))
    with pytest.raises(MedtsError, match="2 of 2 embeddings are NaN"):
        embed(model, synthetic_store, np.array([0, 1]))


def test_a_damaged_file_is_named(synthetic_store, tmp_path):
    (tmp_path / "half.npy").write_bytes(b"\x93NUMPY\x01")
    with pytest.raises(MedtsError, match=r"half\.npy.*Delete it"):
        remember(lambda rows: rows[:, None] * 1.0, synthetic_store, np.array([0]), tmp_path)


def test_a_killed_computation_leaves_no_file(synthetic_store, tmp_path):
    def fail(rows):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        remember(fail, synthetic_store, np.array([0]), tmp_path)
    assert not list(tmp_path.iterdir())
