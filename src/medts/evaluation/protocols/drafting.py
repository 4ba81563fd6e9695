"""Report generation."""

from pydantic import Field

from medts.core.config import Config
from medts.evaluation.protocols.base import Bundle, Found, Protocol, Task


class DraftingConfig(Config):
    """How long drafts may be, and how often subjects and drafts are resampled."""

    max_tokens: int = Field(default=64, ge=1)
    """Tokens of a draft, at most."""

    n_resamples: int = Field(default=200, ge=20)
    """Resamples of the test subjects behind each interval."""

    n_exchanges: int = Field(default=20, ge=1)
    """Ways in which the control exchanges drafts."""


class Drafting(Protocol):
    """Report generation (BLEU, ROUGE-L, findings): drafts beside the written reports.

    The model drafts from the first window of every test record; nothing is trained. Words are
    compared by BLEU and ROUGE-L, and what is stated by the findings of the ontology: a
    fluent draft of another person's heart scores well in words. Written reports are read as the
    model reads them, cleaned and in the language it was trained in. Records whose report has no
    words are left out.

    Controls: ``exchanged`` gives every record the draft of another one, which keeps fluency and
    loses the heart; ``commonest_report`` drafts the most frequent training report for everyone.
    """

    name = "drafting"
    Config = DraftingConfig

    def measure(self, bundle: Bundle, task: Task, config: DraftingConfig, *, seed: int) -> Found:
        """Drafts a report for every test record and compares it with the written one."""
        from medts.evaluation import drafting

        return drafting.run(bundle, task, config, seed=seed)
