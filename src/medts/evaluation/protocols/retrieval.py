"""Retrieval by embeddings."""

from pydantic import Field

from medts.core.config import Config
from medts.evaluation.protocols.base import Bundle, Found, Protocol, Task


class RetrievalConfig(Config):
    """How deep to look."""

    ks: tuple[int, ...] = Field(default=(1, 5, 10), min_length=1)
    """Depths k of recall@k: the share of queries with a hit among the k nearest."""


class Retrieval(Protocol):
    """Retrieval (recall@k): subjects and reports found by the similarity of embeddings.

    Two tasks. *Subjects*: every test record looks for another record of the same person among all
    other test records; it needs nothing but an encoder. *Reports*, for models with a text side:
    every record looks for its report, and every report for its record. Reports are read as the
    model reads them, after its preprocessing. Records with equal reports cannot be distinguished by
    them, so all of them count as found, which on repetitive corpora is a large part of the score;
    chance is computed with the same hits, and stands beside every number.

    Of equal similarities the wrong ones are counted first: a constant embedding finds nothing.
    """

    name = "retrieval"
    Config = RetrievalConfig

    def measure(self, bundle: Bundle, task: Task, config: RetrievalConfig, *, seed: int) -> Found:
        """Measures identification of subjects and, where the model reads texts, of reports."""
        from medts.evaluation import retrieval

        return retrieval.run(bundle, task, config, seed=seed)
