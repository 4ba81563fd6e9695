"""Chapman-Shaoxing-Ningbo in its official layout: 12-lead ECGs with SNOMED CT codes.

`WFDBRecords/01/010/JS00001.hea` and so on; the same recordings in the folders of the PhysioNet
challenge of 2021 (``chapman_shaoxing``, ``ningbo``) are read as well. Acronyms of the classes are
those of the corpus's own table; where it gives several acronyms the same code, the first counts,
for the recordings hold nothing but the codes.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from medts.core.labels import LabelSet
from medts.data.ontology import with_phrases
from medts.data.sources.base import PHYSIONET, Entry, Labels, Source, SourceCard
from medts.data.sources.physionet import list_challenge_entries


def _codes(text: str) -> dict[str, str]:
    return dict(pair.split(":") for pair in text.split())


RHYTHMS = _codes("""
    SB:426177001 SR:426783006 AFIB:164889003 ST:427084000 AF:164890007 SA:427393009 SVT:426761007
    AT:713422000 AVNRT:233896004 AVRT:233897008 SAAWR:195101003
""")
"""The eleven rhythms and their SNOMED CT codes; AF is atrial flutter, SA sinus irregularity."""

FINDINGS = _codes("""
    AQW:164917005 UW:164937009 SR:426783006 WPW:74390002 2AVB:195042002 AT:713422000 VB:11157007
    ARS:47665007 STTC:428750005 SA:427393009 STE:164930006 VPB:17338001 TWO:59931005
    STTU:164931005 ALS:39732003 APB:284470004 2AVB1:54016002 PRIE:164947007 CCR:251199005
    CR:251198002 AF:164890007 AVB:233917008 QTIE:111975006 LBBB:164909002 VEB:75532003
    SVT:426761007 RBBB:59118001 1AVB:270492004 STDD:429622005 MI:164865005 AFIB:164889003
    TWC:164934002 PWC:164912004 ERV:428417006 RVH:89792004 LVH:164873001 ST:427084000
    JEB:426995002
""")
"""The 38 classes of MERL's and MELP's tables, in their order, and their SNOMED CT codes."""

FOUR_RHYTHMS = {
    "AFIB": ("AFIB", "AF"),
    "GSVT": ("SVT", "AT", "SAAWR", "ST", "AVNRT", "AVRT"),
    "SB": ("SB",),
    "SR": ("SR", "SA"),
}
"""Which rhythms the usual four classes bring together."""


class ChapmanShaoxing(Source):
    """Chapman-Shaoxing-Ningbo 1.0.0 (CC BY 4.0): 45,152 ECGs, 12 leads, 10 s, 500 Hz, mV."""

    name: ClassVar[str] = "chapman-shaoxing"
    card: ClassVar[SourceCard] = SourceCard(
        title="A large scale 12-lead electrocardiogram database for arrhythmia study 1.0.0",
        licence="Creative Commons Attribution 4.0",
        citation=(
            "Zheng et al., A 12-lead electrocardiogram database for arrhythmia research covering "
            "more than 10,000 patients. Scientific Data 7, 48 (2020), "
            "doi:10.1038/s41597-020-0386-x; Zheng et al., Optimal multi-stage arrhythmia "
            "classification approach. Scientific Reports 10, 2898 (2020), "
            f"doi:10.1038/s41598-020-59821-7; {PHYSIONET}"
        ),
        obtain="https://physionet.org/content/ecg-arrhythmia/1.0.0/",
        subjects="45,152",
        records="45,152 ECGs of 10 s",
        streams={
            "ecg": ("12 leads", "mV", "500 Hz"),
        },
        also="SNOMED CT codes as statements, age, sex",
        folds=(
            "a hash of the id puts each record into train, validation or test (60, 20 and 20 %)"
        ),
        layout=(
            "the distribution as it is; the folders `chapman_shaoxing` and `ningbo` of the "
            "PhysioNet challenge of 2021 are read as well"
        ),
        notes=(
            "papers call it CSN or Chapman; `findings` has the 38 classes of MERL and "
            "MELP, in their order",
            "a record without a label of a set takes no part in it",
        ),
        defects=(
            "published label tables matched acronyms as parts of a text; labels here are exact, "
            "so counts differ from MERL's and MELP's (VB: 3 in their test table, not 169)",
            "published tables drop every record with a code that the corpus's table lacks; here "
            "only the code is left without a class",
            "several acronyms share a code (LBBB, LBBBB, LFBBB; IDC, IVB; SAAWR, WAVN; five kinds "
            "of MI): the recordings do not distinguish them",
            "STE is coded as an abnormal ST interval (164930006), STTU as ST elevation "
            "(164931005); classes keep the acronyms of the corpus",
            "some headers are broken: such recordings are quarantined",
            "tested on small files in the official layout; the corpus itself was not at hand",
        ),
        is_public=True,
    )
    label_sets = (
        with_phrases(LabelSet(name=f"{name}/findings", classes=tuple(FINDINGS), kind="multi")),
        with_phrases(LabelSet(name=f"{name}/rhythm", classes=tuple(RHYTHMS), kind="multi")),
        with_phrases(LabelSet(name=f"{name}/rhythm-4", classes=tuple(FOUR_RHYTHMS), kind="single")),
    )

    def entries(self, path: Path) -> Iterator[Entry]:
        """Lists every recording, by id."""
        return list_challenge_entries(
            Path(path), corpus="Chapman-Shaoxing-Ningbo", name=self.name, labels_of=labels_of
        )


def labels_of(codes: tuple[str, ...]) -> Labels:
    """Returns the labels of each set, by exact code.

    >>> labels_of(("426761007", "233897008"))["rhythm-4"], labels_of(("164865005",))["rhythm"]
    (('GSVT',), None)
    """
    findings = tuple(name for name, code in FINDINGS.items() if code in codes)
    rhythms = tuple(name for name, code in RHYTHMS.items() if code in codes)
    groups = tuple(name for name, members in FOUR_RHYTHMS.items() if set(members) & set(rhythms))
    return {
        "findings": findings or None,
        "rhythm": rhythms or None,
        "rhythm-4": groups if len(groups) == 1 else None,
    }
