"""Settings of blocks that several models and objectives use: text models and views."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from medts.core.config import Config

QueryStart = Literal["learnt", "local"]
"""What a query holds before it reads: itself alone, or its part of the tokens as well."""


class TextConfig(Config):
    """A frozen language model, by name."""

    name: str = Field(default="minilm", min_length=1)
    """``minilm``, a local folder, or a model of the Hugging Face hub."""

    max_tokens: int = Field(default=128, ge=4)
    """Tokens of a text that are read, special ones included; longer texts are cut and counted."""


class ViewsConfig(Config):
    """How much a view differs from its window; zeros (and a crop of 1) leave it as it is."""

    crop_ratio: float = Field(default=0.5, gt=0.0, le=1.0)
    """Shortest share of a window that is kept, from a random place; 1 keeps all of it."""

    is_stretched: bool = False
    """Whether what is kept is stretched to the window's length, which slows the rhythm down."""

    gain: float = Field(default=0.2, ge=0.0)
    """Largest change of amplitude: a factor from 1 / (1 + gain) to 1 + gain on all channels."""

    wander: float = Field(default=0.2, ge=0.0)
    """Largest amplitude of a slow sine on each channel, over its standard deviation."""

    wander_hz: tuple[float, float] = (0.05, 0.5)
    """Lowest and highest frequency of that sine, Hz."""

    noise: float = Field(default=0.1, ge=0.0)
    """Largest standard deviation of white noise on each channel, over that of the channel."""

    hide_ratio: float = Field(default=0.2, ge=0.0, lt=1.0)
    """Longest stretch set to zero in all channels, as a share of the view."""

    drop_probability: float = Field(default=0.5, ge=0.0, le=1.0)
    """How often a window loses channels; one always stays."""

    drop_most: int = Field(default=6, ge=1)
    """Most channels lost at once."""

    drop_least: int = Field(default=1, ge=1)
    """Fewest channels lost by a window that loses any, as far as it has so many to lose."""

    @field_validator("wander_hz")
    @classmethod
    def _band_is_in_order(cls, wander_hz: tuple[float, float]) -> tuple[float, float]:
        if not 0 < wander_hz[0] <= wander_hz[1]:
            raise ValueError(f"wander_hz must rise from above 0, got {wander_hz}")
        return wander_hz

    @model_validator(mode="after")
    def _least_is_not_above_most(self) -> "ViewsConfig":
        if self.drop_least > self.drop_most:
            raise ValueError(f"drop_least {self.drop_least} is above drop_most {self.drop_most}")
        return self
