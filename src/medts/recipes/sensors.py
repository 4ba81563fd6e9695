"""Combine several sensors.

CroSSL (arXiv:2307.16847): self-supervised latent masking between streams, then fine-tuning with
``--init`` or training from scratch without. Sensors may be missing. Any other sensors are
``recipe("crossl_wisdm").reading(preprocessing, windowing)``. Windows last as long as the records;
rates and bands are ours, for the authors published neither.
"""

from medts.core.montage import LEAD_GROUPS
from medts.data.windowing import Windowing
from medts.models.settings.crossl import CrosslConfig
from medts.models.settings.heads import HeadConfig
from medts.objectives.settings.latent_masking import LatentMaskingConfig
from medts.signal.preprocess import Preprocessing, StreamPreprocessing, split_stream
from medts.training.recipe import Recipe, inputs_of
from medts.training.settings import Training

_LEAD_GROUPS = Preprocessing(streams=split_stream("ecg", LEAD_GROUPS, StreamPreprocessing()))
_TEN_SECONDS = Windowing(window_s=10.0, stride_s=10.0)
_ACCELEROMETER = StreamPreprocessing(
    modality="acc",
    channels=("x", "y", "z"),
    unit="g",
    sampling_rate=20.0,
    low_hz=None,
    keeps_level=True,  # gravity shows how the arm is held
    scale=1.0,
)
_WATCH = Preprocessing(
    streams={
        "watch-acc": _ACCELEROMETER,
        "watch-gyro": _ACCELEROMETER.but(modality="gyro", unit="rad/s", scale=2.0),
    }
)


def crossl_ptb_xl_pretraining() -> Recipe:
    """CroSSL: latent masking between four lead groups of an ECG."""
    return Recipe(
        encoder=CrosslConfig(streams=inputs_of(_LEAD_GROUPS)),
        objective=LatentMaskingConfig(),
        preprocessing=_LEAD_GROUPS,
        windowing=_TEN_SECONDS,
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


def crossl_wisdm_pretraining() -> Recipe:
    """CroSSL: latent masking between a watch's accelerometer and gyroscope."""
    return crossl_ptb_xl_pretraining().reading(_WATCH, _TEN_SECONDS)


def crossl_ptb_xl() -> Recipe:
    """CroSSL: diagnoses from four lead groups, any of which may be missing."""
    base = crossl_ptb_xl_pretraining()
    return Recipe(
        encoder=base.encoder,
        head=HeadConfig(hidden=128, dropout=0.1, normalise=False),
        preprocessing=base.preprocessing,
        windowing=base.windowing,
        training=Training(
            epochs=20,
            min_updates=150,
            batch_size=64,
            learning_rate=1e-3,
            weight_decay=1e-2,
            schedule="cosine",
        ),
    )


def crossl_wisdm() -> Recipe:
    """CroSSL: activities from a watch, whose sensors may be missing."""
    return crossl_ptb_xl().reading(_WATCH, _TEN_SECONDS)
