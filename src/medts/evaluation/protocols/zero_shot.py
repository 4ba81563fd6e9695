"""Zero-shot classification."""

from pydantic import Field, field_validator

from medts.core.config import Config
from medts.data.ontology import Language
from medts.data.prompts import TEMPLATES
from medts.evaluation.protocols.base import Bundle, Found, Protocol, Task


class ZeroShotConfig(Config):
    """How classes are put into words."""

    templates: tuple[str, ...] = TEMPLATES
    """Patterns around a phrase; ``{}`` is where it goes."""

    language: Language = "en"
    """Language of phrases that come from the ontology."""

    n_phrases: int = Field(default=5, ge=1)
    """Phrases for a class itself at most, the plainest first."""

    prompt_file: str = ""
    """JSON that gives each class its words, as MERL's does, in place of the ontology's."""

    is_narrower_named: bool = True
    """Whether a class is also described by what falls under it, the plainest phrase of each."""

    min_test: int = Field(default=1, ge=1)
    """Test examples from which on a class takes part; the others are left out and named."""

    n_shuffles: int = Field(default=20, ge=1)
    """Ways in which the control exchanges the words of classes."""

    @field_validator("templates")
    @classmethod
    def _have_a_place(cls, templates: tuple[str, ...]) -> tuple[str, ...]:
        for template in templates:
            if template.count("{}") != 1:
                raise ValueError(f"template {template!r} needs one {{}}")
        if not templates:
            raise ValueError("at least one template is needed")
        return templates


class ZeroShot(Protocol):
    """Zero-shot classification by the words for a class, without one labelled example.

    A model with a text tower: every class is described by several phrases in several templates, and
    by what the ontology puts under it, for reports speak of a left bundle branch block and not of a
    "conduction disturbance". The mean of their embeddings stands for the class, and a record is
    scored by its cosine with it. A model with a matching head, which was trained on labels of other
    datasets, reads the plainest phrase alone and scores as it was trained to.

    Rankings need no label at all. Statements (F1, accuracy) need thresholds: they are chosen on
    validation records where the task has some, which takes labels and is noted;
    otherwise only rankings are reported. Nothing is ever chosen on test.

    Controls: ``chance`` samples its scores; ``majority`` predicts how frequent each class is
    among the training records, or, which uses test labels, the test records where there are no
    others; ``shuffled_prompts`` gives every class the words of another: what it scores, the model
    owes to something else than the meaning of the words.
    """

    name = "zero_shot"
    Config = ZeroShotConfig

    def measure(self, bundle: Bundle, task: Task, config: ZeroShotConfig, *, seed: int) -> Found:
        """Scores the test records against the words for the classes."""
        from medts.evaluation import zero_shot

        return zero_shot.run(bundle, task, config, seed=seed)
