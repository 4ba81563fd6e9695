"""TUSZ, the TUH EEG Seizure corpus, v2 and v1.5.2: seizure detection and seizure types.

v2 is ``edf/{train,dev,eval}/PERSON/SESSION/MONTAGE/PERSON_SESSION_TOKEN.edf``, with seizure or
background in ``.csv_bi`` and the type of each seizure, channel by channel, in ``.csv`` beside it.
v1.5.2 is ``edf/{train,dev}/MONTAGE/NNN/PERSON/SESSION/….edf`` with ``.tse_bi`` and ``.tse``. A
record is a minute of a recording, the longer clip of Tang et al. (ICLR 2022), whose four groups of
seizures are used.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import ClassVar

from medts.core.errors import ReadError
from medts.core.montage import MONTAGES, canonical_channel
from medts.core.records import Annotation, Record
from medts.data.sources.base import Entry, Labels, Source, SourceCard, single
from medts.data.sources.pieces import Bout, keep_last, list_pieces, tile
from medts.data.sources.reading import hashed_fold, read_file, refused, spell_out_sex, wrong_folder

PIECE_S = 60.0
"""Length of a record, seconds."""

ELECTRODES = MONTAGES["eeg-10-20"].channels

SEIZURE = {"background": "EEG without a seizure", "seizure": "epileptic seizure"}

SEIZURE_TYPES = {
    "focal": "focal seizure",
    "generalized": "generalized non-specific seizure",
    "absence": "absence seizure",
    "tonic": "tonic or tonic-clonic seizure",
}
"""The groups of Tang et al. in their order; focal and tonic are what they call combined."""

_BACKGROUND, _ANY_SEIZURE = "bckg", "seiz"
_GROUP_OF = {
    **dict.fromkeys(("fnsz", "spsz", "cpsz"), "focal"),
    "gnsz": "generalized",
    "absz": "absence",
    **dict.fromkeys(("tnsz", "tcsz"), "tonic"),
}
_NO_GROUP = (_ANY_SEIZURE, "mysz", "cnsz", "atsz", "nesz")
"""Seizures of no type, and myoclonic, clonic, atonic and non-epileptic ones: no class has them."""

_BINARY = (_BACKGROUND, _ANY_SEIZURE)
_TYPES = (_BACKGROUND, *_GROUP_OF, *_NO_GROUP)

_DIRECTORIES = {"train": "train", "dev": "validation", "eval": "test"}
"""Fold of each directory of v2."""

_TRAIN_SHARES = {"train": 0.8, "validation": 1.0}
"""Where each fold of the train directory of v1.5.2 ends on the way from 0 to 1."""

_MONTAGE = r"(?P<montage>\d\d_tcp_[a-z_]+)"
_V2 = re.compile(rf"(?P<subject>[^/]+)/(?P<session>[^/]+)/{_MONTAGE}/(?P=subject)_[^/]+\.edf")
_V1 = re.compile(rf"{_MONTAGE}/[^/]+/(?P<subject>[^/]+)/(?P<session>[^/]+)/(?P=subject)_[^/]+\.edf")
_CHANNEL = re.compile(r"EEG (?P<electrode>\w+)-(?P<reference>REF|LE)", re.IGNORECASE)
_CSV_COLUMNS = ["channel", "start_time", "stop_time", "label", "confidence"]


class Tusz(Source):
    """TUSZ v2 or v1.5.2 (on registration): long EEGs of some 640 persons, 250 Hz or more, µV.

    Stream ``eeg``: the 19 electrodes of the 10-20 system, those that a file has, against the
    average (``REF``) or linked ears (``LE``), as the fact ``reference`` has it. Folds of v2 are its
    directories train, dev (``validation``) and eval (``test``). v1.5.2 has no eval: dev is
    ``test``, and a hash of the person splits train into ``train`` and ``validation`` (80, 20 %).

    A minute is a seizure if one touches it. A minute without one, or with seizures of two groups
    or of none, takes no part in ``seizure-type``.
    """

    name: ClassVar[str] = "tusz"
    card: ClassVar[SourceCard] = SourceCard(
        title="TUH EEG Seizure Corpus v2 or v1.5.2",
        licence="free of charge on registration with NEDC; not to be passed on",
        citation=(
            "Shah et al., The Temple University Hospital Seizure Detection Corpus. Front "
            "Neuroinform 12, 83 (2018), doi:10.3389/fninf.2018.00083; Obeid, Picone, The Temple "
            "University Hospital EEG Data Corpus. Front Neurosci 10, 196 (2016), "
            "doi:10.3389/fnins.2016.00196"
        ),
        obtain="https://isip.piconepress.com/projects/nedc/html/tuh_eeg/",
        subjects="642 in v1.5.0",
        records="a minute of a clinical recording; some 7,300 files in v2.0.3",
        streams={
            "eeg": (
                "those of the 19 electrodes of the 10-20 system that the file has",
                "µV",
                "250 Hz and more",
            ),
        },
        also=(
            "session, montage, reference (REF average, LE linked ears), and what the EDF "
            "header says"
        ),
        folds=(
            "v2: directory train trains, dev validates, eval tests; v1.5.2: dev tests, and a "
            "hash of the person puts those of train into train or validation (80 and 20 %)"
        ),
        layout=(
            "`edf/`, with `.csv_bi` and `.csv` (v2) or `.tse_bi` and `.tse` (v1.5.2) beside "
            "each recording; two releases in one folder are refused, since they name persons "
            "differently"
        ),
        notes=(
            "`seizure` holds if one touches the minute",
            "`seizure-type` has the four groups of Tang et al. (ICLR 2022), in their "
            "order: focal (fnsz, spsz, cpsz), generalized (gnsz), absence (absz), tonic "
            "(tnsz, tcsz); a minute without a seizure, with two groups or of another type "
            "takes no part",
            "both sets share one split by persons, so going from one to the other is a "
            "transfer of labels, not of recordings",
        ),
        defects=(
            "a person in two directories (five in v1.5.2): what lies outside the first of "
            "train, dev, eval goes beside the rest into its fold, without labels",
            "time that no row of an annotation covers is background",
            "before v2.0.1 some seizures end before they begin; such a recording is "
            "refused, as is one with an unknown label or without an annotation",
            "v2.0.0 and v2.0.1 hold two sessions of eval under two montages, twice the same signal",
            "some files lack electrodes, such as Fz and Pz; they are absent, not made up",
            "Tang et al. take 27 seizures of v1.5.2 called generalized for focal; as labelled here",
            "Tang et al. cut clips from two seconds before a seizure; here minutes follow "
            "each other from the start of the file",
            "less than half a minute at the end of a file is left out",
            "v1.5.0 and older call their directory dev_test; they are not read",
            "electrodes against two references in one file are refused",
            "tested on small files in the official layout; the corpus itself was not at hand",
        ),
        is_public=True,
    )

    label_sets = (
        single(
            "tusz/seizure",
            SEIZURE,
            "Whether somebody has an epileptic seizure during a minute of EEG.",
        ),
        single(
            "tusz/seizure-type",
            SEIZURE_TYPES,
            "Which type an epileptic seizure is of, by a minute of EEG that it touches.",
        ),
    )

    def entries(self, path: Path) -> Iterator[Entry]:
        """Lists the minutes of every recording in turn; an unreadable recording is one entry.

        Raises:
            ReadError: If ``path`` holds no recording, or recordings of two releases.
        """
        path = Path(path)
        base = path / "edf" if (path / "edf").is_dir() else path
        found = [
            (directory, file)
            for directory in _DIRECTORIES
            for file in sorted((base / directory).rglob("*.edf"))
        ]
        if not found:
            raise wrong_folder(f"holds no recording in {', '.join(_DIRECTORIES)}", base, "TUSZ")
        files = [_File.placed(file, base, directory) for directory, file in found]
        if len({each.is_v2 for each in files if each.subject}) > 1:
            problem = "holds two releases, in which persons have other names"
            remedy = "Keep v2 and v1.5.2 in folders of their own"
            raise ReadError(problem, path=base, remedy=remedy)
        home: dict[str, str] = {}
        for each in files:
            home.setdefault(each.subject, each.directory)
        for each in files:
            if not each.subject:
                problem = "lies or is called otherwise than in v2 and v1.5.2"
                remedy = "Keep the folders and names of the distribution"
                error = ReadError(problem, path=each.path, remedy=remedy)
                yield refused(each.name, each.name, "", error)
                continue
            yield from list_pieces(
                partial(read_recording, each, is_labelled=each.directory == home[each.subject]),
                name=each.name,
                subject_id=each.subject,
                fold=_fold(each, home[each.subject]),
                piece_s=PIECE_S,
            )


@dataclass(frozen=True)
class _File:
    """A recording and the meaning of its path; no subject where that is none of the layouts."""

    path: Path
    directory: str
    name: str
    subject: str = ""
    session: str = ""
    montage: str = ""
    is_v2: bool = False

    @classmethod
    def placed(cls, path: Path, base: Path, directory: str) -> "_File":
        """Parses a path below a directory."""
        place = path.relative_to(base / directory).as_posix()
        for pattern in (_V2, _V1):
            if found := pattern.fullmatch(place):
                name = f"{directory}/{found['montage']}/{path.stem}"
                is_v2 = pattern is _V2
                return cls(path, directory, name, **found.groupdict(), is_v2=is_v2)
        return cls(path, directory, f"{directory}/{place.removesuffix('.edf')}")


def _fold(file: _File, home: str) -> str:
    if file.is_v2:
        return _DIRECTORIES[home]
    return hashed_fold("tusz", file.subject, _TRAIN_SHARES) if home == "train" else "test"


@keep_last
def read_recording(file: _File, *, is_labelled: bool) -> tuple[Bout, ...]:
    """Reads one recording, a bout for every minute."""
    record = _read_signal(file)
    pieces = tile(0.0, record.duration_s, PIECE_S)
    if not is_labelled:
        return tuple(Bout(record, start_s, stop_s) for start_s, stop_s in pieces)
    suffixes = (".csv_bi", ".csv") if file.is_v2 else (".tse_bi", ".tse")
    seizures = read_seizures(file.path.with_suffix(suffixes[0]), _BINARY, record.duration_s)
    typed = read_seizures(file.path.with_suffix(suffixes[1]), _TYPES, record.duration_s)
    return tuple(
        Bout(record, start_s, stop_s, label_piece(seizures, typed, start_s, stop_s))
        for start_s, stop_s in pieces
    )


def label_piece(
    seizures: Sequence[Annotation], typed: Sequence[Annotation], start_s: float, stop_s: float
) -> Labels:
    """Returns whether a seizure touches a piece, and its group, if all are of one."""
    if not _touching(seizures, start_s, stop_s):
        return {"seizure": ("background",), "seizure-type": None}
    groups = {_GROUP_OF.get(each.label) for each in _touching(typed, start_s, stop_s)}
    group = groups.pop() if len(groups) == 1 else None
    return {"seizure": ("seizure",), "seizure-type": (group,) if group else None}


def read_seizures(file: Path, known: Sequence[str], duration_s: float) -> tuple[Annotation, ...]:
    """Reads the seizures of an annotation; rows of background are only checked.

    Args:
        file: An annotation of v2 (``.csv``, ``.csv_bi``) or v1.5.2 (``.tse``, ``.tse_bi``).
        known: The labels that it may use.
        duration_s: Length of the recording, seconds.
    """
    if not file.is_file():
        remedy = "It lies beside the recording in the distribution; fetch it again"
        raise ReadError("the annotation is missing", path=file, remedy=remedy)
    found = []
    for number, cells in _rows(file):
        where = f"line {number}"
        try:
            start_s, stop_s, label = float(cells[0]), float(cells[1]), cells[2].strip().lower()
        except (ValueError, IndexError) as error:
            problem = "not a start, a stop and a label"
            raise ReadError(problem, path=file, field=where, remedy="Fetch it again") from error
        if label not in known:
            remedy = f"Known: {', '.join(known)}"
            raise ReadError(f"unknown label {label!r}", path=file, field=where, remedy=remedy)
        if not 0 <= start_s <= stop_s or (label != _BACKGROUND and start_s >= duration_s):
            problem = f"from {start_s:g} to {stop_s:g} s in a recording of {duration_s:g} s"
            remedy = "Fetch the recording and its annotation again, from v2.0.1 or later"
            raise ReadError(problem, path=file, field=where, remedy=remedy)
        found.append(Annotation(start_s, label, "seizure", duration_s=stop_s - start_s))
    if not found:
        raise ReadError("the annotation has no row", path=file, remedy="Fetch it again")
    return tuple(each for each in found if each.label != _BACKGROUND)


def _rows(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Yields line numbers with start, stop and label of each row, as text."""
    text = file.read_text(encoding="utf-8-sig", errors="replace")
    lines = [
        (number, line.strip())
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.startswith(("#", "version"))
    ]
    if file.suffix.startswith(".tse"):
        yield from ((number, line.split()) for number, line in lines)
        return
    if not lines or lines[0][1].split(",") != _CSV_COLUMNS:
        remedy = f"Expected: {','.join(_CSV_COLUMNS)}"
        raise ReadError("no header of an annotation", path=file, field="header", remedy=remedy)
    yield from ((number, line.split(",")[1:]) for number, line in lines[1:])


def _touching(seizures: Sequence[Annotation], start_s: float, stop_s: float) -> list[Annotation]:
    ends_s = [each.time_s + each.duration_s for each in seizures]
    return [
        s
        for s, end_s in zip(seizures, ends_s, strict=True)
        if s.time_s < stop_s and end_s > start_s
    ]


def _read_signal(file: _File) -> Record:
    """Reads the electrodes of a recording, under their names alone."""
    from medts.formats.edf_header import channel_labels

    labels = channel_labels(file.path)
    named = {label: match for label in labels if (match := _CHANNEL.fullmatch(label))}
    electrode_of = {
        label: name
        for label, match in named.items()
        if (name := canonical_channel(match["electrode"])) in ELECTRODES
    }
    references = sorted({named[label]["reference"].upper() for label in electrode_of})
    if len(references) != 1:
        found = f"electrodes against {' and '.join(references)}" if references else "no electrode"
        remedy = "Expected are channels such as EEG FP1-REF or EEG FP1-LE, of one kind"
        raise ReadError(f"holds {found}", path=file.path, field="channels", remedy=remedy)
    record = read_file(file.path, channels=tuple(electrode_of))
    if list(record.streams) != ["eeg"]:
        raise ReadError("electrodes at several rates", path=file.path, field="channels")
    facts = {
        **spell_out_sex(record.facts),
        "recording": file.path.stem,
        "session": file.session,
        "montage": file.montage,
        "reference": references[0],
    }
    return replace(record, annotations=(), facts=facts)
