"""Recipes of report modelling, stage 1 of MELP: a text encoder learns the wording of reports."""

from medts.core.reports import ReportSettings
from medts.models.settings.report_encoder import ReportEncoderConfig
from medts.objectives.settings.masked_language import MaskedLanguageConfig
from medts.signal.preprocess import Preprocessing
from medts.training.recipe import Recipe
from medts.training.settings import Training


def report_lm() -> Recipe:
    """MiniLM learns the wording of the reports; minutes on two cores for a thousand reports."""
    return Recipe(
        name="report_lm",
        encoder=ReportEncoderConfig(),
        objective=MaskedLanguageConfig(),
        preprocessing=Preprocessing(streams={}, reports=ReportSettings()),
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


def report_lm_as_written() -> Recipe:
    """The reports in their own languages, nothing put into English."""
    base = report_lm()
    return base.but(
        name="report_lm_as_written",
        preprocessing=base.preprocessing.but(reports=ReportSettings(translate=False)),
    )


def report_lm_test() -> Recipe:
    """Two epochs, for tests."""
    base = report_lm()
    return base.but(
        name="report_lm_test",
        objective=MaskedLanguageConfig(max_tokens=48),
        training=base.training.but(epochs=2, batch_size=16),
    )
