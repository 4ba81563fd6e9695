"""Label sets (multi-class, multi-label, regression targets) and operating points (thresholds).

A label set is named ``corpus/set``. Its order is the order of every target, logit and table
column made from it; labels are always matched by name, never by position.

Of a set of classes, a record's labels are the names of the classes that hold. Of a set of numbers
(``kind="number"``, regression targets such as an age), ``classes`` names the targets, and a
record's labels are one decimal text for each of them, in their order, ``nan`` where it is missing.

Axes: B windows in the batch, K classes.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field, model_serializer, model_validator

from medts.core.config import Config
from medts.core.errors import ConfigError, MedtsError, unknown_name

LabelKind = Literal["single", "multi", "number"]
"""What the targets of a label set are: one class, any number of classes, or numbers."""


class LabelSet(Config):
    """Ordered names of classes, or of numbers, with the phrases that describe them."""

    name: str = Field(pattern=r"^[a-z0-9\-]+/[a-z0-9\-]+$")
    """Corpus and set, as in ``ptb-xl/super``."""

    classes: tuple[str, ...] = Field(min_length=1)
    """Class names in the order of targets and logits; of numbers, the names of the targets."""

    kind: LabelKind
    """``single``: exactly one class holds. ``multi``: any number, none included. ``number``: each
    name has a value (regression)."""

    units: dict[str, str] = Field(default_factory=dict)
    """Unit of each number that has one, such as ``years``; for the kind ``number`` alone."""

    phrases: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """For each class the wordings used as prompts, the plainest first."""

    system: str = ""
    """Code system that the names belong to, such as ``scp-ecg``."""

    description: str = ""
    """Task and recordings in a sentence, for models that read it."""

    @model_validator(mode="after")
    def _names_are_distinct(self) -> "LabelSet":
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"label set {self.name!r} names a class twice: {self.classes}")
        strangers = set(self.phrases) - set(self.classes)
        if strangers:
            raise ValueError(f"phrases for classes not in {self.name!r}: {sorted(strangers)}")
        if self.units and not (self.has_numbers and set(self.units) <= set(self.classes)):
            raise ValueError(f"units of {self.name!r} belong to numbers of the set alone")
        return self

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def has_numbers(self) -> bool:
        """Whether its targets are numbers (regression), not classes."""
        return self.kind == "number"

    @property
    def class_kind(self) -> Literal["single", "multi"]:
        """The kind of a set of classes, for whatever has no meaning for numbers.

        Raises:
            ConfigError: If it is a set of numbers.
        """
        if self.kind == "number":
            problem = f"{self.name} has numbers, and this is defined for classes alone"
            raise ConfigError(problem, field="label_set", remedy="Take a label set of classes")
        return self.kind

    def encode(self, labels: Sequence[Sequence[str]]) -> Float[np.ndarray, "B K"]:
        """Multi-hot encoding of lists of class names; texts of numbers become numbers.

        Raises:
            MedtsError: If a label is not a class of the set, a ``single`` set is given more or
                fewer than one label, or a set of numbers anything but one number for each name.
        """
        if self.has_numbers:
            rows = [self._numbers(values) for values in labels]
            return np.array(rows, dtype=np.float32).reshape(len(labels), len(self))
        column = {name: k for k, name in enumerate(self.classes)}
        target = np.zeros((len(labels), len(self)), dtype=np.float32)
        for row, names in enumerate(labels):
            if self.kind == "single" and len(names) != 1:
                raise MedtsError(f"{self.name} wants exactly one label, got {list(names)}")
            for name in names:
                if name not in column:
                    raise unknown_name(f"class of {self.name}", name, self.classes)
                target[row, column[name]] = 1.0
        return target

    def _numbers(self, values: Sequence[str]) -> list[float]:
        if len(values) != len(self):
            raise MedtsError(
                f"{self.name} wants one number for each of {', '.join(self.classes)}, "
                f"got {list(values)}",
                remedy="Write nan where a number is missing",
            )
        return [self._number(*pair) for pair in zip(self.classes, values, strict=True)]

    def _number(self, name: str, text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.inf
        if math.isinf(value):
            problem = f"{text!r} is not a finite number"
            remedy = "Write a decimal number, or nan where it is missing"
            raise MedtsError(problem, field=f"{self.name}, {name}", remedy=remedy)
        return value

    def decode(self, target: Float[np.ndarray, "B K"]) -> list[list[str]]:
        """Inverse of `encode`: names of classes, or texts of numbers."""
        if self.has_numbers:
            return [[number_text(value) for value in row] for row in target.tolist()]
        return [[self.classes[k] for k in np.flatnonzero(row > 0.5)] for row in target]

    def phrase(self, name: str) -> str:
        """Returns the plainest wording of a class; its name where none is known."""
        return next(iter(self.phrases.get(name, ())), name)

    def texts(self) -> tuple[str, ...]:
        """Returns the plainest wording of every class, for models that read them.

        Raises:
            ConfigError: If two classes have the same words.
        """
        owner: dict[str, str] = {}
        for name in self.classes:
            other = owner.setdefault(self.phrase(name), name)
            if other != name:
                problem = f"classes {other!r} and {name!r} are both called {self.phrase(name)!r}"
                remedy = "Give each class words of its own, the distinguishing ones first"
                raise ConfigError(problem, field=self.name, remedy=remedy)
        return tuple(owner)

    @model_serializer(mode="wrap")
    def _without_unused_fields(self, write: Callable[..., dict[str, Any]]) -> dict[str, Any]:
        """Empty description and units are not written, so older digests stay what they were."""
        may_be_left_out = ("description", "units")
        return {k: value for k, value in write(self).items() if value or k not in may_be_left_out}


def number_text(value: float) -> str:
    """Returns the shortest text that a set of numbers reads back as this value.

    >>> number_text(61.0), number_text(float("nan"))
    ('61', 'nan')
    """
    return f"{value:.9g}"


def same_classes(one: LabelSet, other: LabelSet) -> bool:
    """Whether two label sets have the same classes in the same order, whatever their words."""
    return one.classes == other.classes and one.kind == other.kind


class OperatingPoint(Config):
    """Operating point: the decision threshold of a class, and where it came from."""

    threshold: float = Field(ge=0.0, le=1.0)
    """A probability at or above it states the class."""

    rule: str
    """How it was chosen, such as ``best F1``."""

    split: str
    """Records that it was chosen on, such as ``validation: ptb-xl 8``; never the test split."""
