"""Protocol `linear_probe`: linear probing of a frozen encoder on all labels."""

import numpy as np

from medts.evaluation.protocols.base import Bundle, Found, Protocol, Task
from medts.evaluation.protocols.probed import ProbedConfig


class LinearProbeConfig(ProbedConfig):
    """Settings of the protocol `linear_probe`."""


class LinearProbe(Protocol):
    """Linear probing of a frozen encoder.

    The encoder runs once per record; a linear head is trained on the training part, its strength
    and the thresholds are chosen on validation. Controls: the same probe on an untrained encoder
    and on simple features. With solver ``mlp`` the head has a hidden layer.
    """

    name = "linear_probe"
    Config = LinearProbeConfig

    def measure(self, bundle: Bundle, task: Task, config: LinearProbeConfig, *, seed: int) -> Found:
        """Trains one probe on all labels.

        Raises:
            ConfigError: If the task lacks training or validation records.
        """
        from medts.evaluation.probing import LabelSubset, measure_probes

        everything = LabelSubset(
            name="all labels",
            train=np.arange(len(task.training())),
            validation=np.arange(len(task.choosing())),
            group="all labels",
            seed=seed,
        )
        return measure_probes(bundle, task, [everything], config, seed=seed)
