"""Sensitivity and false alarms of `medts.signal.quality`, on recordings that chose no threshold.

`python -m research.signal_quality` prints the tables of `docs/quality.md` from the recordings in
``MEDTS_DATA``: findings on PTB-XL folds 6-9 and LUDB as they are, the same findings after a fault
was made in one lead, exchanged electrodes, and the notes that corpora have on noise.
"""

import csv
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

import medts
from medts.core.montage import STANDARD_12_LEADS
from medts.core.records import Record, Stream
from medts.signal.interchange import LEADS
from medts.signal.quality import judge

_DATA = Path(os.environ.get("MEDTS_DATA", "data"))
_NOTES = ("baseline_drift", "static_noise", "burst_noise", "electrodes_problems")


def ptb_xl(folds: set[int]) -> Iterator[tuple[Record, dict[str, str]]]:
    """Yields 12-lead records of some folds with their row of the table."""
    with (_DATA / "ptb-xl/ptbxl_database.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if int(row["strat_fold"]) in folds:
                yield medts.read(_DATA / "ptb-xl" / f"{row['filename_hr']}.hea"), row


def ludb() -> Iterator[Record]:
    """Yields the records of LUDB."""
    for path in sorted((_DATA / "ludb/data").glob("*.hea")):
        yield medts.read(path)


def cinc_2017() -> Iterator[tuple[Record, str]]:
    """Yields single-lead records with their class; ``~`` is noise."""
    folder = _DATA / "challenge-2017-validation/validation"
    with (folder / "REFERENCE.csv").open(encoding="utf-8") as file:
        for name, label in csv.reader(file):
            yield medts.read(folder / f"{name}.hea"), label


_Fault = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


def _noise(size_mv: float) -> _Fault:
    def add(lead: np.ndarray, rate: float, rng: np.random.Generator) -> np.ndarray:
        return lead + rng.normal(0.0, size_mv, lead.size)

    return add


def _hum(hz: float) -> _Fault:
    def add(lead: np.ndarray, rate: float, rng: np.random.Generator) -> np.ndarray:
        phase = rng.uniform(0, 2 * np.pi)
        return lead + 0.05 * np.sin(2 * np.pi * hz * np.arange(lead.size) / rate + phase)

    return add


def _flat(lead: np.ndarray, rate: float, rng: np.random.Generator) -> np.ndarray:
    first = rng.integers(0, lead.size - round(2 * rate))
    lead = lead.copy()
    lead[first : first + round(2 * rate)] = lead[first]
    return lead


def _clip(lead: np.ndarray, rate: float, rng: np.random.Generator) -> np.ndarray:
    lead = lead - np.median(lead)
    return np.clip(lead, *(0.6 * each for each in (lead.min(), lead.max())))


def _step(lead: np.ndarray, rate: float, rng: np.random.Generator) -> np.ndarray:
    first = rng.integers(lead.size // 5, 4 * lead.size // 5)
    return lead + 3.0 * rng.choice([-1, 1]) * (np.arange(lead.size) > first)


def _walk(lead: np.ndarray, rate: float, rng: np.random.Generator) -> np.ndarray:
    walk = np.cumsum(rng.normal(0.0, 1.0, lead.size))
    return lead + 4.0 * walk / np.ptp(walk)


def _drift(lead: np.ndarray, rate: float, rng: np.random.Generator) -> np.ndarray:
    time_s = np.arange(lead.size) / rate
    return lead + 0.5 * np.sin(2 * np.pi * 0.2 * time_s + rng.uniform(0, 6))


def _lost(lead: np.ndarray, rate: float, rng: np.random.Generator) -> np.ndarray:
    return rng.normal(0.0, 0.01, lead.size)


FAULTS: dict[str, tuple[str, _Fault]] = {
    "flat for 2 s": ("flat", _flat),
    "cut off at 60 % of its extremes": ("clipped", _clip),
    "step of 3 mV": ("detached", _step),
    "random walk over 4 mV": ("detached", _walk),
    "drift of 1 mV at 0.2 Hz": ("drift", _drift),
    "white noise, 0.1 mV rms": ("noise", _noise(0.1)),
    "white noise, 0.2 mV rms": ("noise", _noise(0.2)),
    "hum of 0.05 mV at 50 Hz": ("powerline", _hum(50.0)),
    "hum of 0.05 mV at 60 Hz": ("powerline", _hum(60.0)),
    "no heart, noise of 0.01 mV rms": ("no_beats", _lost),
    "upside down": ("inverted", lambda lead, rate, rng: -lead),
}
"""What is done to one lead, and the finding that it should give."""

EXCHANGES = {
    "right arm, left arm": {"RA": "LA", "LA": "RA"},
    "right arm, left leg": {"RA": "LL", "LL": "RA"},
    "left arm, left leg": {"LA": "LL", "LL": "LA"},
    "all three in a circle": {"RA": "LA", "LA": "LL", "LL": "RA"},
    "right arm, right leg": {"RA": "LL"},
    "left arm, right leg": {"LA": "LL"},
    "V1, V2": {"V1": "V2", "V2": "V1"},
    "V1, V3": {"V1": "V3", "V3": "V1"},
    "V2, V3": {"V2": "V3", "V3": "V2"},
    "V3, V4": {"V3": "V4", "V4": "V3"},
    "V1, V6": {"V1": "V6", "V6": "V1"},
    "V5, V6": {"V5": "V6", "V6": "V5"},
}
"""Where the potential of an electrode comes from instead; the right leg has that of the left."""


def exchange(stream: Stream, moved: Mapping[str, str]) -> Stream:
    """Returns the twelve leads as they would be with electrodes on other places."""
    leads = dict(zip(stream.channels, stream.signal, strict=True))
    at = {"RA": 0 * leads["I"], "LA": leads["I"], "LL": leads["II"]}
    centre = (at["LA"] + at["LL"]) / 3
    at |= {f"V{n}": leads[f"V{n}"] + centre for n in range(1, 7)}
    now = {name: at[moved.get(name, name)] for name in at}
    centre = (now["RA"] + now["LA"] + now["LL"]) / 3
    one, two = now["LA"] - now["RA"], now["LL"] - now["RA"]
    limbs = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    chest = [now[f"V{n}"] - centre for n in range(1, 7)]
    signal = np.stack([*limbs, *chest]).astype(np.float32)
    return replace(stream, signal=signal, channels=STANDARD_12_LEADS, resolution=None)


def _in_mv(record: Record) -> Record:
    return replace(record, streams={"ecg": record.streams["ecg"].to_unit("mV")})


def clean_findings(records: list[Record]) -> None:
    """Prints how many records have each finding as they are."""
    found = Counter[str]()
    usable = 0
    for record in records:
        quality = judge(record)
        usable += quality.is_usable
        found.update({name for each in quality.findings.values() for name in each})
        found["limb electrodes exchanged"] += any(" arm" in each for each in quality.exchanged)
        found["chest electrodes exchanged"] += any(" V" in each for each in quality.exchanged)
        found["not judged"] += bool(quality.not_judged)
    n = len(records)
    print(f"{n} records: usable {usable / n:.1%}")
    print({name: f"{count / n:.1%}" for name, count in found.items()})


def sensitivity(records: list[Record], rng: np.random.Generator) -> None:
    """Prints how often a fault in one lead chosen by chance is found there."""
    as_they_are = [judge(record) for record in records]
    for words, (finding, fault) in FAULTS.items():
        hits = before = 0
        for record, quality in zip(records, as_they_are, strict=True):
            stream = record.streams["ecg"]
            row = int(rng.integers(len(stream.channels)))
            if finding == "inverted":
                own = [r for r, c in enumerate(stream.channels) if c in LEADS]
                row = int(rng.choice(own))
            signal = stream.signal.copy()
            signal[row] = fault(signal[row].astype(float), stream.sampling_rate, rng)
            changed = replace(stream, signal=signal, resolution=None)
            channel = stream.channels[row]
            before += finding in quality.findings.get(channel, {})
            after = judge(replace(record, streams={"ecg": changed})).findings.get(channel, {})
            hits += finding in after
        n = len(records)
        print(f"| {words} | {finding} | {hits / n:.1%} | {before / n:.1%} |")


def exchanges(records: list[Record]) -> None:
    """Prints how often exchanged electrodes are found."""
    for words, moved in EXCHANGES.items():
        group = " V" if words.startswith("V") else " arm"
        named = found = 0
        for record in records:
            changed = exchange(record.streams["ecg"], moved)
            words_found = judge(replace(record, streams={"ecg": changed})).exchanged
            found += any(group in each for each in words_found)
            named += any(each.endswith(words.replace(", ", " and ")) for each in words_found)
        print(f"| {words} | {found / len(records):.1%} | {named / len(records):.1%} |")


def notes_of_ptb_xl(pairs: list[tuple[Record, dict[str, str]]]) -> None:
    """Prints findings beside the notes on signal quality that PTB-XL has."""
    judged = [(judge(record), row) for record, row in pairs]
    groups = {note: [q for q, row in judged if row[note].strip()] for note in _NOTES}
    groups["none"] = [q for q, row in judged if not any(row[note].strip() for note in _NOTES)]
    for note, group in groups.items():
        has = {
            name: np.mean([any(name in each for each in q.findings.values()) for q in group])
            for name in ("drift", "detached", "noise", "powerline")
        }
        shares = ", ".join(f"{name} {share:.0%}" for name, share in has.items())
        print(f"{note}: {len(group)} records, {shares}")


def noise_of_cinc_2017() -> None:
    """Prints how the verdict agrees with the class "too noisy" of CinC 2017."""
    verdicts: dict[str, list[bool]] = {}
    for record, label in cinc_2017():
        verdicts.setdefault(label, []).append(judge(record).is_usable)
    for label, usable in verdicts.items():
        print(label, len(usable), f"not usable {1 - np.mean(usable):.1%}")


def main() -> None:
    """Prints every table."""
    rng = np.random.default_rng(0)
    pairs = [(_in_mv(record), row) for record, row in ptb_xl({6, 7, 8, 9})]
    records = [record for record, _ in pairs]
    clean_findings(records)
    other = [_in_mv(record) for record in ludb()]
    clean_findings(other)
    notes_of_ptb_xl(pairs)
    noise_of_cinc_2017()
    sensitivity(records[::3], rng)
    exchanges(records[::3])


if __name__ == "__main__":
    main()
