"""Protocol: the base class of every way to measure a model, and the registry of its subclasses.

A subclass with a name is a protocol of the package: it is listed, its settings are flags of
``medts evaluate --protocol NAME``, and `medts.evaluation.run.run_protocol` runs it. Our own are
found by importing the modules of this package, those of other packages through the entry-point
group ``medts.protocols``. A module here imports no torch: what needs it is imported in `measure`.
"""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from medts.core.config import Config
from medts.core.registry import Plugins, import_all, register, registered

if TYPE_CHECKING:
    import medts.evaluation.scoring
    import medts.evaluation.task
    import medts.inference.bundle

Bundle: TypeAlias = "medts.inference.bundle.Bundle"
Found: TypeAlias = "medts.evaluation.scoring.Found"
Task: TypeAlias = "medts.evaluation.task.Task"
# Names of types instead of the types, because their modules import torch.


class Protocol(ABC):
    """How a model is measured on the test records of a task.

    A subclass sets ``name`` and ``Config``, whose defaults must be usable as they are, and
    implements `measure`. The first line of its docstring is what ``medts list protocols`` prints.
    """

    name: ClassVar[str]
    """Its name on the command line and in results."""

    Config: ClassVar[type[Config]]
    """Class of its settings."""

    takes_numbers: ClassVar[bool] = False
    """Whether it measures label sets of numbers (regression) too; the runner refuses others."""

    home: ClassVar[str] = "medts.evaluation.protocols"
    """Package whose modules define our own protocols."""

    group: ClassVar[str] = "medts.protocols"
    """Entry-point group of other packages' protocols."""

    _members: ClassVar[dict[str, type["Protocol"]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Registers a subclass under its name.

        Raises:
            ConfigError: If another class has that name.
        """
        super().__init_subclass__(**kwargs)
        if "name" in cls.__dict__:  # a class without shares code between protocols
            register(Protocol._members, cls.name, cls, noun="protocol")

    @abstractmethod
    def measure(self, bundle: Bundle, task: Task, config: Any, *, seed: int) -> Found:
        """Measures a model; the runner has checked leaks, and adds where the numbers come from.

        Args:
            bundle: Encoder, with its head where it has one.
            task: Test records, and those that may be trained on and chosen on.
            config: An instance of ``Config``.
            seed: Of whatever is sampled.
        """

    @staticmethod
    def listed() -> Plugins[type["Protocol"]]:
        """Returns every protocol by its name, with what other packages add and what is broken."""
        import_all(Protocol.home)
        return registered(Protocol._members, Protocol.group)

    @staticmethod
    def find(name: str) -> type["Protocol"]:
        """Returns a protocol by its name.

        Raises:
            UnknownNameError: If there is none, or its package is broken; the nearest is suggested.
        """
        return Protocol.listed().find("protocol", name)
