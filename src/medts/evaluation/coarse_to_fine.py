"""Protocol `coarse_to_fine`: an encoder taught coarse classes meets finer ones with k examples.

MedualTime trains on four grades of abnormality and probes five classes; superclasses and their
subclasses are another pair. The encoder stays as it was trained on the coarse label set; what is
drawn, trained and chosen for the fine one is `medts.evaluation.few_shot`, word for word. Classes
too rare to be drawn or to be measured are left out first, and named.

Axes: K classes.
"""

from pydantic import Field

from medts.core.errors import ConfigError
from medts.evaluation import few_shot
from medts.evaluation.few_shot import FewShotConfig
from medts.evaluation.result import Result
from medts.evaluation.task import Task, restrict
from medts.inference.bundle import Bundle


class CoarseToFineConfig(FewShotConfig):
    """Settings of the protocol `coarse_to_fine`, besides those of `few_shot`."""

    min_train: int = Field(default=10, ge=1)
    """Training examples from which on a fine class takes part."""

    min_test: int = Field(default=10, ge=1)
    """Test examples from which on a fine class takes part."""


def run(
    model: Bundle, task: Task, settings: CoarseToFineConfig | None = None, *, seed: int = 0
) -> Result:
    """Measures a bundle's embeddings on a finer label set with k examples per class.

    Args:
        model: Trained on a coarse label set; its head is not used.
        task: Of the fine label set, with train and test records.
        settings: Shots, episodes, classifier, and how rare a class may be.
        seed: Of the first episode.

    Raises:
        LeakError: If the encoder has met test subjects.
        ConfigError: If the label set is the one the model was taught, or too few classes are left.
    """
    settings = settings or CoarseToFineConfig()
    taught = model.labels.label_set
    if taught is not None and taught.name == task.label_set.name:
        raise ConfigError(
            f"the model was taught {taught.name} itself",
            field="label_set",
            remedy="Give a finer label set, or use the protocol `few_shot`",
        )
    finer, left_out = restrict(task, min_train=settings.min_train, min_test=settings.min_test)
    passed_on = {name: getattr(settings, name) for name in FewShotConfig.model_fields}
    result = few_shot.run(model, finer, FewShotConfig(**passed_on), seed=seed)
    origin = "without labels" if taught is None else f"with {taught.name}"
    notes = [f"the encoder was taught {origin}"]
    if left_out:
        notes.append(f"classes with too few examples were left out: {', '.join(left_out)}")
    chosen = {name: value for name, value in result.settings.items() if name not in passed_on}
    return result.but(
        protocol="coarse_to_fine",
        settings=settings.model_dump(mode="json") | chosen,
        notes=(*result.notes, *notes),
    )
