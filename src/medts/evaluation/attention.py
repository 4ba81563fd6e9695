"""Attention of sentences: which part of an ECG a sentence is related to by a MELP model.

Attention shows where a model looked, not why, and a model that looks at the right place may
still be wrong. It is drawn by `medts.report.sentences`.

Axes: S sentences, N signal tokens.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from medts.core.errors import ConfigError
from medts.core.records import Record, Stream
from medts.data.windowing import windows_of
from medts.data.windows import collate
from medts.inference.bundle import Bundle
from medts.models.melp import Melp
from medts.signal.preprocess import regroup


def attention_of(
    model: Bundle, record: Record, sentences: Sequence[str]
) -> Float[np.ndarray, "S N"]:
    """Returns the attention of each sentence to each token of the first window; sums to 1.

    Raises:
        ConfigError: If the model has no beats, or reads no texts.
    """
    batch = collate(
        windows_of(record, model.preprocessing, model.config.windowing)[:1], model.preprocessing
    )
    return _encoder(model).relevance(batch, sentences)[0].double().numpy()


def attended_stream(model: Bundle, record: Record) -> Stream:
    """Returns the recording that the tokens of `attention_of` were read from.

    Raises:
        ConfigError: If the model has no beats.
    """
    return regroup(record, model.preprocessing).streams[_encoder(model).config.stream]


def _encoder(model: Bundle) -> Melp:
    if not isinstance(model.encoder, Melp):
        raise ConfigError(
            f"{model.provenance.recipe!r} does not relate sentences to beats",
            field="model",
            remedy="Use a bundle of a recipe such as melp",
        )
    return model.encoder
