"""Masked language modelling of reports: ends in a text encoder in a folder.

The folder is in the Hugging Face layout, which `medts.nn.language_model` loads by its path, with a
``provenance.json`` beside the weights that holds whose reports the model has seen and the masked
perplexity on validation, before and after.

Axes: n texts.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import torch

from medts.core.errors import StoreError
from medts.core.files import write_whole
from medts.inference.manifest import Provenance
from medts.models.report_encoder import ReportEncoder
from medts.objectives.base import Objective
from medts.objectives.masked_language import MaskedLanguage


def save_text_encoder(
    objective: Objective,
    texts: tuple[Sequence[str], Sequence[str]],
    provenance: Provenance,
    folder: Path,
) -> Path:
    """Writes the trained text encoder and its provenance.

    Args:
        objective: As trained.
        texts: Reports that trained and reports that chose.
        provenance: Of the run; perplexities are added to its selection.
        folder: Where to.
    """
    assert isinstance(objective, MaskedLanguage)
    encoder = objective.encoder
    assert isinstance(encoder, ReportEncoder)
    known = set(texts[0])
    unseen = [text for text in texts[1] if text not in known]
    before = MaskedLanguage(objective.config, encoder=ReportEncoder(encoder.config))
    found = {
        "perplexity_before": perplexity(before, texts[1]),
        "perplexity_after": perplexity(objective, texts[1]),
        "n_new_reports": float(len(unseen)),
        "head_was_fresh": float(encoder.has_fresh_head),
        "reports_cut": float(objective.n_cut(texts[0])),
    }
    if unseen:
        found["perplexity_before_of_new_reports"] = perplexity(before, unseen)
        found["perplexity_after_of_new_reports"] = perplexity(objective, unseen)
    encoder.save_language_model(folder)
    complete = provenance.but(
        init_digest=encoder.digest, selection={**provenance.selection, **found}
    )
    with write_whole(folder / "provenance.json") as target:
        target.write_text(complete.model_dump_json(indent=1), encoding="utf-8")
    return folder


@torch.no_grad()
def perplexity(objective: MaskedLanguage, texts: Sequence[str], *, batch_size: int = 64) -> float:
    """Returns masked perplexity: exp of the mean cross-entropy over the hidden tokens of all texts.

    The tokens hidden in a text depend on the text alone.
    """
    was_training = objective.training
    objective.eval()
    parts = [texts[at : at + batch_size] for at in range(0, len(texts), batch_size)]
    losses = torch.cat([objective.score(part)[0].cpu() for part in parts])
    objective.train(was_training)
    return math.exp(float(losses.double().mean()))


def seen_by(folder: str | Path) -> Provenance:
    """Returns what the folder of a report language model states of its origin.

    Raises:
        StoreError: If it states nothing, as a model from elsewhere does.
    """
    path = Path(folder) / "provenance.json"
    if not path.is_file():
        raise StoreError(
            "no provenance.json: whose reports this model has seen is unknown", path=folder
        )
    return Provenance.model_validate_json(path.read_text(encoding="utf-8"))
