"""PAMAP2: 12 activities, inertial measurement units on hand, chest and ankle, and heart rate.

``Protocol/subjectNNN.dat`` is a table of 54 columns at 100 Hz. The units send by radio, so rows
lack the values of a unit now and then; the pulse comes about nine times a second. Everything is
brought to even time by the timestamps, and longer holes stay NaN.

Axes: C channels, T samples in time.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from medts.core.errors import MedtsError, ReadError
from medts.core.records import Record, Stream
from medts.data.sources.base import Entry, Source, SourceCard, single
from medts.data.sources.pieces import Bout, keep_last, list_pieces, numbered, runs
from medts.data.sources.reading import read_numbers
from medts.signal.timestamps import to_grid

RATE, PULSE_RATE = 100.0, 1.0
"""Sampling rates of the inertial units and of the pulse as it is kept, Hz."""

PIECE_S = 5.12
"""Length of a record, seconds; 512 samples, as in the paper of the corpus and in CroSSL."""

LONGEST_STEP_S, LONGEST_PULSE_STEP_S = 0.2, 2.0
"""Longest steps between samples that are bridged by a line, seconds."""

FIRST_SUBJECT = 101

ACTIVITIES = {
    1: ("lying", "lying down"),
    2: ("sitting", "sitting"),
    3: ("standing", "standing"),
    4: ("walking", "walking"),
    5: ("running", "running"),
    6: ("cycling", "riding a bicycle"),
    7: ("nordic-walking", "Nordic walking with poles"),
    12: ("stairs-up", "walking up stairs"),
    13: ("stairs-down", "walking down stairs"),
    16: ("vacuum-cleaning", "vacuum cleaning"),
    17: ("ironing", "ironing clothes"),
    24: ("rope-jumping", "jumping rope"),
}
"""Code of each activity of the protocol, with a name and a wording."""

PLACES = ("hand", "chest", "ankle")
_OF_UNIT = (
    *("temp", "acc-x", "acc-y", "acc-z", "acc6-x", "acc6-y", "acc6-z", "gyro-x", "gyro-y"),
    *("gyro-z", "mag-x", "mag-y", "mag-z", "o-1", "o-2", "o-3", "o-4"),
)
COLUMNS = ("time", "activity", "hr", *(f"{place}-{each}" for place in PLACES for each in _OF_UNIT))
"""The 54 columns of a file; the second accelerometer (acc6) saturates, the orientation is void."""

_SENSORS = {"acc": "m/s²", "gyro": "rad/s"}


class Pamap2(Source):
    """PAMAP2 (CC BY 4.0): 9 subjects, 3 IMUs at 100 Hz (g of the 16 g sensor, rad/s), pulse 1 Hz.

    A record is 5.12 s. Every subject is a fold: ``1`` is subject101, ``9`` is subject109.
    """

    name: ClassVar[str] = "pamap2"
    card: ClassVar[SourceCard] = SourceCard(
        title="PAMAP2 Physical Activity Monitoring",
        licence="CC BY 4.0",
        citation=(
            "Reiss, Stricker, Introducing a New Benchmarked Dataset for Activity Monitoring. "
            "ISWC 2012, 108-109, doi:10.1109/ISWC.2012.13; doi:10.24432/C5NW2H"
        ),
        obtain="https://doi.org/10.24432/C5NW2H",
        subjects="9",
        records="5.12 s (512 samples) of one activity of one subject",
        streams={
            "hand-acc, chest-acc, ankle-acc": ("x, y, z", "g", "100 Hz"),
            "hand-gyro, chest-gyro, ankle-gyro": ("x, y, z", "rad/s", "100 Hz"),
            "hr": ("one", "bpm", "1 Hz"),
        },
        folds=(
            "one for each subject: 1 is subject101, 9 is subject109; cross-validate over subjects"
        ),
        defects=(
            "transitions (activity 0) are left out, as the authors advise, and so is the "
            "folder Optional with six activities of a few subjects",
            "rows lack values that were lost on the radio: up to 0.2 s are bridged by a "
            "line, more is NaN",
            "the 6 g accelerometer saturates and the orientation is void: neither is "
            "read; the magnetometer and the temperature of the units are not read either",
            "not everybody did everything: subject109 jumped rope and nothing else",
            "a unit that sent nothing during a record is an absent stream",
            "the pulse is averaged to one value a second",
            "tested on small files in the official layout; the corpus itself was not at hand",
        ),
        is_public=True,
    )

    label_sets = (
        single(
            "pamap2/activity",
            dict(ACTIVITIES.values()),
            "What somebody with sensors on hand, chest and ankle is doing during five seconds.",
        ),
    )

    def entries(self, path: Path) -> Iterator[Entry]:
        """Lists pieces of every subject in turn; an unreadable file is one entry."""
        path = Path(path)
        files = path.glob("Protocol/*.dat")
        subjects = numbered(files, r"subject(\d{3})\.dat", folder=path, corpus="PAMAP2")
        for subject, file in subjects.items():
            yield from list_pieces(
                partial(read_subject, file),
                name=file.stem,
                subject_id=str(subject),
                fold=str(subject - FIRST_SUBJECT + 1),
                piece_s=PIECE_S,
            )


@keep_last
def read_subject(file: Path) -> tuple[Bout, ...]:
    """Reads one subject, a bout for every stretch of one activity."""
    table = read_numbers(file, names=COLUMNS, delimiter=" ", kinds={"activity": int})
    bouts = []
    for code, first, stop in runs(table["activity"]):
        if code in ACTIVITIES:
            name = ACTIVITIES[code][0]
            rows = {column: values[first:stop] for column, values in table.items()}
            try:
                record = Record(name, _streams(rows), subject_id=file.stem)
            except MedtsError as error:
                raise ReadError(str(error), path=file, field=f"row {first + 1} on") from error
            bouts.append(Bout(record, 0.0, record.duration_s, {"activity": (name,)}))
    if not bouts:
        raise ReadError("no activity of the protocol", path=file, field="activity")
    return tuple(bouts)


def _streams(rows: Mapping[str, np.ndarray]) -> dict[str, Stream]:
    """Returns all sensors of some rows, each on its own even grid from the first row on."""
    streams: dict[str, Stream] = {}
    for place in PLACES:
        for sensor, unit in _SENSORS.items():
            values = np.stack([rows[f"{place}-{sensor}-{axis}"] for axis in "xyz"])
            signal = to_grid(rows["time"], values, RATE, longest_step_s=LONGEST_STEP_S)
            stream = Stream(signal, ("x", "y", "z"), RATE, sensor, unit)
            streams[f"{place}-{sensor}"] = stream.to_unit("g") if sensor == "acc" else stream
    pulse = to_grid(rows["time"], rows["hr"][None], PULSE_RATE, longest_step_s=LONGEST_PULSE_STEP_S)
    return streams | {"hr": Stream(pulse, ("HR",), PULSE_RATE, "hr", "bpm")}
