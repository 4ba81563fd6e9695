"""Worker processes that end when their parent does, even if it was killed."""

import os
from multiprocessing import parent_process
from multiprocessing.process import BaseProcess
from threading import Thread


def end_with_parent() -> None:
    """Ends this worker as soon as its parent has ended; a pool's initializer.

    When a command is killed, the workers of its pool would go on, or wait for ever. What a worker
    leaves behind must be written whole or not at all.
    """
    if (parent := parent_process()) is not None:
        Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
