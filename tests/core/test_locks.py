import subprocess
import sys

import pytest

from medts.core.locks import LockHeldError, locked


def test_one_holds_a_lock_and_it_goes_with_its_file(tmp_path):
    path = tmp_path / "new" / "a.lock"
    with locked(path) as is_locked:
        assert is_locked
        with pytest.raises(LockHeldError) as caught, locked(path):
            pass
        assert str(caught.value.strerror).startswith("process ")
    assert not path.exists()
    with pytest.raises(KeyError), locked(path):
        raise KeyError
    with locked(path) as is_locked:
        assert is_locked


def test_a_lock_ends_with_its_process_however_that_ends(tmp_path):
    path = tmp_path / "a.lock"
    code = (
        "import sys, time; from pathlib import Path; from medts.core.locks import locked\n"
        "with locked(Path(sys.argv[1])): print(1, flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(LockHeldError, match=f"process {holder.pid} on"), locked(path):
        pass
    holder.kill()
    holder.communicate()
    assert path.exists()
    with locked(path) as is_locked:
        assert is_locked
