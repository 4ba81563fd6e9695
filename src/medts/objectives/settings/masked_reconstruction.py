"""Settings of masked reconstruction; the module is `medts.objectives.masked_reconstruction`."""

from typing import ClassVar, Literal

from pydantic import Field

from medts.core.errors import ConfigError
from medts.models.settings.base import EncoderSettings
from medts.models.settings.ecg_nat import TOTAL_STRIDE
from medts.objectives.settings.base import ObjectiveSettings


class MaskedReconstructionConfig(ObjectiveSettings):
    """What is hidden, and how it is reconstructed and scored; the numbers are ours."""

    module: ClassVar[str] = "medts.objectives.masked_reconstruction:MaskedReconstruction"
    needs: ClassVar[frozenset[str]] = frozenset({"maskable"})

    kind: Literal["masked_reconstruction"] = "masked_reconstruction"
    """Name of the objective in the registry."""

    unit: int = Field(default=TOTAL_STRIDE, gt=0)
    """Samples hidden together; a multiple of the encoder's total stride, 320 ms at 100 Hz."""

    hide_ratio: float = Field(default=0.6, gt=0.0, lt=1.0)
    """Share of the units of a window that are hidden; one at least, and never all of several."""

    lead_dropout_p: float = Field(default=0.5, ge=0.0, le=1.0)
    """How often a window also loses leads, which are then reconstructed over all their length."""

    lead_dropout_n: int = Field(default=6, ge=1)
    """Most leads lost at once; one always stays."""

    decoder_dim: int = Field(default=128, ge=32, multiple_of=32)
    """Width of the decoder; its heads are 32 wide."""

    decoder_depth: int = Field(default=2, ge=1)
    """Layers of the decoder."""

    decoder_kernel: int = Field(default=15, ge=1)
    """Neighbors of a token in the decoder, odd; 15 tokens of 8 samples are 1.2 s at 100 Hz."""

    smallest_std: float = Field(default=1e-2, gt=0.0)
    """Floor of the deviation that a target is divided by, in units of the model's input, so that
    the target of a flat lead is zero."""

    difference: float = Field(default=0.0, ge=0.0)
    """Weight of the mean absolute error of the step from one sample to the next."""

    def check_encoder(self, encoder: EncoderSettings) -> None:
        """Refuses units that would split tokens of an encoder that has a ``total_stride``.

        Raises:
            ConfigError: If a unit is no multiple of it.
        """
        self.check_unit(getattr(encoder, "total_stride", 1))

    def check_unit(self, stride: int) -> None:
        """Refuses units that are no multiple of ``stride`` samples.

        Raises:
            ConfigError: If a token would mix hidden and visible samples.
        """
        if self.unit % stride:
            raise ConfigError(
                f"{self.unit} samples hidden together are no multiple of the {stride} samples of a "
                "token",
                field="objective.unit",
                remedy="Choose a multiple, so that no token mixes hidden and visible samples",
            )
