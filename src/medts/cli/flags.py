"""Flags that several verbs share, as dataclasses that a verb holds as one field.

A verb has a field ``reading: Reading = field(default_factory=ReadingFlags)``, or ``compute:
Computing`` alike; its flags then have no prefix: ``--sampling-rate``, ``--device``.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from medts.core.arithmetic import Precision
from medts.core.errors import ConfigError


@dataclass(frozen=True)
class DeviceFlags:
    """Where a network is computed."""

    device: str = "auto"
    """auto (a CUDA GPU, else the CPU), cpu, gpu, cuda:1 or mps."""

    precision: Precision = "fp32"
    """Arithmetic; the faster kinds are not exact."""

    workers: int = 0
    """Processes that read and prepare recordings beside this one."""


@dataclass(frozen=True)
class ReadingFlags:
    """What a file of a recording may lack, or get wrong."""

    sampling_rate: float | None = None
    """Samples per second, Hz, where a file does not say."""

    unit: str | None = None
    """Unit of the values, where a file does not say."""

    channels: tuple[str, ...] = ()
    """Channels to keep, by name; or a name for each, where a file names none."""

    rename: tuple[str, ...] = ()
    """Channels to rename, such as EKG1=I; older names of ECG and EEG channels are known."""

    modality: str | None = None
    """What the channels measure, such as ecg or eeg, where their names do not say."""

    def hints(self) -> dict[str, Any]:
        """Returns what was given, as arguments of `medts.read`.

        Raises:
            ConfigError: If a renaming is not written as OLD=NEW.
        """
        renamed = {}
        for each in self.rename:
            old, equals, new = each.partition("=")
            if not (old and equals and new):
                problem = f"{each!r} does not say what becomes what"
                raise ConfigError(problem, field="--rename", remedy="Write OLD=NEW, such as EKG1=I")
            renamed[old] = new
        given = {
            "sampling_rate": self.sampling_rate,
            "unit": self.unit,
            "channels": self.channels or None,
            "rename": renamed or None,
            "modality": self.modality,
        }
        return {name: value for name, value in given.items() if value is not None}


Computing = Annotated[DeviceFlags, tyro.conf.arg(name="")]
Reading = Annotated[ReadingFlags, tyro.conf.arg(name="")]
