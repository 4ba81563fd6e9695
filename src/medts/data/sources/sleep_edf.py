"""Sleep-EDF Expanded: polysomnography of whole nights, sleep stages for 30 s epochs (pages).

``sleep-cassette/SC4ssNE0-PSG.edf`` with ``SC4ssNEC-Hypnogram.edf`` are 20 hours at home of
subject ss, night N; ``sleep-telemetry/ST7ssNJ0-PSG.edf`` with its hypnogram are nights in the
hospital of other subjects.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

from medts.core.channels import canonical_channel
from medts.core.errors import ReadError
from medts.core.records import Annotation, Record
from medts.data.sources.base import ODC_BY, PHYSIONET, Entry, Source, SourceCard, single
from medts.data.sources.pieces import Bout, keep_last, list_pieces
from medts.data.sources.reading import read_file, wrong_folder

PIECE_S = 30.0
"""Length of a record, seconds: the page that was scored."""

WAKE_MARGIN_S = 1800.0
"""How much of the waking day before and after sleep is kept, seconds."""

STAGES = {
    "W": "awake",
    "N1": "light sleep, stage N1",
    "N2": "sleep with spindles, stage N2",
    "N3": "deep slow-wave sleep, stage N3",
    "R": "REM sleep",
}

_STAGE_OF = {
    "Sleep stage W": "W",
    "Sleep stage 1": "N1",
    "Sleep stage 2": "N2",
    "Sleep stage 3": "N3",
    "Sleep stage 4": "N3",
    "Sleep stage R": "R",
    "Sleep stage ?": None,
    "Movement time": None,
}
"""Stage of each mark; 3 and 4 of Rechtschaffen and Kales are one since 2007."""

_CHANNELS = {
    "EEG Fpz-Cz": ("eeg", "Fpz-Cz"),
    "EEG Pz-Oz": ("eeg", "Pz-Oz"),
    "EOG horizontal": ("eog", "horizontal"),
    "EMG submental": ("emg", "submental"),
    "Resp oro-nasal": ("resp", "oro-nasal"),
    "Temp rectal": ("temp", "rectal"),
}
"""Modality and name of each channel of the files; the event marker is no signal of the body."""

_NAME_OF = {canonical_channel(label): name for label, (_, name) in _CHANNELS.items()}

_NIGHT = re.compile(r"(SC4|ST7)\d{3}\w\d-PSG\.edf")

_TELEMETRY = 100
"""Added to the number of subjects of the telemetry study, who are other people."""


class SleepEdf(Source):
    """Sleep-EDF Expanded 1.0.0 (ODC-By 1.0): 197 nights of 100 subjects, EEG, EOG, EMG and more.

    Every subject is a fold, both nights in one: cassette subjects 0 to 82 are ``1`` to ``83``,
    telemetry subjects 1 to 24 are ``101`` to ``124``. Pages with movement or without a score take
    no part in the label set.
    """

    name: ClassVar[str] = "sleep-edf"
    card: ClassVar[SourceCard] = SourceCard(
        title="Sleep-EDF Database Expanded 1.0.0",
        licence=ODC_BY,
        citation=(
            "Kemp et al., Analysis of a sleep-dependent neuronal feedback loop: the slow-wave "
            "microcontinuity of the EEG. IEEE Trans Biomed Eng 47(9), 1185-1194 (2000), "
            f"doi:10.13026/C2X676; {PHYSIONET}"
        ),
        obtain="https://physionet.org/content/sleep-edfx/1.0.0/",
        subjects="100: 78 at home (cassette), 22 in hospital (telemetry)",
        records="a page of 30 s, the unit that experts scored, of 197 nights",
        streams={
            "eeg": ("Fpz-Cz, Pz-Oz", "µV", "100 Hz"),
            "eog": ("horizontal", "µV", "100 Hz"),
            "emg": ("submental", "µV", "100 Hz in telemetry; its envelope at 1 Hz in cassette"),
            "resp, temp": ("one each, cassette only", "as recorded", "1 Hz"),
        },
        folds=(
            "one for each subject with all nights: cassette subjects 0 to 82 are 1 to 83, "
            "telemetry subjects 1 to 24 are 101 to 124"
        ),
        layout="`sleep-cassette/` or `sleep-telemetry/`, hypnograms beside the recordings",
        notes=(
            "pages with movement or without a score take no part in `stage`",
            "a model of one study's EMG should not be given the other's: preprocessing "
            "would resample it",
        ),
        defects=(
            "a cassette lasts a day: waking more than 30 min before sleep or after it is left out",
            "scored by Rechtschaffen and Kales: stages 3 and 4 are N3, movement has no stage",
            "cassette EMG, respiration and temperature are sampled once a second: the EMG is an "
            "envelope, no electromyogram; only its rate distinguishes it from that of telemetry",
            "subjects 36, 52 and 13 of the cassette study lost a night",
            "tested on small files in the official layout; the corpus itself was not at hand",
        ),
        is_public=True,
    )

    label_sets = (
        single(
            "sleep-edf/stage",
            STAGES,
            "Which stage of sleep somebody is in during half a minute of a polysomnogram.",
        ),
    )

    def entries(self, path: Path) -> Iterator[Entry]:
        """Lists the pages of every night in turn; an unreadable night is one entry."""
        path = Path(path)
        found = [file for file in path.rglob("*-PSG.edf") if _NIGHT.fullmatch(file.name)]
        files = sorted(found, key=lambda file: file.name)
        if not files:
            raise wrong_folder("holds no recording *-PSG.edf", path, "Sleep-EDF")
        for file in files:
            study, subject = file.name[:2], int(file.name[3:5])
            fold = subject + 1 if study == "SC" else subject + _TELEMETRY
            yield from list_pieces(
                partial(read_night, file),
                name=file.name.removesuffix("-PSG.edf"),
                subject_id=f"{study}{subject:02d}",
                fold=str(fold),
                piece_s=PIECE_S,
            )


@keep_last
def read_night(file: Path) -> tuple[Bout, ...]:
    """Reads one night, a bout for every stretch of one stage."""
    from medts.formats.edf_header import channel_labels

    hypnogram = find_hypnogram(file)
    held = tuple(name for name in channel_labels(file) if name in _CHANNELS)
    if not any(_CHANNELS[name][0] == "eeg" for name in held):
        raise ReadError("holds no EEG", path=file)
    record = read_file(file, channels=held)
    streams = {}
    for stream in record.streams.values():
        names = tuple(_NAME_OF[name] for name in stream.channels)
        streams[stream.modality] = replace(stream, channels=names)
    record = replace(record, streams=streams, annotations=())
    return tuple(_bouts(record, read_stages(hypnogram)))


def find_hypnogram(file: Path) -> Path:
    """Returns the hypnogram of a night, whose name carries the letter of its scorer."""
    found = sorted(file.parent.glob(f"{file.name[:7]}*-Hypnogram.edf"))
    if len(found) != 1:
        problem = f"{len(found)} hypnograms instead of one"
        raise ReadError(problem, path=file, remedy="Fetch them again")
    return found[0]


def read_stages(file: Path) -> tuple[Annotation, ...]:
    """Reads the stages of a hypnogram, a file of EDF+ that holds annotations and no signal."""
    import edfio

    try:
        marks = edfio.read_edf(file).annotations
    except (ValueError, OSError) as error:
        raise ReadError(f"the hypnogram cannot be read: {error}", path=file) from error
    stranger = next((mark.text for mark in marks if mark.text not in _STAGE_OF), None)
    if stranger is not None:
        raise ReadError(f"unknown stage {stranger!r}", path=file)
    stages = [Annotation(m.onset, m.text, "stage", duration_s=m.duration or 0.0) for m in marks]
    return tuple(sorted(stages, key=lambda stage: stage.time_s))


def _bouts(record: Record, stages: tuple[Annotation, ...]) -> Iterator[Bout]:
    """Yields a bout per mark, without the day before and after sleep."""
    asleep = [each for each in stages if _STAGE_OF[each.label] not in (None, "W")]
    begin_s = asleep[0].time_s - WAKE_MARGIN_S if asleep else 0.0
    end_s = asleep[-1].time_s + asleep[-1].duration_s + WAKE_MARGIN_S if asleep else float("inf")
    for each in stages:
        start_s = max(each.time_s, begin_s)
        stop_s = min(each.time_s + each.duration_s, end_s, record.duration_s)
        stage = _STAGE_OF[each.label]
        if stop_s > start_s:
            yield Bout(record, start_s, stop_s, {"stage": (stage,) if stage else None})
