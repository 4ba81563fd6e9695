"""Protocol `linear_probe`: how much of the answer lies open in the embeddings.

The encoder stays as it is and runs once per record; a linear head is trained on the training
part, its strength and the thresholds are chosen on validation. Beside it, the same probe is
trained on an untrained encoder and on simple features: what it gives above these was learnt. With
solver ``mlp`` the head has a hidden layer, and what it adds did not lie open.

Axes: n records.
"""

import numpy as np

from medts.evaluation.draws import Draw, ProbedConfig, measure_draws
from medts.evaluation.result import Result
from medts.evaluation.task import Task
from medts.inference.bundle import Bundle


class LinearProbeConfig(ProbedConfig):
    """Settings of the protocol `linear_probe`."""


def run(
    model: Bundle, task: Task, settings: LinearProbeConfig | None = None, *, seed: int = 0
) -> Result:
    """Measures a probe on the embeddings of a bundle.

    Args:
        model: Whose encoder is measured; its head is not used.
        task: With train, validation and test records.
        settings: How the probe is trained.
        seed: Of mini-batches and of the random encoder.

    Raises:
        LeakError: If the encoder has met test subjects.
        ConfigError: If the task lacks training or validation records.
    """
    settings = settings or LinearProbeConfig()
    everything = Draw(
        name="all labels",
        train=np.arange(len(task.training())),
        validation=np.arange(len(task.choosing())),
        group="all labels",
        seed=seed,
    )
    return measure_draws(model, task, [everything], settings, protocol="linear_probe", seed=seed)
