"""Reproduce the papers.

Settings as printed or released, as far as they are no fault of data handling; what departs
nevertheless, and why, is on the page of each paper. Most want a GPU.
"""

from medts.core.reports import ReportSettings
from medts.models.settings.medualtime import MedualTimeConfig
from medts.models.settings.melp import MelpConfig
from medts.models.settings.sparseformer import SparseformerConfig
from medts.nn.settings import TextConfig
from medts.objectives.settings.report_alignment import ReportAlignmentConfig
from medts.recipes.classify import PUBLISHED_INPUT, ecg_nat, sparseformer
from medts.recipes.pretrain import ecg_nat_pretraining
from medts.recipes.reports import medualtime, melp
from medts.recipes.sensors import crossl_ptb_xl, crossl_ptb_xl_pretraining
from medts.signal.preprocess import Preprocessing, StreamPreprocessing
from medts.training.recipe import Recipe
from medts.training.settings import Training

_CROSSL_TRAINING = Training(
    epochs=50,
    batch_size=8,
    learning_rate=1e-4,
    weight_decay=1e-4,
    schedule="constant",
    warmup_ratio=0.0,
    gradient_clip=0.0,
    monitor="loss",
    patience=5,
)


def ecg_nat_paper_pretraining() -> Recipe:
    """ECG-NAT's abstract: no lead dropout, every corpus sampled alike."""
    return ecg_nat_pretraining().but(
        objective__lead_dropout_p=0.0,
        corpus_balance=1.0,
        training__epochs=100,
        training__min_updates=0,
        training__batch_size=256,
        training__learning_rate=1.5e-4,
        training__precision="fp32",
    )


def ecg_nat_paper() -> Recipe:
    """ECG-NAT's abstract: one rate for all layers, no dropout and no LP-FT."""
    return ecg_nat().but(
        head__dropout=0.0,
        starts_from_probe=False,
        training__layer_decay=1.0,
        training__precision="fp32",
    )


def sparseformer_paper() -> Recipe:
    """Sparseformer: printed token counts and queries, ClinicalBERT."""
    return sparseformer().but(
        encoder=SparseformerConfig(
            **PUBLISHED_INPUT,
            token_counts="paper",
            query_start="learnt",
            is_summary_normed=False,
            has_granularity_embedding=False,
            prior_dim=768,
        ),
        head__text=TextConfig(name="medicalai/ClinicalBERT"),
    )


def crossl_paper_pretraining() -> Recipe:
    """CroSSL's released code: batch 8, every stream may be masked."""
    return crossl_ptb_xl_pretraining().but(
        encoder__strides=(1, 1, 1),
        encoder__dropout=0.0,
        encoder__aggregator="mlp",
        encoder__missing="zero",
        encoder__features="encoder",
        encoder__weight_init="paper",
        objective__hide_ratio=0.1,
        objective__min_visible=0,
        objective__projector_ratio=0,
        objective__invariance=10.0,
        objective__variance=10.0,
        objective__covariance=100.0,
        training=_CROSSL_TRAINING,
    )


def crossl_paper() -> Recipe:
    """CroSSL's released classifier: latents concatenated, one hidden layer."""
    encoder = crossl_paper_pretraining().encoder
    return crossl_ptb_xl().but(encoder=encoder.but(dropout=0.1), training=_CROSSL_TRAINING)


def melp_paper() -> Recipe:
    """MELP: published sizes and 64 pairs on each GPU, with a warm-up."""
    return melp().but(
        encoder=MelpConfig(
            text=TextConfig(name="ncbi/MedCPT-Query-Encoder", max_tokens=128), n_beats=10
        ),
        objective=ReportAlignmentConfig(),
        preprocessing=Preprocessing(
            streams={"ecg": StreamPreprocessing(sampling_rate=500.0, low_hz=None)},
            reports=ReportSettings(translate=False, min_words=4),
        ),
        training__epochs=100,
        training__patience=5,
        training__batch_size=64,
        training__warmup_ratio=0.02,
        training__gradient_clip=0.0,
    )


def medualtime_paper() -> Recipe:
    """MedualTime: GPT-2 small and ClinicalBERT; 907,145 trained parameters.

    The authors halve the learning rate after every epoch; ours falls by a cosine. Reports are read
    as they were written, as theirs are, codes of annotators included.
    """
    return medualtime().but(
        preprocessing=Preprocessing(),
        encoder=MedualTimeConfig(
            language_model=TextConfig(name="gpt2", max_tokens=1024),
            text_encoder=TextConfig(name="medicalai/ClinicalBERT", max_tokens=512),
            text_pool="first",
            n_adapted=11,
            is_gate_shared=True,
            is_message_normed=False,
            pool="last",
            modality_dropout=0.0,
        ),
        training=Training(
            epochs=40,
            batch_size=32,
            learning_rate=1e-3,
            schedule="cosine",
            warmup_ratio=0.0,
            gradient_clip=0.0,
            monitor="loss",
        ),
    )
