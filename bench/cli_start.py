"""Seconds and memory of the command line before it does anything: help of every verb, and lists.

    python bench/cli_start.py

Every command runs in a process of its own, five times; the fastest counts. Goals: 0.1 s for
`medts --help`, 0.5 s and 80 MB for the help of a verb.
"""

import subprocess
import sys
import time

from medts.cli.main import VERBS

COMMANDS = [["--help"], *([verb, "--help"] for verb in VERBS), ["list"], ["list", "models"]]


def measure(command: list[str], rounds: int = 5) -> tuple[float, float]:
    """Returns the fewest seconds and the most MB of a command."""
    code = (
        "import resource, sys; from medts.cli.main import main\n"
        f"try: main({command})\n"
        "except SystemExit: pass\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    )
    seconds, megabytes = [], []
    for _ in range(rounds):
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        seconds.append(time.perf_counter() - start)
        megabytes.append(int(done.stderr.split()[-1]) / 1024)
    return min(seconds), max(megabytes)


if __name__ == "__main__":
    for command in COMMANDS:
        least, most = measure(command)
        print(f"medts {' '.join(command):<20} {least:6.3f} s {most:6.0f} MB")
