"""Agreement of `medts.measure` with LUDB, MIT-BIH and neurokit2, as bias and limits of agreement.

`python -m research.measurements` prints the tables of `docs/measurements.md` from the recordings in
``MEDTS_DATA``. Thresholds were chosen on LUDB records of odd number; these tables are of the even
ones. The reference of an interval is the median over beats, in each beat over the leads once as
their median and once as their second outermost bound, which is what "earliest onset to latest end"
means less one mistake. Where neurokit2 is installed, it measures lead II of the same records.

Bland and Altman, Lancet 327:307, 1986.
"""

import os
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

import medts
from medts.core.records import Annotation, Record

_DATA = Path(os.environ.get("MEDTS_DATA", "data"))
INTERVALS = {
    "p_ms": ("p_on", "p_end"),
    "pr_ms": ("p_on", "qrs_on"),
    "qrs_ms": ("qrs_on", "qrs_end"),
    "qt_ms": ("qrs_on", "t_end"),
}


def ludb() -> Iterator[tuple[Record, tuple[str, ...]]]:
    """Yields the records of even number with their statements."""
    from medts.data.sources.ludb import Ludb

    for entry in Ludb().entries(_DATA / "ludb"):
        record = entry.load()
        if int(record.record_id.split("/")[-1]) % 2 == 0:
            yield record, tuple(each.code for each in record.statements)


def bounds(record: Record) -> list[dict[str, list[float]]]:
    """Returns for every beat the bounds that were marked in the leads, in ms."""
    waves: dict[tuple[str, str], list[Annotation]] = {}
    for each in record.annotations:
        if each.kind == "wave":
            waves.setdefault((each.channel, each.label), []).append(each)
    channels = record.streams["ecg"].channels
    beats = []
    for beat in max((waves.get((c, "QRS"), []) for c in channels), key=len):
        found: dict[str, list[float]] = {}
        middle = beat.time_s + beat.duration_s / 2
        for channel in channels:
            near = [
                each
                for each in waves.get((channel, "QRS"), [])
                if abs(each.time_s + each.duration_s / 2 - middle) < 0.1
            ]
            if not near:
                continue
            onset, end = near[0].time_s, near[0].time_s + near[0].duration_s
            found.setdefault("qrs_on", []).append(1000 * onset)
            found.setdefault("qrs_end", []).append(1000 * end)
            for p in waves.get((channel, "P"), []):
                if onset - 0.4 < p.time_s and p.time_s + p.duration_s <= onset + 0.02:
                    found.setdefault("p_on", []).append(1000 * p.time_s)
                    found.setdefault("p_end", []).append(1000 * (p.time_s + p.duration_s))
            for t in waves.get((channel, "T"), []):
                if end - 0.02 <= t.time_s and t.time_s + t.duration_s < end + 0.7:
                    found.setdefault("t_end", []).append(1000 * (t.time_s + t.duration_s))
                    break
        beats.append(found)
    return beats


def reference(beats: list[dict[str, list[float]]], name: str, *, is_outermost: bool) -> float:
    """Returns an interval as it was marked; NaN where fewer than four leads have it."""
    values = []
    for beat in beats:
        places = [sorted(beat.get(bound, [])) for bound in INTERVALS[name]]
        if min(map(len, places)) >= 4:
            first, last = places
            values.append(
                (last[-2] if name != "pr_ms" else last[1]) - first[1]
                if is_outermost
                else np.median(last) - np.median(first)
            )
    return float(np.median(values)) if values else np.nan


def agreement(found: list[float], marked: list[float]) -> str:
    """Returns count, bias, limits of agreement and the median of the absolute differences."""
    difference = np.array(found) - np.array(marked)
    difference = difference[np.isfinite(difference)]
    if len(difference) < 3:
        return "| – | – | – | – |"
    spread = 1.96 * difference.std(ddof=1)
    bias = difference.mean()
    typical = np.median(np.abs(difference))
    return (
        f"| {len(difference)} | {bias:+.1f} | {bias - spread:+.0f} to {bias + spread:+.0f} "
        f"| {typical:.0f} |"
    )


def with_neurokit(record: Record) -> dict[str, float]:
    """Returns neurokit2's intervals of lead II; nothing where it is not there or fails."""
    with suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import neurokit2 as nk  # pyright: ignore[reportMissingImports]

        stream = record.streams["ecg"].pick(("II",))
        rate = int(stream.sampling_rate)
        clean = nk.ecg_clean(stream.signal[0].astype(float), sampling_rate=rate)
        _, peaks = nk.ecg_peaks(clean, sampling_rate=rate)
        _, waves = nk.ecg_delineate(clean, peaks, sampling_rate=rate, method="dwt")
        places = {
            "p_on": "ECG_P_Onsets",
            "p_end": "ECG_P_Offsets",
            "qrs_on": "ECG_R_Onsets",
            "qrs_end": "ECG_R_Offsets",
            "t_end": "ECG_T_Offsets",
        }
        at = {name: 1000 * np.array(waves[key], float) / rate for name, key in places.items()}
        return {
            name: float(np.nanmedian(at[last] - at[first]))
            for name, (first, last) in INTERVALS.items()
        }
    return {}


def intervals() -> None:
    """Prints agreement with LUDB, over all records and without pacemakers, and of neurokit2."""
    rows = []
    for record, statements in ludb():
        beats = bounds(record)
        found = medts.measure(record)
        others = with_neurokit(record)
        is_paced = any("pac" in each.lower() for each in statements)
        rows.append((found, beats, others, is_paced, record))
    for is_outermost in (False, True):
        print("reference:", "second outermost lead" if is_outermost else "median over leads")
        for name in INTERVALS:
            marked = [reference(r[1], name, is_outermost=is_outermost) for r in rows]
            ours = [getattr(r[0], name) for r in rows]
            print(f"| medts {name} {agreement(ours, marked)}")
            natural = [i for i, r in enumerate(rows) if not r[3]]
            few = agreement([ours[i] for i in natural], [marked[i] for i in natural])
            print(f"| medts, not paced {name} {few}")
            theirs = [r[2].get(name, np.nan) for r in rows]
            both = [i for i in range(len(rows)) if np.isfinite(ours[i]) and np.isfinite(theirs[i])]
            print(f"| neurokit2 {name} {agreement(theirs, marked)}")
            shared = agreement([ours[i] for i in both], [marked[i] for i in both])
            print(f"| medts where both {name} {shared}")
    has_p = [np.isfinite(reference(r[1], "pr_ms", is_outermost=False)) for r in rows]
    stated = [np.isfinite(r[0].pr_ms) for r in rows]
    share = np.mean([s for s, h in zip(stated, has_p, strict=True) if h])
    false = [s for s, h in zip(stated, has_p, strict=True) if not h]
    print(f"P stated where marked: {share:.1%}; where not: {sum(false)} of {len(false)}")
    rates = [
        60_000 / np.diff([np.median(b["qrs_on"]) for b in r[1] if "qrs_on" in b]).mean()
        for r in rows
    ]
    print("rate, bpm", agreement([r[0].rate_bpm for r in rows], [float(each) for each in rates]))


def variability() -> None:
    """Prints agreement of rate and variability with the beats marked in MIT-BIH."""
    found: dict[str, list[float]] = {}
    marked: dict[str, list[float]] = {}
    irregular = {"202", "203", "210", "219", "221", "222"}  # atrial fibrillation, in most of it
    for path in sorted((_DATA / "mitdb").glob("*.hea")):
        if path.stem in irregular:
            continue
        record = medts.read(path)
        measured = medts.measure(record)
        beats = [each for each in record.annotations if each.kind == "beat"]
        rr_ms = 1000 * np.diff([each.time_s for each in beats])
        is_normal = np.array([each.label in "NLR" for each in beats])
        both = is_normal[1:] & is_normal[:-1]
        steps = np.diff(rr_ms)[both[1:] & both[:-1]]
        reference = {
            "rate_bpm": 60_000 / rr_ms.mean(),
            "sdnn_ms": rr_ms[both].std(ddof=1) if both.sum() > 100 else np.nan,
            "rmssd_ms": np.sqrt((steps**2).mean()) if len(steps) > 100 else np.nan,
        }
        for name, value in reference.items():
            found.setdefault(name, []).append(getattr(measured, name))
            marked.setdefault(name, []).append(float(value))
    for name in found:
        print(f"| {name} {agreement(found[name], marked[name])}")


if __name__ == "__main__":
    intervals()
    variability()
