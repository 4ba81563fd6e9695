"""Settings of the objective latent masking; its module is `medts.objectives.latent_masking`."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from medts.objectives.settings.base import ObjectiveSettings


class LatentMaskingConfig(ObjectiveSettings):
    """What to hide, where to compare, and how to score the agreement."""

    module: ClassVar[str] = "medts.objectives.latent_masking:LatentMasking"
    needs: ClassVar[frozenset[str]] = frozenset({"has_latents"})

    kind: Literal["latent_masking"] = "latent_masking"
    """Name of the objective in the registry."""

    strategy: Literal["spatial", "random"] = "spatial"
    """What is hidden together: all of a modality's latent, or single values of it."""

    hide_ratio: float = Field(default=0.5, ge=0.0, lt=1.0)
    """How often each present modality, or value, is hidden in a view; 0.1 in the authors' code."""

    min_visible: int = Field(default=1, ge=0)
    """Present modalities that every view keeps; 0 in the authors' code, where none may be left."""

    is_one_shared: bool = False
    """Whether some modality is visible in all views of a window; advised for three or fewer."""

    n_views: int = Field(default=2, ge=2)
    """Views of a window; its latents are computed once for all."""

    projector_ratio: int = Field(default=4, ge=0)
    """Width of the space in which views are compared, over that of the embedding; 0 compares the
    embeddings themselves, as the authors' code does."""

    invariance: float = Field(default=25.0, ge=0.0)
    """Weight of the distance between views; 10 in the authors' code."""

    variance: float = Field(default=25.0, ge=0.0)
    """Weight of the hinge that keeps every dimension spread over the batch; 10 in their code."""

    covariance: float = Field(default=1.0, ge=0.0)
    """Weight of the term that decorrelates dimensions; 100 in their code."""

    @model_validator(mode="after")
    def _whole_modalities_survive(self) -> "LatentMaskingConfig":
        if self.strategy == "random" and self.is_one_shared:
            raise ValueError("is_one_shared is about modalities: it needs strategy 'spatial'")
        return self
