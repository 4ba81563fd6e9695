"""Recipes of CroSSL: pretraining by latent masking, and fine-tuning, on four corpora.

Window lengths are those of the records, rates and bands ours: the authors published neither, nor
their preprocessing. ``_paper`` is what their released code does (batch 8, no guarantee of a
survivor, weights 10, 10 and 100 on the embedding itself), so far as it is no fault of data
handling; see ``docs/papers/crossl.md``. Recipes of ``medts train`` start from a pretrained
bundle with ``--init`` and are the supervised baseline without it.
"""

from medts.core.montage import LEAD_GROUPS, SCALP_REGIONS
from medts.data.windowing import Windowing
from medts.models.settings.base import StreamInput
from medts.models.settings.crossl import CrosslConfig
from medts.models.settings.heads import HeadConfig
from medts.objectives.settings.latent_masking import LatentMaskingConfig
from medts.signal.preprocess import Preprocessing, StreamPreprocessing, split_stream
from medts.training.recipe import Recipe
from medts.training.settings import Training

_ECG = StreamPreprocessing()

WISDM = Preprocessing(
    streams={
        "watch-acc": StreamPreprocessing(
            modality="acc", channels=("x", "y", "z"), unit="g", sampling_rate=20.0,
            low_hz=None, keeps_level=True, scale=1.0,
        ),
        "watch-gyro": StreamPreprocessing(
            modality="gyro", channels=("x", "y", "z"), unit="rad/s", sampling_rate=20.0,
            low_hz=None, keeps_level=True, scale=2.0,
        ),
    }
)  # fmt: skip
"""The two sensors of the watch; gravity, which tells how the arm is held, stays in."""

EEGMAT = Preprocessing(
    streams=split_stream(
        "eeg",
        SCALP_REGIONS,
        StreamPreprocessing(
            modality="eeg", unit="µV", sampling_rate=128.0, low_hz=0.5, high_hz=45.0, scale=10.0
        ),
    )
    | {"ecg": _ECG.but(channels=("ECG",), sampling_rate=128.0)}
)
"""Five regions of the scalp and one ECG, in the band in which they were recorded."""

PTB_XL = Preprocessing(streams=split_stream("ecg", LEAD_GROUPS, _ECG))
"""The twelve leads as four groups of three."""

BIDMC = Preprocessing(
    streams={
        "ecg": _ECG.but(channels=("II",), sampling_rate=125.0),
        "ppg": StreamPreprocessing(
            modality="ppg", channels=("PLETH",), unit="a.u.", sampling_rate=62.5, low_hz=0.3,
            scale=0.2,
        ),
        "resp": StreamPreprocessing(
            modality="resp", channels=("RESP",), unit="a.u.", sampling_rate=25.0, low_hz=0.05,
            scale=0.2,
        ),
        "abp": StreamPreprocessing(
            modality="abp", channels=("ABP",), unit="mmHg", sampling_rate=62.5, low_hz=0.3,
            scale=20.0,
        ),
    }
)  # fmt: skip
"""ECG, pulse and breath of every recording, and blood pressure where it is called ABP, not ART."""

_HEAD = HeadConfig(hidden=128, dropout=0.1, normalise=False)


def inputs_of(preprocessing: Preprocessing) -> dict[str, StreamInput]:
    """Returns what an encoder reads of the streams that preprocessing makes."""
    return {
        name: StreamInput(channels=spec.channels, sampling_rate=spec.sampling_rate)
        for name, spec in preprocessing.streams.items()
    }


def latent_masking(
    name: str, preprocessing: Preprocessing, *, window_s: float, crops_per_record: int | None = 1
) -> Recipe:
    """Pretrains on the streams that preprocessing makes; the recipes below name corpora."""
    return Recipe(
        name=name,
        encoder=CrosslConfig(streams=inputs_of(preprocessing)),
        objective=LatentMaskingConfig(),
        preprocessing=preprocessing,
        windowing=Windowing(
            window_s=window_s, stride_s=window_s, crops_per_record=crops_per_record
        ),
        training=Training(
            epochs=50,
            min_updates=300,
            batch_size=128,
            learning_rate=1e-3,
            weight_decay=1e-4,
            schedule="cosine",
            monitor="loss",
            patience=10,
        ),
    )


def fine_tuning(name: str, pretraining: Recipe) -> Recipe:
    """Fine-tunes all weights of a pretrained encoder, or trains them from scratch."""
    windowing = pretraining.windowing
    return Recipe(
        name=name,
        encoder=pretraining.encoder,
        head=_HEAD,
        preprocessing=pretraining.preprocessing,
        windowing=windowing.but(crops_per_record=1),
        training=Training(
            epochs=20,
            min_updates=150,
            batch_size=64,
            learning_rate=1e-3,
            weight_decay=1e-2,
            schedule="cosine",
        ),
    )


def as_released(base: Recipe) -> Recipe:
    """Returns what the authors' code does on the same streams and windows."""
    return base.but(
        name=f"{base.name.removesuffix('_pretraining')}_paper_pretraining",
        encoder=CrosslConfig(
            streams=inputs_of(base.preprocessing),
            strides=(1, 1, 1),
            dropout=0.0,
            aggregator="mlp",
            missing="zero",
            features="encoder",
            weight_init="paper",
        ),
        objective=LatentMaskingConfig(
            hide_ratio=0.1,
            min_visible=0,
            projector_ratio=0,
            invariance=10.0,
            variance=10.0,
            covariance=100.0,
        ),
        training=_as_released(),
    )


def fine_tuning_as_released(name: str, pretraining: Recipe) -> Recipe:
    """Returns the authors' classifier: latents side by side, one hidden layer of 128."""
    base = fine_tuning(f"{name}_paper", pretraining)
    encoder = pretraining.encoder
    assert isinstance(encoder, CrosslConfig)
    return base.but(encoder=encoder.but(dropout=0.1), training=_as_released())


def _as_released() -> Training:
    return Training(
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


def crossl_wisdm_pretraining() -> Recipe:
    """Hides one of a watch's two sensors from the other, in windows of ten seconds."""
    return latent_masking("crossl_wisdm_pretraining", WISDM, window_s=10.0)


def crossl_eegmat_pretraining() -> Recipe:
    """Hides scalp regions and ECG from each other, in windows of four seconds."""
    return latent_masking("crossl_eegmat_pretraining", EEGMAT, window_s=4.0)


def crossl_ptb_xl_pretraining() -> Recipe:
    """Hides lead groups of an ECG from each other, in windows of ten seconds."""
    return latent_masking("crossl_ptb_xl_pretraining", PTB_XL, window_s=10.0)


def crossl_bidmc_pretraining() -> Recipe:
    """Hides ECG, pulse, breath and blood pressure from each other; the corpus has no classes."""
    return latent_masking("crossl_bidmc_pretraining", BIDMC, window_s=10.0, crops_per_record=None)


def crossl_test_pretraining() -> Recipe:
    """Seconds on one core; for tests."""
    base = latent_masking("crossl_test_pretraining", PTB_XL, window_s=4.0)
    return base.but(
        encoder=CrosslConfig(streams=inputs_of(PTB_XL), latent_dim=16, dim=8, strides=(4, 4, 2)),
        training=base.training.but(epochs=2, min_updates=0, batch_size=16),
    )


def crossl_wisdm_paper_pretraining() -> Recipe:
    """The authors' code on a watch's two sensors."""
    return as_released(crossl_wisdm_pretraining())


def crossl_eegmat_paper_pretraining() -> Recipe:
    """The authors' code on scalp regions and ECG."""
    return as_released(crossl_eegmat_pretraining())


def crossl_ptb_xl_paper_pretraining() -> Recipe:
    """The authors' code on lead groups of an ECG."""
    return as_released(crossl_ptb_xl_pretraining())


def crossl_wisdm() -> Recipe:
    """Tells eighteen activities by a watch; from scratch, or from ``--init``."""
    return fine_tuning("crossl_wisdm", crossl_wisdm_pretraining())


def crossl_eegmat() -> Recipe:
    """Tells rest from mental arithmetic; there is three times as much rest."""
    base = fine_tuning("crossl_eegmat", crossl_eegmat_pretraining())
    return base.but(objective=base.objective.but(class_balance=1.0))


def crossl_ptb_xl() -> Recipe:
    """Diagnoses from four lead groups; from scratch, or from ``--init``."""
    return fine_tuning("crossl_ptb_xl", crossl_ptb_xl_pretraining())


def crossl_test() -> Recipe:
    """Seconds on one core; for tests."""
    base = fine_tuning("crossl_test", crossl_test_pretraining())
    return base.but(training=base.training.but(epochs=2, min_updates=0, batch_size=16))


def crossl_wisdm_paper() -> Recipe:
    """The authors' classifier on a watch's two sensors."""
    return fine_tuning_as_released("crossl_wisdm", crossl_wisdm_paper_pretraining())


def crossl_eegmat_paper() -> Recipe:
    """The authors' classifier on scalp regions and ECG."""
    return fine_tuning_as_released("crossl_eegmat", crossl_eegmat_paper_pretraining())


def crossl_ptb_xl_paper() -> Recipe:
    """The authors' classifier on lead groups of an ECG."""
    return fine_tuning_as_released("crossl_ptb_xl", crossl_ptb_xl_paper_pretraining())
