"""Linear probing of a frozen encoder."""

import numpy as np

from medts.evaluation.protocols.base import Bundle, Found, Protocol, Task
from medts.evaluation.protocols.probed import ProbedConfig


class LinearProbeConfig(ProbedConfig):
    """Settings of the protocol `linear_probe`."""


class LinearProbe(Protocol):
    """Linear probing of a frozen encoder: how much of the labels lies open in the embeddings.

    The encoder runs once per record; a linear head is trained on the training part, its strength
    and the thresholds are chosen on validation. Beside it, the same probe is trained on an
    untrained encoder and on simple features: what it gives above these was learnt. With solver
    ``mlp`` the head has a hidden layer, and what it adds did not lie open.
    """

    name = "linear_probe"
    Config = LinearProbeConfig

    def measure(self, bundle: Bundle, task: Task, config: LinearProbeConfig, *, seed: int) -> Found:
        """Measures one probe trained on all labels.

        Args:
            bundle: Whose encoder is measured; its head is not used.
            task: With train, validation and test records.
            config: How the probe is trained.
            seed: Of mini-batches and of the random encoder.

        Raises:
            ConfigError: If the task lacks training or validation records.
        """
        from medts.evaluation.draws import Draw, measure_draws

        everything = Draw(
            name="all labels",
            train=np.arange(len(task.training())),
            validation=np.arange(len(task.choosing())),
            group="all labels",
            seed=seed,
        )
        return measure_draws(bundle, task, [everything], config, seed=seed)
