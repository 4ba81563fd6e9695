"""Zero-shot scores of one recording for free prompts, by a model with a text tower.

The same arithmetic as protocol `zero_shot`, for one recording and phrases that somebody typed: the
templates around a phrase are embedded and averaged, and the score is the cosine with the mean over
the recording's windows. Scores rank prompts; they are no probabilities.

Axes: W windows, D embedding width.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from medts.core.errors import MedtsError
from medts.core.records import Record
from medts.data.windowing import windows_of
from medts.data.windows import collate
from medts.evaluation.protocols.zero_shot import ZeroShotConfig
from medts.evaluation.text import read_like_prompts, require_text, unit_length
from medts.evaluation.zero_shot import embed_classes
from medts.inference.bundle import Bundle
from medts.tensors.batch import move_to


@dataclass(frozen=True)
class PromptScore:
    """How well a recording fits a prompt.

    Args:
        prompt: Name of the prompt; the words themselves where it has no other.
        cosine: Between -1 and 1.
        score: What `zero_shot` calls likeness: (1 + cosine) / 2.
    """

    prompt: str
    cosine: float
    score: float


def score_prompts(
    model: Bundle,
    record: Record,
    prompts: Mapping[str, tuple[str, ...]],
    settings: ZeroShotConfig | None = None,
) -> list[PromptScore]:
    """Returns the score of every prompt, in their order.

    Args:
        model: A bundle that reads texts.
        record: What is scored.
        prompts: Wordings of each prompt by its name, in any language that the model's reports may
            have; they are averaged.
        settings: Templates around the wordings.

    Raises:
        MedtsError: If the model reads no texts, or there is no prompt or an empty one.
    """
    aligned, settings = require_text(model), settings or ZeroShotConfig()
    if not prompts:
        raise MedtsError("no prompt given", field="prompts", remedy="Give words to compare with")
    empty = [
        name
        for name, words in prompts.items()
        if not words or not all(any(map(str.isalnum, each)) for each in words)
    ]
    if empty:
        raise MedtsError(
            f"prompt {empty[0]!r} is empty", field="prompts", remedy="Leave it out or write it"
        )
    windows = windows_of(record, model.preprocessing, model.config.windowing)
    with torch.inference_mode():
        batch = move_to(collate(windows, model.preprocessing), model.device)
        found = aligned.embed_batch(batch).cpu().double()
    whole = unit_length(F.normalize(found, dim=1).mean(dim=0, keepdim=True).cpu().numpy())
    read = {name: read_like_prompts(model, words) for name, words in prompts.items()}
    cosine = (whole @ embed_classes(aligned, read, settings).T)[0]
    return [
        PromptScore(name, value, (1 + value) / 2)
        for name, value in zip(prompts, cosine.tolist(), strict=True)
    ]
