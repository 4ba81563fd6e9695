"""Recipes of MELP: reports teach an ECG encoder at three levels.

``melp_paper`` keeps to the sizes and settings of the paper and its released code; ``melp`` is for
one GPU, ``melp_small`` for two cores. A variant switches levels off, shuffles the pairs, or reads
the ECG with another tower. To leave out stage 1, the language model adapted to cardiology, or to
put it in, name another ``--encoder.text.name``.

The published learning rate collapses without a warm-up; every recipe here has one.
"""

from medts.core.reports import ReportSettings
from medts.data.windowing import Windowing
from medts.models.settings.ecg_nat import EcgNatConfig
from medts.models.settings.heads import HeadConfig
from medts.models.settings.melp import MelpConfig
from medts.models.settings.melp_tower import MelpTowerConfig
from medts.models.settings.sparseformer import SparseformerConfig
from medts.nn.settings import TextConfig
from medts.objectives.settings.report_alignment import ReportAlignmentConfig
from medts.signal.preprocess import Preprocessing, StreamPreprocessing
from medts.training.recipe import Recipe
from medts.training.settings import Training


def melp() -> Recipe:
    """Three levels at half the paper's width, on 100 Hz; hours on one GPU."""
    return Recipe(
        name="melp",
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
        preprocessing=Preprocessing(reports=ReportSettings()),
        windowing=Windowing(window_s=10.0, stride_s=10.0),
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


def melp_paper() -> Recipe:
    """The published sizes and settings, for several GPUs of 64 pairs each, with a warm-up."""
    base = melp()
    return base.but(
        name="melp_paper",
        encoder=MelpConfig(
            text=TextConfig(name="ncbi/MedCPT-Query-Encoder", max_tokens=128), n_beats=10
        ),
        objective=ReportAlignmentConfig(),
        preprocessing=Preprocessing(
            streams={"ecg": StreamPreprocessing(sampling_rate=500.0, low_hz=None)},
            reports=ReportSettings(translate=False, min_words=4),
        ),
        training=base.training.but(
            epochs=100, patience=5, batch_size=64, warmup_ratio=0.02, gradient_clip=0.0
        ),
    )


def melp_small() -> Recipe:
    """Three levels in sizes for two cores."""
    base = melp()
    return base.but(
        name="melp_small",
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
        objective=ReportAlignmentConfig(n_drawn_words=1024, sentence_hiding=0.5),
        training=base.training.but(epochs=25, batch_size=64, learning_rate=5e-4, weight_decay=0.05),
    )


def melp_small_as_written() -> Recipe:
    """A control: German and Swedish reports are cleaned and stay what they are."""
    return melp_small().but(
        name="melp_small_as_written",
        preprocessing=Preprocessing(reports=ReportSettings(translate=False)),
    )


def melp_small_rhythm() -> Recipe:
    """One level: the recording and its whole report."""
    return _without(melp_small(), "melp_small_rhythm", beat=0.0, token=0.0)


def melp_small_rhythm_beat() -> Recipe:
    """Two levels: whole reports and their sentences."""
    return _without(melp_small(), "melp_small_rhythm_beat", token=0.0)


def melp_small_rhythm_token() -> Recipe:
    """Two levels: whole reports and their words."""
    return _without(melp_small(), "melp_small_rhythm_token", beat=0.0)


def melp_small_whole_reports() -> Recipe:
    """An ablation: the rhythm level reads whole reports alone, as in the paper."""
    base = melp_small()
    objective = base.objective.but(sentence_hiding=0.0)
    return base.but(name="melp_small_whole_reports", objective=objective)


def melp_small_shuffled() -> Recipe:
    """A control: every recording gets the report of another, so that nothing can be learnt."""
    base = melp_small()
    return base.but(name="melp_small_shuffled", objective=base.objective.but(shuffles_pairs=True))


def melp_small_ecg_nat() -> Recipe:
    """Three levels with ECG-NAT as ECG tower."""
    return _with_tower(melp_small(), "melp_small_ecg_nat", EcgNatConfig(size="tiny"))


def melp_small_sparseformer() -> Recipe:
    """Three levels with Sparseformer as ECG tower."""
    tower = SparseformerConfig(prior_dim=0)
    return _with_tower(melp_small(), "melp_small_sparseformer", tower)


def melp_small_finetuning() -> Recipe:
    """Classifies with the ECG side of ``melp_small`` alone, from scratch or after pretraining."""
    base = melp_small()
    assert isinstance(base.encoder, MelpConfig)
    return Recipe(
        name="melp_small",
        encoder=base.encoder.but(text=None, decoder_layers=0, n_caption_queries=0),
        head=HeadConfig(hidden=0, dropout=0.1, normalise=False),
        windowing=base.windowing,
        training=Training(
            epochs=30,
            min_updates=500,
            batch_size=32,
            learning_rate=5e-4,
            weight_decay=0.05,
            schedule="cosine",
        ),
    )


def melp_test() -> Recipe:
    """Seconds on one core; for tests."""
    base = melp_small()
    return base.but(
        name="melp_test",
        encoder=MelpConfig(
            tower=MelpTowerConfig(
                n_convs=3,
                conv_dim=16,
                is_amplitude_kept=True,
                conv_gradient=1.0,
                dim=32,
                depth=1,
                n_heads=2,
                hidden=64,
                position_kernel=16,
            ),
            text=TextConfig(name="minilm", max_tokens=48),
            shared_dim=32,
            n_beats=4,
            n_pooler_heads=2,
            n_caption_queries=4,
            caption_dim=32,
            decoder_layers=1,
            decoder_dim=32,
            decoder_heads=2,
        ),
        windowing=Windowing(window_s=5.0, stride_s=5.0),
        training=base.training.but(epochs=2, batch_size=16, learning_rate=1e-3),
    )


def _without(recipe: Recipe, name: str, **weights: float) -> Recipe:
    """Switches levels off; without the token level there is no decoder to keep."""
    assert isinstance(recipe.encoder, MelpConfig)
    encoder = recipe.encoder
    if weights.get("token") == 0:
        encoder = encoder.but(decoder_layers=0, n_caption_queries=0)
    objective = recipe.objective.but(**weights)
    return recipe.but(name=name, encoder=encoder, objective=objective)


def _with_tower(recipe: Recipe, name: str, tower: EcgNatConfig | SparseformerConfig) -> Recipe:
    assert isinstance(recipe.encoder, MelpConfig)
    return recipe.but(name=name, encoder=recipe.encoder.but(tower=tower))
