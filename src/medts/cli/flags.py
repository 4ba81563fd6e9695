"""Command-line flags (tyro): those that several verbs share, and those made from a recipe's fields.

A verb has a field ``reading: Reading = field(default_factory=ReadingFlags)``, or ``compute:
Computing`` alike; its flags then have no prefix: ``--sampling-rate``, ``--device``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, make_dataclass
from typing import Annotated, Any

import tyro
from pydantic import BaseModel

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
    """Facts that the file of a recording may lack, or have wrong."""

    sampling_rate: float | None = None
    """Samples per second (sfreq, fs), Hz, where a file lacks it."""

    unit: str | None = None
    """Unit of the values, where a file lacks it."""

    channels: tuple[str, ...] = ()
    """Channels to keep, by name; or a name for each, where a file names none."""

    rename: tuple[str, ...] = ()
    """Channels to rename, such as EKG1=I; older names of ECG and EEG channels are known."""

    modality: str | None = None
    """What the channels measure, such as ecg or eeg, where their names do not show it."""

    def hints(self) -> dict[str, Any]:
        """Returns the given flags as arguments of `medts.read`.

        Raises:
            ConfigError: If a renaming is not written as OLD=NEW.
        """
        renamed = {}
        for each in self.rename:
            old, equals, new = each.partition("=")
            if not (old and equals and new):
                problem = f"{each!r} is no renaming"
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


def with_fields_of(kind: type, config: BaseModel, name: str, *, doc: str = "") -> Any:
    """Returns the dataclass ``kind`` with the fields of a config, such as a recipe, as flags.

    Args:
        kind: Dataclass of the flags of a verb.
        config: Defaults of the further flags.
        name: Attribute that will hold the config.
        doc: Added to the help text.
    """
    fields = Annotated[type(config), tyro.conf.arg(name="")]
    further = [(name, fields, field(default=config))]
    made = make_dataclass(kind.__name__, further, bases=(kind,), frozen=True)
    made.__doc__ = f"{kind.__doc__}{doc}"
    return tyro.conf.configure(tyro.conf.AvoidSubcommands)(made)


def recipe_name(
    verb: str, arguments: Sequence[str], *, example: str
) -> tuple[str | None, list[str]]:
    """Splits the recipe, which decides the flags, from the arguments; prints help without one.

    Raises:
        ConfigError: If the first argument is a flag.
    """
    if not arguments or list(arguments) in (["-h"], ["--help"]):
        print(
            f"usage: medts {verb} RECIPE --data STORE [STORE ...] [--labels CORPUS/SET] --out RUN"
        )
        print(f"recipes: `medts list recipes` shows them; one is {example}")
        print(f"`medts {verb} RECIPE --help` shows every flag of a recipe")
        return None, []
    if arguments[0].startswith("-"):
        remedy = f"medts {verb} RECIPE --data ..."
        raise ConfigError(f"expected a recipe, got {arguments[0]!r}", remedy=remedy)
    return arguments[0], list(arguments[1:])
