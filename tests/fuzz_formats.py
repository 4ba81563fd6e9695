"""Damages small files of every format and reads them: a Record or a MedtsError, quickly, or a bug.

``make fuzz`` reads 100,000 such files; the test suite a seeded thousand. At least half of the
damage is in headers, length fields, pointers and tables. What damage cannot touch, such as names
of patients, must leave the signal as it was.
"""

import io
import re
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from made_dicom import channel, group, measurement, text
from made_dicom import encode as dicom
from made_gt3x import encode as encode_gt3x
from made_gt3x import simple
from made_ishne import encode as ishne
from made_scp import DEFAULT, Scp, without_checksums
from made_scp import encode as scp
from made_xml import aecg, aecg_annotations, aecg_measurement, mortara, muse, schiller, sierra

from medts.core.errors import MedtsError
from medts.core.montage import STANDARD_12_LEADS
from medts.core.records import Annotation, Record, Stream
from medts.formats import FORMATS, read

LIMIT_S = 2.0
SAMPLES = np.cumsum(np.random.default_rng(0).integers(-9, 10, (12, 80)), 1)
EIGHT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 20)
NUMBERS = (
    b"0",
    b"-1",
    b"1e308",
    b"nan",
    b"99999999999999999999",
    b"65536",
    b"",
    b"x",
    b"2147483648",
)


@dataclass
class Seed:
    """A sound file, and the part of it in which most damage is done.

    Args:
        name: What the file is called; other files of the recording lie beside it.
        content: Its bytes.
        n_head: Bytes of header and tables.
        beside: The other files.
        inert: A range of bytes that no signal depends on.
        opened: The file that is opened, where it is another one.
    """

    name: str
    content: bytes
    n_head: int
    beside: dict[str, bytes]
    inert: tuple[int, int] | None = None
    opened: str = ""


def make_seeds() -> list[Seed]:
    """Returns sound files, some of several kinds for one format."""
    two, beat = SAMPLES[:2], SAMPLES[2:4, :20]
    own = [[("0", 0, 0, None), ("100", 1, 0, None), ("11", 0, 16, None)]]
    beats = ((10, 15, 25), (40, 45, 55))
    zones = ((9, 26), (39, 56))
    leads = [channel(f"5.6.3-9-{number}") for number in (1, 2, 3)]
    said = [text("Sinus rhythm"), measurement("5.13.5-7", "PR Interval", 148)]
    marks = aecg_annotations(aecg_measurement("MDC_ECG_TIME_PD_QT", 410))
    rows = SAMPLES.astype(np.int16)
    binary = {
        "dicom": dicom([group(rows[:3], leads, padding=-32768)], said),
        "scp plain": without_checksums(scp(Scp(two, order=1))),
        "scp default": scp(Scp(two, order=2, tables=DEFAULT)),
        "scp own": without_checksums(scp(Scp(two, tables=own))),
        "scp beats": without_checksums(
            scp(Scp(two, tables=DEFAULT, factor=2, zones=zones, beat=beat, fiducial=6, beats=beats))
        ),
        "ishne": ishne(SAMPLES[:3], (5, 6, 12), variable=b"more"),
    }
    xml = {
        "aecg": aecg(EIGHT, SAMPLES[:8], more=marks),
        "muse": re.sub(rb"CRC32>\d+<", b"CRC32>0<", muse(EIGHT, SAMPLES[:8])),
        "sierra": sierra(SAMPLES),
        "sierra old": sierra(SAMPLES, version="1.03", compressed=False),
        "schiller": schiller(STANDARD_12_LEADS, SAMPLES),
        "mortara": mortara(STANDARD_12_LEADS, SAMPLES),
    }
    inert = {"dicom": (0, 128), "ishne": (28, 108)}
    seeds = [Seed("r.bin", c, min(len(c), 700), {}, inert.get(k)) for k, c in binary.items()]
    seeds += [Seed("r.xml", content, len(content), {}) for content in xml.values()]
    return seeds + _written()


def _written() -> list[Seed]:
    """Returns files of the formats that we write."""
    stream = Stream(
        (SAMPLES[:3] * 0.001).astype(np.float32),
        ("I", "II", "V1"),
        40.0,
        "ecg",
        "mV",
        resolution=np.full(3, 0.001),
    )
    record = Record("r", {"ecg": stream}, annotations=(Annotation(0.5, "N", "beat"),))
    seeds: list[Seed] = []
    for key, each in FORMATS.items():
        if not each.is_writable or key == "eeglab":  # SciPy's reader of damaged MATLAB files dies
            continue
        with tempfile.TemporaryDirectory() as folder:
            each.write(record, Path(folder) / "r.hea" if key == "wfdb" else Path(folder) / "r")
            files = {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}
        for name, content in files.items():
            beside = {other: files[other] for other in files if other != name}
            opened = "r.hea" if key == "wfdb" else ""
            seeds.append(Seed(name, content, min(len(content), 1600), beside, opened=opened))
    return [*seeds, Seed("r", _bdf(), 1024, {}, (9, 80)), *_of_several_files()]


def _of_several_files() -> list[Seed]:
    """Returns recordings that are a folder, or an archive."""
    header = (
        b"Brain Vision Data Exchange Header File Version 1.0\n[Common Infos]\nDataFile=r.eeg\n"
        b"MarkerFile=r.vmrk\nDataFormat=BINARY\nDataOrientation=MULTIPLEXED\nNumberOfChannels=3\n"
        b"SamplingInterval=2000\n[Binary Infos]\nBinaryFormat=INT_16\n[Channel Infos]\n"
        b"Ch1=Fp1,,0.5,uV\nCh2=Fp2,,0.5,uV\nCh3=Cz,,1,\n"
    )
    markers = (
        b"[Marker Infos]\nMk1=New Segment,,1,1,0,20131113161403794232\nMk2=Stimulus,S1,9,1,0\n"
    )
    brainvision = {
        "r.vhdr": header,
        "r.vmrk": markers,
        "r.eeg": np.ascontiguousarray(SAMPLES[:3].T).astype("<i2").tobytes(),
    }
    empatica = {
        "ACC.csv": b"1560279825.0,1560279825.0,1560279825.0\n32.0,32.0,32.0\n-61,25,6\n64,0,1\n",
        "EDA.csv": b"1560279825.0\n4.0\n0.25\n0.5\n0.5\n",
        "IBI.csv": b"1560279825.0, IBI\n83.5,0.61\n84.1,0.6\n",
    }
    seeds = [
        Seed(
            name,
            files[name],
            len(files[name]),
            {k: v for k, v in files.items() if k != name},
            opened=opened,
        )
        for files, opened in ((brainvision, "r.vhdr"), (empatica, ""))
        for name in files
    ]
    log = simple(SAMPLES.reshape(4, 3, 80), (1568745600, 1568745601, 1568745604, 1568745605))
    return [*seeds, Seed("r", encode_gt3x(log, rate=80), 300, {})]


def _bdf() -> bytes:
    import edfio

    one = edfio.BdfSignal(SAMPLES[0].astype(float), 40, label="EEG Cz", physical_dimension="uV")
    out = io.BytesIO()
    edfio.Bdf([one], annotations=[edfio.EdfAnnotation(1, 0.5, "Lights off")]).write(out)
    return out.getvalue()


def damage(rng: np.random.Generator, seed: Seed) -> tuple[bytes, bool]:
    """Returns a damaged copy, and whether only inert bytes were changed."""
    data = bytearray(seed.content)
    if seed.inert is not None and rng.random() < 0.1:
        at = int(rng.integers(*seed.inert))
        data[at] = rng.integers(65, 91)
        return bytes(data), True
    for _ in range(int(rng.choice([1, 1, 2, 4]))):
        end = seed.n_head if rng.random() < 0.7 else len(data)
        at = int(rng.integers(max(min(end, len(data)), 1)))
        _damage_once(rng, data, at)
    return bytes(data), False


def _damage_once(rng: np.random.Generator, data: bytearray, at: int) -> None:
    kind = rng.integers(8)
    if kind == 0:
        data[at : at + 1] = bytes((rng.integers(256),))
    elif kind == 1:
        size = int(rng.choice([1, 2, 4]))
        value = EXTREMES[rng.integers(len(EXTREMES))] % (1 << 8 * size)
        data[at : at + size] = value.to_bytes(size, "little" if rng.random() < 0.8 else "big")
    elif kind == 2:
        data[at : at + 1] = bytes(((data[at] if at < len(data) else 0) ^ (1 << rng.integers(8)),))
    elif kind == 3:
        del data[at:]
    elif kind == 4:
        del data[at : at + int(rng.integers(1, 40))]
    elif kind == 5:
        data[at:at] = data[at : at + int(rng.integers(1, 40))]
    elif kind == 6:
        data[at:at] = rng.bytes(int(rng.integers(1, 9)))
    else:  # the next number that is written out
        digits = [n for n in range(at, min(at + 400, len(data))) if 48 <= data[n] < 58]
        if digits:
            end = digits[0]
            while end < len(data) and (48 <= data[end] < 58 or data[end] == 46):
                end += 1
            data[digits[0] : end] = NUMBERS[rng.integers(len(NUMBERS))]


def _stop(*_: object) -> None:
    raise TimeoutError(f"more than {LIMIT_S} s")


def fuzz(n_files: int, seed: int, folder: Path) -> tuple[Counter[str], list[str]]:
    """Reads damaged files, an equal share of each kind; returns outcomes and what is a bug."""
    rng = np.random.default_rng(seed)
    seeds = make_seeds()
    sound = {}
    outcomes: Counter[str] = Counter()
    bugs: list[str] = []
    signal.signal(signal.SIGALRM, _stop)
    for number in range(n_files):
        which = number % len(seeds)
        each = seeds[which]
        place = folder / str(which)
        if not place.exists():
            place.mkdir()
            for name, content in {**each.beside, each.name: each.content}.items():
                (place / name).write_bytes(content)
            sound[which] = read(place / (each.opened or each.name))
        content, is_inert = damage(rng, each)
        (place / each.name).write_bytes(content)
        signal.setitimer(signal.ITIMER_REAL, LIMIT_S)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                record = read(place / (each.opened or each.name))
            outcomes["read"] += 1
            if is_inert:
                outcomes["unchanged"] += _is_same(record, sound[which])
                if not _is_same(record, sound[which]):
                    bugs.append(f"{number} ({which}): another signal after inert damage")
        except MedtsError as error:
            outcomes["refused"] += 1
            if str(place) not in str(error):
                bugs.append(f"{number} ({which}): {error} names no file")
        except BaseException as error:  # a traceback or a hang
            if isinstance(error, KeyboardInterrupt):
                raise
            bugs.append(f"{number} ({which}): {type(error).__name__}: {str(error)[:200]}")
            (folder / f"bug-{number}-{each.name}").write_bytes(content)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    return outcomes, bugs


def _is_same(record: Record, other: Record) -> bool:
    return record.streams.keys() == other.streams.keys() and all(
        np.array_equal(stream.signal, other.streams[name].signal, equal_nan=True)
        for name, stream in record.streams.items()
    )


def main(n_files: int = 100_000, seed: int = 1) -> int:
    """Prints what became of the files; returns 1 where something is a bug."""
    with suppress(ImportError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    began = time.perf_counter()
    outcomes, bugs = fuzz(n_files, seed, folder)
    took_s = time.perf_counter() - began
    lines = [
        f"{n_files} files, seed {seed}, {took_s:.0f} s: {dict(outcomes)}",
        f"{len(bugs)} bugs; files in {folder}",
        *bugs[:50],
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return int(bool(bugs))


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
