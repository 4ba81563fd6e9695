"""A record of two modalities and rates, of the kind every format should carry."""

from collections.abc import Callable

import numpy as np
import pytest

from medts.core.records import Annotation, Record, Statement, Stream


@pytest.fixture
def make_stream() -> Callable[..., Stream]:
    """Builds a stream of random multiples of ``step``."""

    def make(
        channels=("I", "II", "V1"),
        n_samples=1000,
        sampling_rate=500.0,
        modality="ecg",
        unit="mV",
        step=0.001,
        seed=0,
    ):
        integers = np.random.default_rng(seed).integers(-3000, 3000, (len(channels), n_samples))
        return Stream(
            signal=(integers * step).astype(np.float32),
            channels=tuple(channels),
            sampling_rate=sampling_rate,
            modality=modality,
            unit=unit,
            resolution=np.full(len(channels), step),
        )

    return make


@pytest.fixture
def record(make_stream) -> Record:
    """Two seconds of ECG and PPG with everything a record can hold."""
    return Record(
        record_id="rec",
        subject_id="s1",
        streams={
            "ecg": make_stream(),
            "ppg": make_stream(("PLETH",), 250, 125.0, "ppg", "a.u.", seed=1),
        },
        report="Sinusrhythmus, Übergang in V3",
        statements=(Statement("NORM", "scp-ecg", 80.0), Statement("SR", "scp-ecg", None)),
        annotations=(
            Annotation(0.1, "AFIB", "rhythm", duration_s=1.1),
            Annotation(0.25, "N", "beat"),
            Annotation(0.75, "V", "beat"),
            Annotation(1.2, "N", "rhythm", duration_s=0.8),
        ),
        facts={"age": 51, "sex": "F"},
    )
