"""Few-shot evaluation of a frozen encoder."""

from typing import Literal

from pydantic import Field

from medts.evaluation.protocols.base import Bundle, Found, Protocol, Task
from medts.evaluation.protocols.probed import ProbedConfig


class FewShotConfig(ProbedConfig):
    """Settings of the protocol `few_shot`."""

    shots: tuple[int, ...] = Field(default=(5,), min_length=1)
    """Labelled examples per class; the result's metrics are those of the first."""

    episodes: int = Field(default=10, ge=10)
    """Draws of examples; fewer than ten say little."""

    validation: Literal["none", "k-shot"] = "none"
    """Whether as many validation examples choose the strength and the thresholds."""

    classifier: Literal["logistic", "centroid"] = "logistic"
    """Regularised logistic regression, or the nearest mean of the examples."""


class FewShot(Protocol):
    """Few-shot (k labelled examples per class) probing of a frozen encoder, in many episodes.

    An episode samples, rarest class first, until every class has k examples or all it has; an
    example with several labels counts for each. Where a label set allows records without any class,
    k of these are sampled too, or a lone class would have no negative. Examples of one class come
    from different subjects as far as they go. Classes with fewer than k are listed.

    With validation ``k-shot`` the probe's strength and the thresholds are chosen on as many
    validation examples; with ``none`` the strength is a strong default and a class is stated from
    one half on, because nothing may be chosen on test.
    """

    name = "few_shot"
    Config = FewShotConfig

    def measure(self, bundle: Bundle, task: Task, config: FewShotConfig, *, seed: int) -> Found:
        """Measures a bundle's embeddings with k examples per class."""
        from medts.evaluation import few_shot

        return few_shot.run(bundle, task, config, seed=seed)
