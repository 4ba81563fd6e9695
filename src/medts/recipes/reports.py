"""Learn from reports.

MELP (arXiv:2506.21803): contrastive pretraining of an ECG encoder with reports, at three levels.
The published learning rate collapses without a warm-up; every recipe has one. MedualTime
(arXiv:2406.06620): one frozen language model with adapters for signal and report. A report states
much of the labels: never state a fused score without ``--encoder.reads text``,
``--encoder.reads signal``, `text_linear` and the protocol ``text_controls`` beside it.
"""

from medts.core.reports import ReportSettings
from medts.data.windowing import Windowing
from medts.models.settings.heads import HeadConfig
from medts.models.settings.medualtime import MedualTimeConfig
from medts.models.settings.melp import MelpConfig
from medts.models.settings.melp_tower import MelpTowerConfig
from medts.models.settings.report_encoder import ReportEncoderConfig
from medts.nn.settings import TextConfig
from medts.objectives.settings.dual_contrast import DualContrastConfig
from medts.objectives.settings.masked_language import MaskedLanguageConfig
from medts.objectives.settings.report_alignment import ReportAlignmentConfig
from medts.signal.preprocess import Preprocessing
from medts.training.recipe import Recipe
from medts.training.settings import Training

_REPORTS = Preprocessing(reports=ReportSettings())
_WINDOWS = Windowing(window_s=10.0, stride_s=10.0)


def melp() -> Recipe:
    """MELP: contrastive pretraining with reports, half the width; one GPU."""
    return Recipe(
        encoder=MelpConfig(
            tower=MelpTowerConfig(
                n_convs=2, dim=384, n_heads=6, hidden=1536, position_kernel=96, conv_gradient=1.0
            ),
            text=TextConfig(name="minilm", max_tokens=128),
            n_frozen_text_layers=3,
            n_caption_queries=64,
            caption_dim=384,
            decoder_layers=4,
            decoder_dim=384,
        ),
        objective=ReportAlignmentConfig(sentence_hiding=0.5),
        preprocessing=_REPORTS,
        windowing=_WINDOWS,
        training=Training(
            epochs=40,
            batch_size=128,
            learning_rate=2e-4,
            weight_decay=0.2,
            betas=(0.9, 0.95),
            schedule="cosine",
            warmup_ratio=0.15,
            precision="bf16",
            monitor="loss",
        ),
    )


def melp_small() -> Recipe:
    """MELP for two cores; then `medts zero-shot` and `medts draft`."""
    return melp().but(
        encoder=MelpConfig(
            tower=MelpTowerConfig(
                n_convs=3,
                conv_dim=96,
                is_amplitude_kept=True,
                conv_gradient=1.0,
                dim=192,
                depth=4,
                n_heads=4,
                hidden=576,
                position_kernel=32,
            ),
            text=TextConfig(name="minilm", max_tokens=96),
            n_frozen_text_layers=4,
            shared_dim=128,
            n_caption_queries=24,
            caption_dim=128,
            decoder_layers=2,
            decoder_dim=96,
            decoder_heads=4,
        ),
        objective__n_drawn_words=1024,
        training__epochs=25,
        training__batch_size=64,
        training__learning_rate=5e-4,
        training__weight_decay=0.05,
    )


def melp_small_finetuning() -> Recipe:
    """MELP's ECG side with labels, from scratch or with `--init`."""
    return Recipe(
        encoder=melp_small().encoder.but(text=None, decoder_layers=0, n_caption_queries=0),
        head=HeadConfig(hidden=0, dropout=0.1, normalise=False),
        windowing=_WINDOWS,
        training=Training(
            epochs=30,
            min_updates=500,
            batch_size=32,
            learning_rate=5e-4,
            weight_decay=0.05,
            schedule="cosine",
        ),
    )


def report_lm() -> Recipe:
    """Masked language modelling of reports, stage 1 of MELP; minutes."""
    return Recipe(
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


def medualtime() -> Recipe:
    """MedualTime: adapters for signal and report in a frozen MiniLM."""
    return Recipe(
        encoder=MedualTimeConfig(),
        head=HeadConfig(hidden=0, dropout=0.0, normalise=False),
        preprocessing=_REPORTS,
        windowing=_WINDOWS,
        training=Training(epochs=20, batch_size=32, learning_rate=1e-3, schedule="cosine"),
    )


def medualtime_small() -> Recipe:
    """MedualTime for two cores: longer patches, half the blocks adapted."""
    return medualtime().but(
        encoder__language_model__max_tokens=64,
        encoder__n_adapted=3,
        encoder__patch=50,
        encoder__conv_widths=(32, 64, 64),
        encoder__conv_stride=4,
        training__epochs=8,
        training__precision="bf16",
    )


def medualtime_pretraining() -> Recipe:
    """MedualTime: contrastive pretraining of views, signal and report."""
    return Recipe(
        encoder=MedualTimeConfig(),
        objective=DualContrastConfig(),
        preprocessing=_REPORTS,
        windowing=_WINDOWS,
        training=Training(
            epochs=4, batch_size=64, learning_rate=1e-3, schedule="cosine", monitor="loss"
        ),
    )
