"""Settings of every protocol that trains a probe on frozen embeddings."""

from pathlib import Path

from pydantic import field_validator

from medts.core.errors import unknown_name
from medts.training.settings import ProbeConfig

ENCODER_CONTROLS = ("random_encoder", "simple_features")
"""What may take the place of the encoder's embeddings; keys of `medts.evaluation.controls`."""


class ProbedConfig(ProbeConfig):
    """Settings of every protocol that trains a probe."""

    controls: tuple[str, ...] = ENCODER_CONTROLS
    """Controls that take the encoder's place beside it; majority and label shuffle always do."""

    cache: Path | None = None
    """Folder where embeddings are kept between runs; none keeps nothing."""

    @field_validator("controls")
    @classmethod
    def _controls_are_known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in ENCODER_CONTROLS:
                raise unknown_name("control", name, ENCODER_CONTROLS)
        return names
