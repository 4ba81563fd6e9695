"""APAVA: resting-state EEG with closed eyes, Alzheimer's disease or healthy, 5 s trials.

``AD_Data/preproctrialsNN.mat`` holds subject NN as a FieldTrip structure ``data`` with the fields
``label``, ``fsample`` and ``trial``: a cell for every stretch of five seconds without artefacts.

Axes: C channels, T samples in time.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from medts.core.errors import ReadError
from medts.core.montage import MONTAGES, canonical_channel
from medts.core.records import Record, Stream
from medts.data.sources.base import Entry, Source, SourceCard, single
from medts.data.sources.pieces import Bout, keep_last, list_pieces, numbered
from medts.data.sources.reading import refused, wrong_folder

CORPUS = "APAVA"
RATE = 256.0
"""Sampling rate of every recording, Hz."""

PIECE_S = 5.0
"""Length of a trial, hence of a record, seconds."""

ELECTRODES = tuple(
    name for name in MONTAGES["eeg-10-20"].channels if name not in ("Fz", "Cz", "Pz")
)

CLASSES = {"HC": "healthy elderly person", "AD": "Alzheimer's disease"}

N_SUBJECTS = 23
PATIENTS = (1, 3, 6, 8, 9, 11, 12, 13, 15, 17, 19, 21)
"""Subjects with Alzheimer's disease; the other eleven are healthy."""

VALIDATION, TEST = (15, 16, 19, 20), (1, 2, 17, 18)
"""The split of Medformer (Wang et al., NeurIPS 2024); all others train."""

PLAUSIBLE_UV = (0.5, 500.0)
"""Between these lies the standard deviation of an EEG channel, in µV."""

_FIELDS = ("label", "fsample", "trial")


class Apava(Source):
    """APAVA: 23 subjects, 16 EEG channels in µV (10-20 without midline), common average, 256 Hz."""

    name: ClassVar[str] = "apava"
    card: ClassVar[SourceCard] = SourceCard(
        title="APAVA: EEG in Alzheimer's disease, as preprocessed trials (OSF jbysn)",
        licence="not known to us; see its page at OSF",
        citation=(
            "Escudero et al., Analysis of electroencephalograms in Alzheimer's disease patients "
            "with multiscale entropy. Physiol Meas 27(11), 1091-1106 (2006), "
            "doi:10.1088/0967-3334/27/11/004; Smith et al., Accounting for the complex "
            "hierarchical topology of EEG phase-based functional connectivity in network "
            "binarisation. PLoS ONE 12(10), e0186164 (2017), doi:10.1371/journal.pone.0186164"
        ),
        obtain="https://osf.io/jbysn/ (AD_Data.tar.gz)",
        subjects="23, of whom 12 with Alzheimer's disease",
        records="a trial of five seconds at rest with closed eyes; 1 to 59 of each subject",
        streams={
            "eeg": (
                "16 electrodes of the 10-20 system (not Fz, Cz, Pz) against their common average",
                "µV",
                "256 Hz",
            ),
        },
        folds=(
            "Medformer's: subjects 15, 16, 19 and 20 validate, 1, 2, 17 and 18 test, the "
            "others train"
        ),
        layout="`AD_Data/preproctrials01.mat` to `preproctrials23.mat`",
        notes=(
            "Medformer takes nine windows of one second from a trial, every half second: "
            "`window_s=1.0`, `stride_s=0.5`",
        ),
        defects=(
            "the files have no diagnoses: the list of patients is the one that Medformer and "
            "COMET publish",
            "the files state no unit: the values are taken to be µV, and a file whose middle "
            "channel deviates by less than 0.5 or more than 500 is refused",
            "the publication has 11 patients and 19 channels, the files have 12 and 16: Fz, Cz and "
            "Pz are missing",
            "subjects have 1 to 59 trials; subject 5 has one and subject 7 three",
            "four subjects validate and four test, so scores hang on very few people",
            "COMET validates on subjects 17 and 18 and tests on 19 and 20; Medformer's "
            "split is used here",
            "when a trial was recorded is not known: trials are in the order of the file",
            "a file with other channels, another rate or trials of another length is refused",
            "tested on small files in the official layout; the corpus itself was not at hand",
        ),
        is_public=True,
    )

    label_sets = (
        single(
            "apava/alzheimers",
            CLASSES,
            "Whether somebody has Alzheimer's disease, by five seconds of resting EEG.",
        ),
    )

    def entries(self, path: Path) -> Iterator[Entry]:
        """Lists the trials of every subject in turn; an unreadable subject is one entry."""
        path = Path(path)
        folder = path / "AD_Data" if (path / "AD_Data").is_dir() else path
        files = numbered(
            folder.glob("*.mat"), r"preproctrials(\d\d)\.mat", folder=folder, corpus=CORPUS
        )
        for number, file in files.items():
            subject_id = f"{number:02d}"
            if not 1 <= number <= N_SUBJECTS:
                error = ReadError(f"{CORPUS} has no subject of that number", path=file)
                yield refused(file.stem, subject_id, "", error)
                continue
            yield from list_pieces(
                partial(read_subject, file, "AD" if number in PATIENTS else "HC"),
                name=file.stem,
                subject_id=subject_id,
                fold=fold_of(number),
                piece_s=PIECE_S,
            )


def fold_of(number: int) -> str:
    """Returns the fold of a subject.

    >>> fold_of(15), fold_of(18), fold_of(23)
    ('validation', 'test', 'train')
    """
    if number in VALIDATION:
        return "validation"
    return "test" if number in TEST else "train"


@keep_last
def read_subject(file: Path, label: str) -> tuple[Bout, ...]:
    """Reads one subject, a bout for every trial."""
    fields = _fields(file)
    names = tuple(canonical_channel(str(cell.item())) for cell in fields["label"])
    if set(names) != set(ELECTRODES) or len(names) != len(ELECTRODES):
        lost = ", ".join(name for name in ELECTRODES if name not in names) or "none"
        problem = f"{len(names)} channels instead of {len(ELECTRODES)}; lost: {lost}"
        remedy = f"Expected: {', '.join(ELECTRODES)}"
        raise ReadError(problem, path=file, field="label", remedy=remedy)
    rate = float(fields["fsample"][0]) if len(fields["fsample"]) == 1 else 0.0
    if rate != RATE:
        raise ReadError(f"sampled at {rate:g} Hz instead of {RATE:g}", path=file, field="fsample")
    shape = (len(names), round(PIECE_S * RATE))
    trials = [np.asarray(each) for each in fields["trial"]]
    odd = next(
        (n for n, t in enumerate(trials) if t.shape != shape or t.dtype.kind not in "iuf"), None
    )
    if odd is not None or not trials:
        found = f"trial {odd + 1} is {trials[odd].shape}" if odd is not None else "no trial"
        problem = f"{found} instead of {shape} channels and samples"
        raise ReadError(problem, path=file, field="trial", remedy="Fetch it again")
    deviation = float(np.median(np.std(np.concatenate(trials, axis=1), axis=1)))
    if not PLAUSIBLE_UV[0] <= deviation <= PLAUSIBLE_UV[1]:
        problem = f"channels deviate by {deviation:.3g}, which is no EEG in µV"
        raise ReadError(problem, path=file, field="trial", remedy="Bring the trials to µV")
    return tuple(_bout(trial, names, file, number, label) for number, trial in enumerate(trials))


def _bout(trial: np.ndarray, names: tuple[str, ...], file: Path, number: int, label: str) -> Bout:
    stream = Stream(trial.astype(np.float32), names, RATE, "eeg", "µV")
    record = Record(file.stem, {"eeg": stream}, facts={"recording": file.stem, "trial": number})
    return Bout(record, 0.0, PIECE_S, {"alzheimers": (label,)})


def _fields(file: Path) -> dict[str, list[Any]]:
    """Returns what the fields of the structure hold, each as a flat list."""
    from medts.formats.eeglab import load_matlab

    data = np.asarray(load_matlab(file, simplify=False).get("data", ()))
    names = data.dtype.names or ()
    missing = [name for name in _FIELDS if name not in names]
    if missing or data.size != 1:
        problem = f"no FieldTrip structure data with {', '.join(_FIELDS)}"
        raise wrong_folder(problem, file, CORPUS)
    held = {name: np.asarray(data.ravel()[0][name]).ravel() for name in _FIELDS}
    if any(np.size(cell) != 1 for cell in held["label"]) or held["fsample"].dtype.kind not in "iuf":
        raise ReadError("a channel without a name, or no rate", path=file, field="label")
    return {name: list(values) for name, values in held.items()}
