"""Text descriptions of label sets: class wordings and a sentence on the recordings.

For models that read texts. Neither has anything of a single record.
"""

from collections import Counter

import numpy as np

from medts.core.labels import LabelSet
from medts.data.ontology import with_phrases
from medts.data.recordings import Recordings


def in_words(store: Recordings, name: str) -> LabelSet:
    """Returns a label set of a store with phrases for its classes and a description."""
    label_set = with_phrases(store.label_set(name))
    if label_set.description:
        return label_set
    return label_set.but(description=describe_recordings(store, label_set))


def describe_recordings(store: Recordings, label_set: LabelSet) -> str:
    """Describes the recordings of a label set, and its task, in a sentence.

    >>> describe_recordings(store, store.label_set("ptb-xl/rhythm"))  # doctest: +SKIP
    'ECG, 12 channels at 500 Hz, about 10 s, of PTB-XL 1.0.3; rhythm, any of 12 classes'
    """
    corpus, part = label_set.name.split("/")
    rows = np.flatnonzero(store.corpus_of_row == corpus)
    kinds = Counter(
        f"{entry['modality'].upper()}, {len(entry['channels'])} channels "
        f"at {entry['sampling_rate']:g} Hz"
        for row in rows
        for entry in store.streams[row].values()
    )
    streams = " and ".join(sorted(kinds, key=lambda kind: (-kinds[kind], kind))[:3])
    seconds = [
        max(entry["n_samples"] / entry["sampling_rate"] for entry in store.streams[row].values())
        for row in rows
    ]
    choice = "one of" if label_set.kind == "single" else "any of"
    return (
        f"{streams}, about {np.median(seconds):.0f} s, of {store.corpora[corpus].card.title}; "
        f"{part}, {choice} {len(label_set)} classes"
    )
