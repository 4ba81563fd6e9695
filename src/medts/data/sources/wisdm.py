"""WISDM 2019: 18 activities (HAR), accelerometer and gyroscope of watch and phone.

``raw/DEVICE/SENSOR/data_NNNN_SENSOR_DEVICE.txt`` holds the samples of one sensor of one subject,
three minutes of every activity, each row with the device's own timestamp in nanoseconds. Rows of
the two sensors do not pair up, clocks drift, packets come late and in bursts: values are brought to
an even 20 Hz by their timestamps, and a longer step between them is a gap of NaN.

Axes: C channels, T samples in time.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import ClassVar

import numpy as np

from medts.core.errors import ReadError, unknown_name
from medts.core.records import Record, Stream
from medts.data.sources.base import Entry, Source, SourceCard, single
from medts.data.sources.pieces import Bout, keep_last, list_pieces, numbered
from medts.data.sources.reading import read_numbers
from medts.signal.timestamps import to_grid

RATE = 20.0
"""Nominal sampling rate of every sensor, Hz."""

PIECE_S = 10.0
"""Length of a record, seconds; 200 samples, as in the authors' own features."""

LONGEST_STEP_S = 0.2
"""Longest step between timestamps that is bridged by a line, seconds; four nominal samples."""

BREAK_S = 5.0
"""Step from which on a recording counts as interrupted, seconds."""

FIRST_SUBJECT = 1600

DEVICES = ("watch", "phone")
SENSORS = {"accel": ("acc", "m/s²"), "gyro": ("gyro", "rad/s")}
"""Folder of each sensor, with its modality and the unit of the files."""

ACTIVITIES = {
    "A": ("walking", "walking"),
    "B": ("jogging", "jogging"),
    "C": ("stairs", "climbing stairs"),
    "D": ("sitting", "sitting"),
    "E": ("standing", "standing"),
    "F": ("typing", "typing on a keyboard"),
    "G": ("teeth", "brushing teeth"),
    "H": ("soup", "eating soup"),
    "I": ("chips", "eating chips"),
    "J": ("pasta", "eating pasta"),
    "K": ("drinking", "drinking from a cup"),
    "L": ("sandwich", "eating a sandwich"),
    "M": ("kicking", "kicking a ball"),
    "O": ("catch", "playing catch with a ball"),
    "P": ("dribbling", "dribbling a basketball"),
    "Q": ("writing", "writing by hand"),
    "R": ("clapping", "clapping hands"),
    "S": ("folding", "folding clothes"),
}
"""Code of each activity, with its name in ``activity_key.txt`` and a wording; there is no N."""


class Wisdm(Source):
    """WISDM 2019 (CC BY 4.0): 51 subjects, watch and phone, acc in g and gyro in rad/s, 20 Hz.

    Every subject is a fold: ``1`` is subject 1600, ``51`` is 1650. The odd and even halves of the
    activities are there so that one half can be learnt after the other.
    """

    name: ClassVar[str] = "wisdm"
    card: ClassVar[SourceCard] = SourceCard(
        title="WISDM Smartphone and Smartwatch Activity and Biometrics Dataset (2019)",
        licence="CC BY 4.0",
        citation=(
            "Weiss, Yoneda, Hayajneh, Smartphone and Smartwatch-Based Biometrics Using Activities "
            "of Daily Living. IEEE Access 7, 133190-133202 (2019), "
            "doi:10.1109/ACCESS.2019.2940729; doi:10.24432/C5HK59"
        ),
        obtain="https://doi.org/10.24432/C5HK59",
        subjects="51",
        records=(
            "ten seconds of one of 18 activities, each done for three minutes: about 324 of "
            "each subject"
        ),
        streams={
            "watch-acc, phone-acc": ("x, y, z", "g", "20 Hz"),
            "watch-gyro, phone-gyro": ("x, y, z", "rad/s", "20 Hz"),
        },
        folds=("one for each subject: 1 is subject 1600, 51 is 1650; cross-validate over subjects"),
        layout="`raw/watch/` or `raw/phone/`; what is missing of it is an absent stream",
        notes=(
            "`activity-odd` and `activity-even` have every other activity, so that one "
            "half can be learnt after the other",
            "a record is a window, so 1 % of the labels is 1 % of the labelled windows",
        ),
        defects=(
            "rows of the two sensors differ in number and time: both are brought to an "
            "even 20 Hz by their timestamps",
            "timestamps have gaps: steps above 0.2 s become NaN, which models see as not "
            "recorded; from 5 s on the bout is split",
            "samples that arrive in bursts faster than 20 Hz are averaged",
            "the clocks of watch and phone have nothing to do with each other: the two "
            "are aligned at the first sample of the activity, and again after a break, "
            "which may be off by seconds",
            "less than five seconds at the end of a bout are left out",
        ),
        is_public=True,
    )

    label_sets = tuple(
        single(
            f"wisdm/activity{half}",
            dict(list(ACTIVITIES.values())[part]),
            "What somebody with a watch and a phone is doing during ten seconds.",
        )
        for half, part in (
            ("", slice(None)),
            ("-odd", slice(None, None, 2)),
            ("-even", slice(1, None, 2)),
        )
    )

    def entries(self, path: Path) -> Iterator[Entry]:
        """Lists ten-second pieces of every subject in turn."""
        path = Path(path)
        files = list(path.glob("raw/*/*/data_*.txt"))
        subjects = numbered(files, r"data_(\d{4})_\w+\.txt", folder=path, corpus="WISDM")
        for subject in subjects:
            yield from list_pieces(
                partial(read_subject, path, subject),
                name=str(subject),
                subject_id=str(subject),
                fold=str(subject - FIRST_SUBJECT + 1),
                piece_s=PIECE_S,
            )


@keep_last
def read_subject(path: Path, subject: int) -> tuple[Bout, ...]:
    """Reads the bouts of all activities of a subject, as far as its devices have them."""
    files = {
        (device, sensor): file
        for device in DEVICES
        for sensor in SENSORS
        if (file := path / f"raw/{device}/{sensor}/data_{subject}_{sensor}_{device}.txt").is_file()
    }
    rows = {key: _read_rows(file, subject) for key, file in files.items()}
    bouts: list[Bout] = []
    for number, (code, (name, _)) in enumerate(ACTIVITIES.items()):
        half = "activity-even" if number % 2 else "activity-odd"
        of_device = [
            _stretches({s: rows[d, s][code] for d, s in rows if d == device and code in rows[d, s]})
            for device in DEVICES
        ]
        for pair in zip_longest(*of_device, fillvalue={}):
            streams = {
                f"{device}-{SENSORS[sensor][0]}": stream
                for device, found in zip(DEVICES, pair, strict=True)
                for sensor, stream in found.items()
            }
            record = Record(name, streams, subject_id=str(subject))
            bouts.append(Bout(record, 0.0, record.duration_s, {"activity": (name,), half: (name,)}))
    return tuple(bouts)


def _read_rows(file: Path, subject: int) -> dict[str, np.ndarray]:
    """Returns time in seconds and x, y, z by activity, in the order of time."""
    kinds = {"subject": int, "activity": str, "time": int}
    names = ("subject", "activity", "time", "x", "y", "z")
    table = read_numbers(file, names=names, kinds=kinds, drop=b";")
    strangers = set(table["subject"].tolist()) - {subject}
    if strangers:
        raise ReadError(f"rows of subject {strangers.pop()}", path=file, field="subject")
    found: dict[str, np.ndarray] = {}
    for code in dict.fromkeys(table["activity"].tolist()):
        if code not in ACTIVITIES:
            fault = unknown_name("activity", str(code), ACTIVITIES)
            raise ReadError(fault.problem, path=file, field="activity", remedy=fault.remedy)
        rows = np.flatnonzero(table["activity"] == code)
        rows = rows[np.argsort(table["time"][rows], kind="stable")]
        found[code] = np.stack([table["time"][rows] / 1e9, *(table[axis][rows] for axis in "xyz")])
    return found


def _stretches(sensors: dict[str, np.ndarray]) -> list[dict[str, Stream]]:
    """Splits an activity of one device where all its sensors pause; each part starts at zero."""
    if not sensors:
        return []
    times_s = np.sort(np.concatenate([rows[0] for rows in sensors.values()]))
    breaks = np.flatnonzero(np.diff(times_s) > BREAK_S)
    begins = times_s[[0, *(breaks + 1)]]
    ends = times_s[[*breaks, -1]]
    parts: list[dict[str, Stream]] = []
    for begin_s, end_s in zip(begins, ends, strict=True):
        inside = {
            sensor: rows[:, (rows[0] >= begin_s) & (rows[0] <= end_s)]
            for sensor, rows in sensors.items()
        }
        parts.append({s: _stream(s, rows, begin_s) for s, rows in inside.items() if rows.size})
    return parts


def _stream(sensor: str, rows: np.ndarray, begin_s: float) -> Stream:
    modality, unit = SENSORS[sensor]
    signal = to_grid(rows[0], rows[1:], RATE, longest_step_s=LONGEST_STEP_S)
    stream = Stream(signal, ("x", "y", "z"), RATE, modality, unit)
    start_s = round(float(rows[0, 0] - begin_s), 6)
    return replace(stream.to_unit("g") if modality == "acc" else stream, start_s=start_s)
