"""Transfer (external validation): to another corpus or label set."""

from pydantic import Field

from medts.core.config import Config
from medts.evaluation.protocols.base import Bundle, Found, Protocol, Task


class TransferConfig(Config):
    """Which class of the model stands for which class of the target corpus."""

    mapping: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Target class to source classes; empty takes the ontology's."""


class Transfer(Protocol):
    """Transfer (external validation): a model of one corpus on another, classes matched by name.

    Nothing is retrained and nothing is chosen on the target corpus. Classes are matched by meaning
    through `medts.data.ontology`, or by the mapping given; target classes without a counterpart are
    left out and listed. Where several source classes mean one target class, its probability is the
    largest of theirs, and its threshold the highest of theirs, so that every statement is backed by
    a source class that the model itself states. MELP (arXiv 2506.21803, §4.5) leaves the rule open.
    """

    name = "transfer"
    Config = TransferConfig

    def measure(self, bundle: Bundle, task: Task, config: TransferConfig, *, seed: int) -> Found:
        """Scores a model on another corpus's label set."""
        from medts.evaluation import transfer

        return transfer.run(bundle, task, config, seed=seed)
