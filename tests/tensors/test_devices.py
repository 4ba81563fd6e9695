import pytest
import torch

from medts.core.errors import ConfigError
from medts.tensors.devices import resolve_device, within_memory


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def test_where_there_is_a_gpu_it_is_taken(two_gpus):
    found = [str(resolve_device(name)) for name in ("auto", "gpu", "cuda", "cuda:1", "cpu")]
    assert found == ["cuda:0", "cuda:0", "cuda:0", "cuda:1", "cpu"]
    with pytest.raises(ConfigError, match=r"device: 'cuda:2': torch sees 2 CUDA devices"):
        resolve_device("cuda:2")


def test_where_there_is_none_auto_is_the_cpu_and_the_rest_is_refused(no_gpu):
    assert resolve_device("auto") == torch.device("cpu")
    for name in ("gpu", "cuda", "cuda:0", "mps"):
        with pytest.raises(ConfigError, match=f"device: '{name}'.*--device auto"):
            resolve_device(name)


def test_apples_gpu_is_a_gpu_too(no_gpu, monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert resolve_device("gpu") == resolve_device("mps") == torch.device("mps")


@pytest.mark.parametrize("name", ["", "tpu", "meta", "cuda:x", "cuda0"])
def test_what_is_no_device_is_refused_by_name(name):
    with pytest.raises(ConfigError, match="known: auto, cpu, gpu"):
        resolve_device(name)


def test_a_full_memory_is_one_error_with_a_remedy():
    is_named = pytest.raises(ConfigError, match=r"memory of cuda:0 is full.*smaller batch size")
    with is_named, within_memory("cuda:0"):
        raise torch.OutOfMemoryError
