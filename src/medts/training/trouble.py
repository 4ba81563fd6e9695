"""Errors of disk, device and memory in a run, translated with a remedy; choice of device."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from medts.core.errors import ConfigError, MedtsError
from medts.training.settings import Training

_GOES_ON = "the same command then goes on where it stopped"


def device_of(settings: Training) -> torch.device:
    """Returns the device of a run; ``auto`` is a GPU where there is one.

    Raises:
        ConfigError: If a GPU is wanted and there is none.
    """
    gpu = None
    if torch.cuda.is_available():
        gpu = torch.device("cuda", torch.cuda.current_device())
    elif torch.backends.mps.is_available():
        gpu = torch.device("mps")
    if settings.device == "cpu" or (settings.device == "auto" and gpu is None):
        return torch.device("cpu")
    if gpu is None:
        raise ConfigError(
            "there is no GPU that torch can use",
            field="training.device",
            remedy="Use --training.device cpu or auto, or install a torch for your GPU",
        )
    return gpu


@contextmanager
def translated_errors(folder: Path) -> Iterator[None]:
    """Turns errors of disks, devices and batch sizes into a `MedtsError`.

    Args:
        folder: The run folder, named where an error names no file.
    """
    try:
        yield
    except MedtsError:
        raise
    except OSError as error:
        # A batch that cannot be read, a checkpoint that cannot be written.
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        raise MedtsError(
            error.strerror or str(error),
            path=error.filename or folder,
            remedy=f"{'Make room' if is_full else 'Mend that'}; {_GOES_ON}",
        ) from error
    except MemoryError as error:
        raise _out_of_memory() from error
    except (RuntimeError, ValueError) as error:
        found = _translated(str(error))
        if isinstance(error, torch.OutOfMemoryError):
            found = _out_of_memory()
        if found is None:
            raise
        raise found from error


def _translated(text: str) -> MedtsError | None:
    if text.startswith("Expected more than 1 value per channel"):
        return too_few_windows()
    if "not enough memory" in text or "can't allocate memory" in text or "out of memory" in text:
        return _out_of_memory()
    if text.startswith("DataLoader worker") and "killed" in text:
        return MedtsError(
            "a process that prepares batches was killed, most likely for want of memory",
            field="training.n_workers",
            remedy=f"Use --training.n-workers 0 or a smaller --training.batch-size; {_GOES_ON}",
        )
    return None


def too_few_windows() -> MedtsError:
    """The error for a batch of one window where several are compared."""
    return MedtsError(
        "a batch of one window cannot be normalised or compared",
        field="training.batch_size",
        remedy="Use a --training.batch-size of 2 or more, and at least two training records",
    )


def _out_of_memory() -> MedtsError:
    return MedtsError(
        "out of memory",
        field="training.device",
        remedy=f"Use a smaller --training.batch-size, or --training.device cpu; {_GOES_ON}",
    )
