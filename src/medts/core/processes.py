"""Worker processes that do not outlive the command that started them."""

import os
from multiprocessing import parent_process
from multiprocessing.process import BaseProcess
from threading import Thread


def end_with_parent() -> None:
    """Has this worker end as soon as its parent has, also where that was killed.

    A pool's workers end with the pool; but when a command is killed, nobody tells them, and they
    finish what they were at, or wait for ever. To be called in the worker, as a pool's initializer.
    What a worker leaves behind must be written whole or not at all.
    """
    if (parent := parent_process()) is not None:
        Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
