import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = """
import os, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from medts.core.processes import end_with_parent
if __name__ == "__main__":
    pool = ProcessPoolExecutor(1, get_context("spawn"), initializer=end_with_parent)
    print(pool.submit(os.getpid).result(), flush=True)
    BUSY
    time.sleep(60)
"""


@pytest.mark.parametrize("busy", ["pool.submit(time.sleep, 60)", "pass"])
def test_a_worker_ends_with_its_parent_that_was_killed_whether_busy_or_idle(tmp_path, busy):
    script = tmp_path / "parent.py"
    script.write_text(SCRIPT.replace("BUSY", busy))
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        worker = int(parent.stdout.readline())
        assert is_running(worker)
        parent.kill()
    deadline = time.monotonic() + 20
    while is_running(worker):
        assert time.monotonic() < deadline, "the worker goes on"
        time.sleep(0.05)


def is_running(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/stat")  # nobody may have collected it yet
    return not status.is_file() or status.read_text().rpartition(")")[2].split()[0] != "Z"
