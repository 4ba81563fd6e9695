"""Recipes of report modelling, stage 1 of MELP: a text encoder learns the wording of reports.

They name the encoder to start from, what is done to the reports, and the training; the run is in
`medts.recipes.report_modelling`.
"""

from pydantic import Field, model_validator

from medts.core.config import Config
from medts.core.reports import ReportSettings
from medts.objectives.settings.masked_language import MaskedLanguageConfig
from medts.training.settings import Training


class ReportModelling(Config):
    """Text encoder, objective, what is done to the reports, and training."""

    name: str
    """Name in the list of pretraining recipes."""

    text: str = Field(default="minilm", min_length=1)
    """Encoder to start from: ``minilm``, a local folder, or a model of the Hugging Face hub."""

    objective: MaskedLanguageConfig = MaskedLanguageConfig()
    """What is hidden."""

    reports: ReportSettings = ReportSettings()
    """What is done to the reports before they are read."""

    training: Training = Training(monitor="loss")
    """Optimiser, schedule, length and precision."""

    @model_validator(mode="after")
    def _there_are_no_labels(self) -> "ReportModelling":
        if self.training.monitor != "loss":
            raise ValueError("report modelling has no labels: training.monitor must be 'loss'")
        return self


def report_lm() -> ReportModelling:
    """MiniLM learns the wording of the reports; minutes on two cores for a thousand reports."""
    return ReportModelling(
        name="report_lm",
        training=Training(
            epochs=20,
            batch_size=32,
            learning_rate=2e-4,
            weight_decay=0.01,
            betas=(0.9, 0.98),
            schedule="cosine",
            warmup_ratio=0.1,
            monitor="loss",
        ),
    )


def report_lm_as_written() -> ReportModelling:
    """The reports in their own languages, nothing put into English."""
    return report_lm().but(name="report_lm_as_written", reports=ReportSettings(translate=False))


def report_lm_test() -> ReportModelling:
    """Two epochs, for tests."""
    base = report_lm()
    return base.but(
        name="report_lm_test",
        objective=MaskedLanguageConfig(max_tokens=48),
        training=base.training.but(epochs=2, batch_size=16),
    )
