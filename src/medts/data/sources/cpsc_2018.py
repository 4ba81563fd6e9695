"""CPSC 2018 as the PhysioNet challenges of 2020 and 2021 distribute it: 12-lead ECGs, nine classes.

`cpsc_2018/` holds 6,877 recordings, flat in the first versions and in folders ``g1`` to ``g7`` in
later ones; both are read. The unused part of the same collection (``cpsc_2018_extra``) has other
classes and is left out.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from medts.core.labels import LabelSet
from medts.data.sources.base import Entry, Source, SourceCard
from medts.data.sources.challenge_headers import Labels, list_entries
from medts.data.sources.physionet import with_phrases

CORPUS = "CPSC 2018"

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
    """CPSC 2018 (CC BY 4.0): 6,877 ECGs, 12 leads, 6 to 60 s, 500 Hz, mV.

    Obtain it from PhysioNet, as a part of the challenges of 2020 or 2021. Persons are unknown, so
    each record stands for its own subject; a hash of its id puts it into ``train``, ``validation``
    or ``test`` (60, 20, 20 %). The test set of the challenge in China was never published.

    Label set ``rhythm-or-finding``, multi-label, nine classes; a record without one of their codes
    takes no part.
    """

    name: ClassVar[str] = "cpsc-2018"
    card: ClassVar[SourceCard] = SourceCard(
        title="China Physiological Signal Challenge 2018, PhysioNet/CinC Challenge 2021 1.0.3",
        licence="Creative Commons Attribution 4.0",
        citation=(
            "Liu et al., An open access database for evaluating the algorithms of "
            "electrocardiogram rhythm and morphology abnormality detection. Journal of Medical "
            "Imaging and Health Informatics 8(7), 1368-1373 (2018), doi:10.1166/jmihi.2018.2442; "
            "Reyna et al., Will two do? Computing in Cardiology 48 (2021), "
            "doi:10.23919/CinC53138.2021.9662687; "
            "Goldberger et al., PhysioNet. Circulation 101(23), e215-e220 (2000)"
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

    @property
    def label_sets(self) -> tuple[LabelSet, ...]:
        """The nine classes of the challenge."""
        bare = LabelSet(name=f"{self.name}/rhythm-or-finding", classes=tuple(CODES), kind="multi")
        return (with_phrases(bare),)

    def entries(self, path: Path) -> Iterator[Entry]:
        """Lists every recording, by id.

        Raises:
            ReadError: If ``path`` holds no recording.
        """
        return list_entries(Path(path), corpus=CORPUS, name=self.name, labels_of=labels_of)


def labels_of(codes: tuple[str, ...]) -> Labels:
    """Returns the classes whose code a record has.

    >>> labels_of(("59118001", "164889003")), labels_of(("10370003",))
    ({'rhythm-or-finding': ('AF', 'RBBB')}, {'rhythm-or-finding': None})
    """
    names = tuple(name for name, meant in CODES.items() if set(meant) & set(codes))
    return {"rhythm-or-finding": names or None}
