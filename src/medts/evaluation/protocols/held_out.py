"""Held-out evaluation of a finished model."""

from dataclasses import replace

from medts.core.config import Config
from medts.evaluation.protocols.base import Bundle, Found, Protocol, Task


class HeldOutConfig(Config):
    """Settings of the protocol `held_out`: none, for everything was settled in training."""


class HeldOut(Protocol):
    """Held-out evaluation: a finished model on test folds that it was not trained on.

    Thresholds come from the bundle, which chose them on validation; test records are scored once.
    """

    name = "held_out"
    Config = HeldOutConfig
    takes_numbers = True

    def measure(self, bundle: Bundle, task: Task, config: HeldOutConfig, *, seed: int) -> Found:
        """Measures a bundle with its head and operating points; the seed is that of its run.

        Raises:
            MedtsError: If the model predicts other classes than the task's.
        """
        from medts.evaluation.head_predictions import predict_test
        from medts.evaluation.regression import score_numbers
        from medts.evaluation.scoring import score

        has_numbers = task.label_set.has_numbers
        found = score_numbers(bundle, task) if has_numbers else score(predict_test(bundle, task))
        return replace(found, seed=bundle.provenance.seed)
