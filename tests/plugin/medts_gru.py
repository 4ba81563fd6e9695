"""Another package's encoder, objective, source, format, protocol and recipes; no networks."""

from functools import partial
from typing import Literal

import numpy as np

from medts.core.config import Config
from medts.core.labels import LabelSet
from medts.core.records import Record
from medts.data.sources.base import Entry, Source, SourceCard
from medts.data.sources.synthetic import synthetic_record
from medts.evaluation.protocols.base import Protocol
from medts.formats.base import Channel, Format, gather
from medts.models.settings.base import EncoderSettings
from medts.nn.settings import ViewsConfig
from medts.objectives.settings.base import ObjectiveSettings
from medts.signal.preprocess import Preprocessing, StreamPreprocessing
from medts.training.recipe import Recipe
from medts.training.settings import Training

LEADS = Preprocessing(streams={"ecg": StreamPreprocessing(channels=("I", "II"))})


class GruSettings(EncoderSettings):
    """A recurrent network (GRU) over samples."""

    kind: Literal["gru"] = "gru"
    stream: str = "ecg"
    channels: tuple[str, ...] = ("I", "II")
    hidden: int = 16

    def build(self):
        from medts_gru_networks import Gru

        return Gru(self)


class ByolSettings(ObjectiveSettings):
    """BYOL: predict what a slowly moving (EMA) teacher makes of another view."""

    kind: Literal["byol"] = "byol"
    views: ViewsConfig = ViewsConfig()
    momentum: float = 0.99

    def build(self, parts):
        from medts_gru_networks import Byol

        return Byol(self, parts.encoder)


class Few(Source):
    """Thirty synthetic recordings."""

    name = "few"
    card = SourceCard(title="Few", licence="CC0", citation="-", obtain="-", synthetic=True)
    label_sets = (LabelSet(name="few/rhythm", classes=("SR", "AFIB"), kind="single"),)

    def entries(self, path):
        for n in range(30):
            rhythm, subject = ("SR", "AFIB")[n // 3 % 2], f"s{n}"
            load = partial(synthetic_record, rhythm=rhythm, subject_id=subject, seed=n)
            yield Entry(f"r{n}", subject, str(1 + n % 3), load, {"rhythm": (rhythm,)})


def is_plain(path):
    return path.is_file() and path.open("rb").read(8) == b"plain 1\n"


def read_plain(path, hints):
    rate, *rows = path.read_text().splitlines()[1:]
    channels = [Channel(n, np.array(v, float), float(rate), "mV") for n, *v in map(str.split, rows)]
    return Record(path.stem, gather(path, channels, hints))


def write_plain(record, path):
    ecg = record.streams["ecg"]
    rows = [" ".join((n, *map(str, v))) for n, v in zip(ecg.channels, ecg.signal, strict=True)]
    path.write_text("\n".join(("plain 1", str(ecg.sampling_rate), *rows)))


FORMAT = Format("plain", "Plain text", (".plain",), is_plain, read_plain, write_plain)


class CountingConfig(Config):
    """Settings."""

    by: int = 1
    """Multiple that is reported."""


class Counting(Protocol):
    """Number of test records."""

    name = "counting"
    Config = CountingConfig

    def measure(self, bundle, task, config, *, seed):
        from medts.evaluation.result import Estimate
        from medts.evaluation.scoring import Found

        n_records = Estimate(value=config.by * len(task.test))
        return Found(test=task.test, label_set=task.label_set, metrics={"n": n_records})


def gru_byol() -> Recipe:
    """A GRU learns two leads without labels, by BYOL."""
    training = Training(epochs=1, batch_size=8, monitor="loss")
    return Recipe(encoder=GruSettings(), objective=ByolSettings(), preprocessing=LEADS,
                  training=training)  # fmt: skip


def gru() -> Recipe:
    """A GRU on two leads, with labels."""
    training = Training(epochs=1, batch_size=8)
    return Recipe(encoder=GruSettings(), preprocessing=LEADS, training=training)
