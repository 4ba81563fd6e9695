"""Cross-validation of a probe over subjects."""

from pydantic import Field

from medts.evaluation.protocols.base import Bundle, Found, Protocol, Task
from medts.evaluation.protocols.probed import ProbedConfig


class CrossValidationConfig(ProbedConfig):
    """Settings of cross-validation over subjects."""

    n_folds: int = Field(default=5, ge=3)
    """Folds; as many as there are subjects leaves each one out in turn."""


class CrossValidation(Protocol):
    """Cross-validation over subjects: each is tested once, by a probe trained on others.

    For corpora with too few people for one test part. Subjects are dealt into folds that hold the
    classes in nearly equal shares; with one fold as test, the next one chooses and all others
    train. The predictions of all folds are pooled and scored at once, with intervals over
    subjects.

    Rankings then compare probabilities of different probes, which is fair only as far as these are
    calibrated alike, so each fold's own score stands beside as a condition. Statements are made at
    each fold's own thresholds: probabilities are bent so that the threshold of their fold falls on
    one half, which changes no ranking within a fold.
    """

    name = "cross_validation"
    Config = CrossValidationConfig

    def measure(
        self, bundle: Bundle, task: Task, config: CrossValidationConfig, *, seed: int
    ) -> Found:
        """Measures a linear probe on every record of the task's test part, each tested once."""
        from medts.evaluation import cross_validation

        return cross_validation.run(bundle, task, config, seed=seed)
