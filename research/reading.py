"""Reading: a recipe made to read the streams and windows of another, so that both can be compared.

Encoder, objective and training stay; preprocessing, windows and the encoder's list of channels are
the other's. An encoder that is built for one length of window is built for that one.
"""

from medts.core.errors import ConfigError
from medts.models.settings.base import EncoderSettings
from medts.training.recipe import Recipe


def reading(recipe: Recipe, other: Recipe) -> Recipe:
    """Returns ``recipe``, reading what ``other`` reads.

    Raises:
        ConfigError: If the encoder reads one stream and the other recipe has several.
    """
    return recipe.but(
        encoder=reads_like(recipe.encoder, other),
        preprocessing=other.preprocessing,
        windowing=other.windowing,
    )


def reads_like(encoder: EncoderSettings, other: Recipe) -> EncoderSettings:
    """Returns an encoder's config with the streams, channels and window of a recipe's encoder.

    Raises:
        ConfigError: If the encoder reads one stream and the recipe has several.
    """
    streams, fields = other.encoder.inputs(), type(encoder).model_fields
    changes: dict[str, object] = {}
    if "streams" in fields:
        changes["streams"] = streams
    else:
        if len(streams) > 1:
            raise ConfigError(
                f"{encoder.kind} reads one stream, and {other.name} has {', '.join(streams)}",
                field="reads",
                remedy="Compare encoders that read several streams",
            )
        ((name, stream),) = streams.items()
        changes |= {"stream": name, "channels": stream.channels}
        if "window" in fields:
            spec = other.preprocessing.streams[name]
            changes["window"] = round(other.windowing.window_s * spec.sampling_rate)
    return encoder.but(**changes)
