"""Subgroup (fairness) analysis: performance by age, sex, site and device."""

from itertools import pairwise

from pydantic import Field, field_validator

from medts.core.config import Config
from medts.evaluation.protocols.base import Bundle, Found, Protocol, Task


class SubgroupsConfig(Config):
    """Which facts make groups, and how small a group may be."""

    facts: tuple[str, ...] = ("age", "sex", "site", "device")
    """Facts of the records; ``age`` is cut into bands, of the others every value is a group."""

    age_edges: tuple[float, ...] = (18.0, 40.0, 60.0, 75.0)
    """Ages in years at which a new band begins."""

    least_subjects: int = Field(default=20, ge=2)
    """Groups with fewer subjects are named but not scored."""

    @field_validator("age_edges")
    @classmethod
    def _edges_rise(cls, age_edges: tuple[float, ...]) -> tuple[float, ...]:
        if any(low >= high for low, high in pairwise(age_edges)):
            raise ValueError(f"age_edges must rise, got {age_edges}")
        return age_edges


class Subgroups(Protocol):
    """Subgroup analysis (fairness): the score in each age band, sex, site and device.

    Test records are grouped by what is known about them: age band, sex, site, device. Each group
    has its own score with an interval over its subjects, and the difference to all other test
    records. Classes with fewer than ten positives in a group are named. Differences are taken over
    the classes that both sides can judge, or a group would look better for lacking a hard class.
    Their intervals combine those of the two sides as independent (MOVER; Zou and Donner 2008),
    which is right up to subjects with records on both sides, and are not corrected for the number
    of groups.
    """

    name = "subgroups"
    Config = SubgroupsConfig

    def measure(self, bundle: Bundle, task: Task, config: SubgroupsConfig, *, seed: int) -> Found:
        """Scores the test records of every group, and each group against the rest."""
        from medts.evaluation import subgroups

        return subgroups.run(bundle, task, config, seed=seed)
