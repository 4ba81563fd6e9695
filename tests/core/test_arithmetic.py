import os
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
import torch
import torch.nn.functional as F

from medts.core.arithmetic import arithmetic
from medts.core.errors import ConfigError

MATMUL = getattr(torch.backends.mkldnn, "matmul", None)
NEEDS_ONEDNN = pytest.mark.skipif(MATMUL is None, reason="this torch has no switch for oneDNN")


def test_bf16_multiplies_in_bfloat16_and_only_inside():
    a = torch.randn(4, 4)
    with arithmetic("bf16"):
        assert (a @ a).dtype == torch.bfloat16
    assert (a @ a).dtype == torch.float32


@NEEDS_ONEDNN
@pytest.mark.parametrize("precision", ["fp32", "fp32-onednn"])
def test_fp32_stays_fp32_and_the_setting_of_torch_comes_back(precision):
    before = MATMUL.fp32_precision
    a, b = torch.randn(64, 64), torch.randn(64, 64)
    exact = a.double() @ b.double().T
    with arithmetic(precision):
        found = F.linear(a, b)
        assert (MATMUL.fp32_precision == "bf16") == (precision == "fp32-onednn")
    assert MATMUL.fp32_precision == before
    assert found.dtype == torch.float32
    largest = (found - exact).abs().max() / exact.std()
    assert largest < (1e-5 if precision == "fp32" else 5e-2)


@NEEDS_ONEDNN
def test_the_setting_comes_back_after_an_error():
    before = MATMUL.fp32_precision
    with pytest.raises(ZeroDivisionError), arithmetic("fp32-onednn"):
        1 / 0  # noqa: B018
    assert MATMUL.fp32_precision == before


def test_a_torch_without_the_switch_is_told_apart(monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    with (
        pytest.raises(ConfigError, match=r"cannot hand.*Use fp32 or bf16"),
        arithmetic("fp32-onednn"),
    ):
        pass


@NEEDS_ONEDNN
def test_overlapping_threads_leave_the_setting_as_it_was():
    before, inside = MATMUL.fp32_precision, []
    first_in, second_in, first_out = (threading.Event() for _ in range(3))

    def first():
        with arithmetic("fp32-onednn"):
            first_in.set()
            second_in.wait(20)
        first_out.set()

    def second():
        first_in.wait(20)
        with arithmetic("fp32-onednn"):
            second_in.set()
            first_out.wait(20)
            inside.append(MATMUL.fp32_precision)

    in_threads(first, second)
    assert inside == ["bf16"]  # the first one's end is none for the second one
    assert MATMUL.fp32_precision == before


@NEEDS_ONEDNN
def test_threads_of_both_kinds_never_compute_at_the_same_time():
    found = []

    def compute(precision):
        for _ in range(200):
            with arithmetic(precision):
                found.append((precision, MATMUL.fp32_precision == "bf16"))
                time.sleep(1e-5)
                found.append((precision, MATMUL.fp32_precision == "bf16"))

    in_threads(*(partial(compute, each) for each in ["fp32", "fp32-onednn", "bf16", "fp32-onednn"]))
    assert len(found) == 4 * 400
    assert all(is_fast == (precision == "fp32-onednn") for precision, is_fast in found)


@NEEDS_ONEDNN
def test_nested_kinds_in_several_threads_end():
    def nested(outer, inner):
        for _ in range(100):
            with arithmetic(outer):
                with arithmetic(inner):
                    assert (MATMUL.fp32_precision == "bf16") == (inner == "fp32-onednn")
                assert (MATMUL.fp32_precision == "bf16") == (outer == "fp32-onednn")

    kinds = ("fp32", "fp32-onednn")
    before = MATMUL.fp32_precision
    in_threads(*(partial(nested, a, b) for a in kinds for b in kinds))
    assert MATMUL.fp32_precision == before


@NEEDS_ONEDNN
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_process_does_not_wait_for_threads_that_it_has_not():
    is_in, is_over = threading.Event(), threading.Event()

    def hold():
        with arithmetic("fp32-onednn"):
            is_in.set()
            is_over.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    is_in.wait(20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a process with threads forks
        child = os.fork()
    if child == 0:
        with arithmetic("fp32"):
            os._exit(int(MATMUL.fp32_precision == "bf16"))
    status = os.waitpid(child, 0)[1]
    is_over.set()
    thread.join(20)
    assert status == 0


def test_arithmetic_imports_no_torch_before_it_computes():
    code = "import sys, medts.core.arithmetic; raise SystemExit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def in_threads(*functions):
    """Runs functions side by side, and raises what any of them raised."""
    with ThreadPoolExecutor(len(functions)) as pool:
        for each in [pool.submit(function) for function in functions]:
            each.result(timeout=60)
