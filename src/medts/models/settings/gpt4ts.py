"""Settings of GPT4TS; the network is `medts.models.baselines.gpt4ts`."""

from typing import ClassVar, Literal

from pydantic import Field

from medts.models.settings.base import OneStreamSettings
from medts.nn.settings import TextConfig


class Gpt4tsConfig(OneStreamSettings):
    """Language model and patches of a `Gpt4ts`."""

    network: ClassVar[str] = "medts.models.baselines.gpt4ts:Gpt4ts"
    sees_whole_window: ClassVar[bool] = False

    kind: Literal["gpt4ts"] = "gpt4ts"
    """Name of the encoder in the registry."""

    language_model: TextConfig = TextConfig(name="minilm", max_tokens=128)
    """The language model; its ``max_tokens`` is how much of a report a prompt may hold."""

    n_blocks: int = Field(default=6, ge=1)
    """Blocks that are used, from the lowest; 6 in the paper. A model with fewer uses all."""

    patch: int = Field(default=25, ge=1)
    """Samples per signal token, all channels together."""

    is_signal_normed: bool = True
    """Whether each channel of a window is brought to mean 0 and spread 1."""

    is_norm_trained: bool = True
    """Whether its layer norms and positions are trained, as in the paper."""

    prompt: Literal["none", "report"] = "none"
    """What stands before the patches."""

    @classmethod
    def tiny(cls) -> "Gpt4tsConfig":
        """Returns sizes for the contract suite."""
        return Gpt4tsConfig(
            language_model=TextConfig(name="random-tiny-gpt2", max_tokens=32),
            is_signal_normed=False,
        )
