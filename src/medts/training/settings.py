"""Training settings: everything about the loop that is not about the data or the objective.

Those of a probe on frozen embeddings are here too; no file here imports torch.
"""

from typing import Literal

from pydantic import Field, model_validator
from pydantic.config import JsonDict

from medts.core.arithmetic import Precision
from medts.core.config import NOT_IDENTITY, Config

LENGTH: JsonDict = {**NOT_IDENTITY, "lengthens": True}
"""The same, of a field whose larger value, or none, makes a run go on that had ended."""


class Training(Config):
    """Hyper-parameters of the training loop: length, optimiser, schedule, precision."""

    epochs: int = Field(default=40, ge=1, json_schema_extra=LENGTH)
    """Passes over the training split. A run may be given more later: it goes on from its last
    epoch, at the learning rate that the schedule of the new length has there."""

    batch_size: int = Field(default=64, ge=1)
    """Windows per step."""

    min_updates: int = Field(default=0, ge=0, json_schema_extra=LENGTH)
    """Fewest steps of a whole run; small training splits are passed over more often."""

    learning_rate: float = Field(default=5e-3, gt=0)
    """Highest learning rate of the schedule."""

    weight_decay: float = Field(default=1e-2, ge=0)
    """AdamW's decay; biases, norms and single-column parameters have none."""

    layer_decay: float = Field(default=1.0, gt=0.0, le=1.0)
    """Factor of the learning rate from each part of the encoder to the one before it; below 1
    keeps what pretraining taught the first ones."""

    betas: tuple[float, float] = (0.9, 0.999)
    """AdamW's running averages."""

    schedule: Literal["one_cycle", "cosine", "constant"] = "one_cycle"
    """Shape of the learning rate over the run."""

    warmup_ratio: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Share of all steps in which the learning rate rises."""

    gradient_clip: float = Field(default=1.0, ge=0.0)
    """Largest gradient norm; 0 leaves gradients as they are."""

    precision: Precision = "fp32"
    """Arithmetic of the forward and backward pass; weights stay in fp32. The faster kinds are not
    exact: see `medts.core.arithmetic`."""

    monitor: Literal["score", "loss"] = "score"
    """What chooses the epoch that is kept: macro AUROC or loss, on validation."""

    patience: int | None = Field(default=None, ge=1, json_schema_extra=LENGTH)
    """Epochs without improvement on validation after which training stops; none never stops."""

    max_minutes: float | None = Field(default=None, gt=0, json_schema_extra=LENGTH)
    """Time budget of the whole run, all its stretches together; when it is over, the model is
    validated once more and the best one so far is kept. A larger one goes on."""

    device: Literal["auto", "cpu", "gpu"] = Field(default="auto", json_schema_extra=NOT_IDENTITY)
    """Where to train; ``auto`` takes a GPU where there is one."""

    n_workers: int = Field(default=0, ge=0, json_schema_extra=NOT_IDENTITY)
    """Processes that prepare batches; 0 prepares them between steps, best for cached records. The
    numbers of a run are the same for any."""

    @model_validator(mode="after")
    def _constant_rate_has_no_shape(self) -> "Training":
        if self.schedule == "one_cycle" and self.warmup_ratio == 0:
            raise ValueError("schedule 'one_cycle' needs a warmup_ratio above 0")
        return self


class ProbeConfig(Config):
    """Linear probing: solver and hyper-parameters of a probe."""

    solver: Literal["logistic", "sgd", "mlp"] = "logistic"
    """``logistic``: regularised logistic regression. ``sgd``: the papers' mini-batch training.
    ``mlp``: the same with one hidden layer of 128."""

    c_grid: tuple[float, ...] = Field(default=(1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0), min_length=1)
    """Inverse strengths of the penalty, of which validation chooses by macro AUROC."""

    default_c: float = Field(default=0.01, gt=0)
    """Inverse strength where no validation records can choose."""

    max_iterations: int = Field(default=500, ge=1)
    """Steps of the logistic solver at most."""

    epochs: int = Field(default=100, ge=1)
    """Passes over the labelled records at most, with ``sgd`` and ``mlp``."""

    patience: int = Field(default=5, ge=1)
    """Epochs without a better validation macro AUROC after which ``sgd`` and ``mlp`` stop."""

    batch_size: int = Field(default=128, ge=1)
    """Records per step of ``sgd`` and ``mlp``."""

    learning_rate: float = Field(default=1e-3, gt=0)
    """First learning rate of ``sgd`` and ``mlp``; it decays along a cosine to a hundredth."""

    weight_decay: float = Field(default=1e-4, ge=0)
    """Decoupled weight decay of ``sgd`` and ``mlp``."""
