"""LabelSet and OperatingPoint: what a corpus may answer, and when a score becomes a statement.

A label set is named ``corpus/set``. Its order is the order of every target, logit and table
column made from it; labels are always matched by name, never by position.

Axes: B windows in the batch, K classes.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field, model_serializer, model_validator

from medts.core.config import Config
from medts.core.errors import ConfigError, MedtsError, unknown_name


class LabelSet(Config):
    """Ordered class names with their kind and the phrases that describe them."""

    name: str = Field(pattern=r"^[a-z0-9\-]+/[a-z0-9\-]+$")
    """Corpus and set, as in ``ptb-xl/super``."""

    classes: tuple[str, ...] = Field(min_length=1)
    """Class names in the order of targets and logits."""

    kind: Literal["single", "multi"]
    """``single``: exactly one class holds. ``multi``: any number, none included."""

    phrases: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """For each class the wordings used as prompts, the plainest first."""

    system: str = ""
    """Code system that the names belong to, such as ``scp-ecg``."""

    description: str = ""
    """What is asked of which recordings, in a sentence, for models that read it."""

    @model_validator(mode="after")
    def _names_are_distinct(self) -> "LabelSet":
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"label set {self.name!r} names a class twice: {self.classes}")
        strangers = set(self.phrases) - set(self.classes)
        if strangers:
            raise ValueError(f"phrases for classes not in {self.name!r}: {sorted(strangers)}")
        return self

    def __len__(self) -> int:
        return len(self.classes)

    def encode(self, labels: Sequence[Sequence[str]]) -> Float[np.ndarray, "B K"]:
        """Turns lists of class names into rows of zeros and ones.

        Raises:
            MedtsError: If a label is not a class of the set, or a ``single`` set is given
                more or fewer than one label.
        """
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

    def decode(self, target: Float[np.ndarray, "B K"]) -> list[list[str]]:
        """Turns rows of zeros and ones back into lists of class names."""
        return [[self.classes[k] for k in np.flatnonzero(row > 0.5)] for row in target]

    def phrase(self, name: str) -> str:
        """Returns the plainest wording of a class; its name where none is known."""
        return next(iter(self.phrases.get(name, ())), name)

    def texts(self) -> tuple[str, ...]:
        """Returns the plainest wording of every class, for models that know classes by words.

        Raises:
            ConfigError: If two classes have the same words, which no such model can tell apart.
        """
        owner: dict[str, str] = {}
        for name in self.classes:
            other = owner.setdefault(self.phrase(name), name)
            if other != name:
                raise ConfigError(
                    f"classes {other!r} and {name!r} are both called {self.phrase(name)!r}",
                    field=self.name,
                    remedy="Give each class words of its own, the distinguishing ones first",
                )
        return tuple(owner)

    @model_serializer(mode="wrap")
    def _without_unused_description(self, write: Callable[..., dict[str, Any]]) -> dict[str, Any]:
        """An empty description is not written, so older digests stay what they were."""
        return {key: value for key, value in write(self).items() if value or key != "description"}


def same_classes(one: LabelSet, other: LabelSet) -> bool:
    """Whether two label sets have the same classes in the same order, whatever their words."""
    return one.classes == other.classes and one.kind == other.kind


class OperatingPoint(Config):
    """The threshold at which a probability becomes a statement, and where it came from."""

    threshold: float = Field(ge=0.0, le=1.0)
    """A probability at or above it states the class."""

    rule: str
    """How it was chosen, such as ``best F1``."""

    split: str
    """Records that it was chosen on, such as ``validation: ptb-xl 8``; never the test split."""
