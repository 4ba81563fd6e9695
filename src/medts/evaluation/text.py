"""Joint embeddings of recordings and texts (two-tower models), of unit length.

`TextAligned` is all that zero-shot classification and report retrieval need of a model. Inner
products of the embeddings are cosine similarities.

Axes: B windows in the batch, R records, K texts, D embedding width.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from medts.core.errors import MedtsError
from medts.core.labels import LabelSet
from medts.data.recordings import Recordings
from medts.data.reports import as_read
from medts.inference.bundle import Bundle
from medts.inference.stored import Compute, over_windows
from medts.tensors.batch import Batch


@runtime_checkable
class TextAligned(Protocol):
    """A bundle or an encoder with a text side."""

    def embed_text(self, texts: list[str]) -> Float[Tensor, "K D"]:
        """Embeds texts into the shared space."""
        ...

    def embed_batch(self, batch: Batch) -> Float[Tensor, "B D"]:
        """Embeds windows into the shared space."""
        ...


def text_side(model: Bundle) -> TextAligned | None:
    """Returns the text tower: the model itself or its encoder; None where neither reads texts."""
    for each in (model, model.encoder):
        if isinstance(each, TextAligned) and getattr(each, "reads_texts", True):
            return each
    return None


def require_text(model: Bundle) -> TextAligned:
    """Returns the text tower of a model.

    Raises:
        MedtsError: If it has no text tower.
    """
    aligned = text_side(model)
    if aligned is None:
        raise MedtsError(
            f"this model has no text tower; {model.provenance.recipe!r} reads signals only",
            field="model",
            remedy="Use a model trained on recordings and reports together, or one with a "
            "matching head",
        )
    return aligned


def without_words_of(model: Bundle, label_set: LabelSet) -> Bundle:
    """Returns the same network, from whose redacted reports further classes are removed.

    A model that reads no redacted reports is returned as it is.
    """
    reports = model.preprocessing.reports
    if reports is None or not reports.is_redacted:
        return model
    return model.with_preprocessing(model.preprocessing.but(reports=reports.hiding([label_set])))


def read_like_reports(model: Bundle, texts: Sequence[str]) -> tuple[str | None, ...]:
    """Returns texts as the model reads reports: cleaned, and in English where it was so trained.

    Nothing is struck out, and no text is too short; an empty one is None.
    """
    settings = model.preprocessing.reports
    if settings is not None:
        settings = settings.but(min_words=1, is_redacted=False, hidden_classes_of=(), stands_in="")
    return as_read(texts, settings)


def read_like_prompts(model: Bundle, phrases: Sequence[str]) -> tuple[str, ...]:
    """Returns phrases as `read_like_reports` does, fit for a template, each once.

    One that would be no report, such as an abbreviation without a word, stays as it is.
    """
    found = zip(phrases, read_like_reports(model, phrases), strict=True)
    return tuple(dict.fromkeys((read or phrase).rstrip(".") for phrase, read in found))


def reports_with_words(
    model: Bundle, store: Recordings, rows: Int[np.ndarray, "R"]
) -> tuple[Int[np.ndarray, "n"], list[str]]:
    """Returns the records whose report has words, and these reports as the model reads them."""
    column = store.column("report")
    reports = as_read([column[row] for row in rows.tolist()], model.preprocessing.reports)
    has_words = [any(map(str.isalnum, text or "")) for text in reports]
    texts = [text for text, has in zip(reports, has_words, strict=True) if text and has]
    return rows[np.array(has_words, dtype=bool)], texts


def unit_length(embedding: Float[np.ndarray, "R D"]) -> Float[np.ndarray, "R D"]:
    """L2-normalises rows; a zero row stays zero."""
    length = np.linalg.norm(embedding, axis=1, keepdims=True)
    return embedding / np.where(length > 0, length, 1.0)


def embed_texts(model: TextAligned, texts: Sequence[str]) -> Float[np.ndarray, "K D"]:
    """Returns an embedding of length one per text."""
    with torch.inference_mode():
        found = model.embed_text(list(texts)).cpu()
    return unit_length(found.double().numpy())


def embed_records(
    model: Bundle, store: Recordings, rows: Sequence[int], *, compute: Compute | None = None
) -> Float[np.ndarray, "R D"]:
    """Returns an embedding of length one per record: the mean over its windows."""
    aligned = require_text(model)

    @torch.inference_mode()
    def unit(batch: Batch) -> Float[Tensor, "B D"]:
        return torch.nn.functional.normalize(aligned.embed_batch(batch).double().cpu(), dim=1)

    return unit_length(over_windows(model, store, rows, unit, compute, dtype=torch.float64))
