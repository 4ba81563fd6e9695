"""CPSC 2018 (PhysioNet/CinC 2020 and 2021): 6,877 12-lead ECGs, SNOMED CT codes, nine classes.

`cpsc_2018/` is flat in the first versions and has folders ``g1`` to ``g7`` in later ones. The
unused part of the collection (``cpsc_2018_extra``) has other classes and is left out.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from medts.core.labels import LabelSet
from medts.data.ontology import with_phrases
from medts.data.sources.base import PHYSIONET, Entry, Labels, Source, SourceCard
from medts.data.sources.physionet import list_challenge_entries

CODES = {
    "Normal": ("426783006",),
    "AF": ("164889003",),
    "I-AVB": ("270492004",),
    "LBBB": ("164909002",),
    "RBBB": ("59118001",),
    "PAC": ("284470004",),
    "PVC": ("164884008", "427172004"),
    "STD": ("429622005",),
    "STE": ("164931005",),
}
"""SNOMED CT codes of each class; names and order are those of the challenge in China."""


class Cpsc2018(Source):
    """CPSC 2018 (CC BY 4.0): 6,877 ECGs, 12 leads, 6 to 60 s, 500 Hz, mV; folds by hash."""

    name: ClassVar[str] = "cpsc-2018"
    card: ClassVar[SourceCard] = SourceCard(
        title="China Physiological Signal Challenge 2018, PhysioNet/CinC Challenge 2021 1.0.3",
        licence="Creative Commons Attribution 4.0",
        citation=(
            "Liu et al., An open access database for evaluating the algorithms of "
            "electrocardiogram rhythm and morphology abnormality detection. Journal of Medical "
            "Imaging and Health Informatics 8(7), 1368-1373 (2018), doi:10.1166/jmihi.2018.2442; "
            "Reyna et al., Will two do? Computing in Cardiology 48 (2021), "
            f"doi:10.23919/CinC53138.2021.9662687; {PHYSIONET}"
        ),
        obtain="https://physionet.org/content/challenge-2021/1.0.3/ (training/cpsc_2018)",
        subjects="unknown",
        records="6,877 ECGs of 6 to 60 s",
        streams={
            "ecg": ("12 leads", "mV", "500 Hz"),
        },
        also="SNOMED CT codes as statements, age, sex",
        folds=(
            "a hash of the id puts each record into train, validation or test (60, 20 and 20 %)"
        ),
        layout="the recordings, flat or in folders `g1` to `g7`",
        defects=(
            "no patient identifiers: a person with several recordings may be in several folds",
            "recordings last 6 to 60 s: they are kept whole, where published protocols "
            "cut the first 5 s and pad before they normalise",
            "PVC is coded as ventricular ectopics (164884008); both codes for it count",
            "an age that nobody reaches, and 'NaN', are left out",
            "some headers spell out the month (12-May-2020), which is not valid WFDB; "
            "both spellings are read",
            "tested on small files in the official layout; the corpus itself was not at hand",
        ),
        is_public=True,
    )
    label_sets = (
        with_phrases(
            LabelSet(name="cpsc-2018/rhythm-or-finding", classes=tuple(CODES), kind="multi")
        ),
    )

    def entries(self, path: Path) -> Iterator[Entry]:
        """Lists every recording, by id."""
        return list_challenge_entries(
            Path(path), corpus="CPSC 2018", name=self.name, labels_of=labels_of
        )


def labels_of(codes: tuple[str, ...]) -> Labels:
    """Returns the classes whose code a record has.

    >>> labels_of(("59118001", "164889003")), labels_of(("10370003",))
    ({'rhythm-or-finding': ('AF', 'RBBB')}, {'rhythm-or-finding': None})
    """
    names = tuple(name for name, meant in CODES.items() if set(meant) & set(codes))
    return {"rhythm-or-finding": names or None}
