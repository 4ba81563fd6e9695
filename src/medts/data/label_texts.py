"""Label sets in words: what a model that reads texts is told about classes and recordings.

A class is told by its plainest wording: the label set's own, else the ontology's, else its name.
The recordings are told by a sentence on modality, channels, rate, length, corpus and question.
Neither says anything about a single record.
"""

from collections import Counter

import numpy as np

from medts.core.labels import LabelSet
from medts.data.ontology import class_concepts, prompts
from medts.data.recordings import Recordings


def in_words(store: Recordings, name: str) -> LabelSet:
    """Returns a label set of a store with wordings for its classes and a description.

    Raises:
        UnknownNameError: If no corpus of the store has it.
    """
    label_set = with_wordings(store.label_set(name))
    if label_set.description:
        return label_set
    return label_set.but(description=describe_recordings(store, label_set))


def with_wordings(label_set: LabelSet) -> LabelSet:
    """Adds the ontology's wordings of classes that have none of their own."""
    phrases = dict(label_set.phrases)
    for each in label_set.classes:
        concepts = class_concepts(label_set, each)
        if not phrases.get(each) and concepts:
            phrases[each] = prompts(concepts[0])
    return label_set.but(phrases={each: found for each, found in phrases.items() if found})


def describe_recordings(store: Recordings, label_set: LabelSet) -> str:
    """Says in a sentence which recordings a label set asks about, and what.

    >>> describe_recordings(store, store.label_set("ptb-xl/rhythm"))  # doctest: +SKIP
    'ECG, 12 channels at 500 Hz, about 10 s, of PTB-XL 1.0.3; rhythm, any of 12 classes'
    """
    corpus, question = label_set.name.split("/")
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
        f"{question}, {choice} {len(label_set)} classes"
    )
