"""Seconds and memory of the command line before it does anything: help of every verb, and lists.

Every command runs in a process of its own, five times; the fastest counts. Beside the time on the
clock stands that of the processor, which is less disturbed by whatever else runs. Goals: 0.1 s for
`medts --help`, 0.5 s and 80 MB for the help of a verb.
"""

import subprocess
import sys
import time

from medts.cli.main import VERBS

COMMANDS = [["--help"], *([verb, "--help"] for verb in VERBS), ["list"], ["list", "models"]]


def measure(command: list[str], rounds: int = 5) -> tuple[float, float, float]:
    """Returns the fewest seconds, the fewest of the processor, and the most MB of a command."""
    code = (
        "import resource, sys; from medts.cli.main import main\n"
        f"try: main({command})\n"
        "except SystemExit: pass\n"
        "used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "print(used.ru_utime + used.ru_stime, used.ru_maxrss, file=sys.stderr)"
    )
    seconds, busy, megabytes = [], [], []
    for _ in range(rounds):
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        seconds.append(time.perf_counter() - start)
        *_, used, kilobytes = done.stderr.split()
        busy.append(float(used))
        megabytes.append(int(kilobytes) / 1024)
    return min(seconds), min(busy), max(megabytes)


if __name__ == "__main__":
    for command in COMMANDS:
        least, busy, most = measure(command)
        shown = f"medts {' '.join(command)}"
        print(f"{shown:<24} {least:6.3f} s {busy:6.3f} s of CPU {most:6.0f} MB")
