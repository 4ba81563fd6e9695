import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from toy_objective import SETTINGS, run

SCRIPT = textwrap.dedent(
    """
    import signal, sys
    from pathlib import Path
    signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a terminal
    import medts.cli.list
    from medts.cli.main import main
    from toy_objective import SETTINGS, run
    medts.cli.list.run = lambda _: run(Path(sys.argv[1]), SETTINGS.but(epochs=100_000))
    raise SystemExit(main(["list"]))
    """
)


@pytest.mark.parametrize(("signum", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_training_with_its_status_and_one_line_and_the_run_goes_on(
    tmp_path, signum, status
):
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, tmp_path / "run"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    began = time.monotonic()
    while not (tmp_path / "run" / "log" / "metrics.csv").exists():
        assert process.poll() is None
        assert time.monotonic() - began < 60
        time.sleep(0.05)
    process.send_signal(signum)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == status
    assert said == "medts: interrupted; the same command goes on where this one stopped\n"
    n_done = len((tmp_path / "run" / "log" / "metrics.csv").read_text().splitlines()) - 1
    fitted = run(tmp_path / "run", SETTINGS.but(epochs=n_done + 2))[1]
    assert fitted.was_resumed
    assert [row["epoch"] for row in fitted.history] == list(range(n_done + 2))
    left = {path.suffix for path in (tmp_path / "run" / "checkpoints").iterdir()}
    assert left == {".ckpt"}
