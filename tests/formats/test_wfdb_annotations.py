"""Annotations in the MIT format: against wfdb, bit for bit, and what cannot be held."""

import struct

import numpy as np
import pytest

from medts.core.errors import MedtsError, ReadError
from medts.core.records import Annotation, Record
from medts.formats import FORMATS, read
from medts.formats.wfdb_annotations import decode, encode_annotations, read_annotations

write = FORMATS["wfdb"].write


def mark(step, code):
    return struct.pack("<H", code << 10 | step)


def note(text):
    return struct.pack("<H", 63 << 10 | len(text)) + text + b"\0" * (len(text) % 2)


def skip(step):
    return struct.pack("<HHH", 59 << 10, step >> 16 & 0xFFFF, step & 0xFFFF)


END = b"\0\0"


@pytest.mark.parametrize("fs", [None, 360, 128.5])
def test_marks_equal_those_of_wfdb_in_every_field(tmp_path, fs):
    wfdb = pytest.importorskip("wfdb")
    generator = np.random.default_rng(0)
    n = 500
    steps = generator.choice([0, 1, 300, 1023, 1024, 70_000], n)
    notes = generator.choice(["", "(AFIB", "(N\0", "odd", "even", "x" * 255, "\xe9"], n)
    wfdb.wrann(
        "a",
        "qrs",
        sample=np.cumsum(steps) + 1,
        symbol=generator.choice(list('NLRaVFJASEj/Q~|sT*D"=pB^t+u?![]en@xf()r'), n).tolist(),
        subtype=generator.integers(-128, 128, n).astype(np.int64),
        chan=generator.choice([0, 1, 255], n),
        num=generator.choice([0, 1, 127], n),
        aux_note=notes.tolist(),
        fs=fs,
        write_dir=str(tmp_path),
    )
    theirs = wfdb.rdann(str(tmp_path / "a"), "qrs")
    ours = decode((tmp_path / "a.qrs").read_bytes(), tmp_path)
    np.testing.assert_array_equal(ours.ticks, theirs.sample)
    np.testing.assert_array_equal(ours.subtypes, theirs.subtype)
    np.testing.assert_array_equal(ours.channels, theirs.chan)
    np.testing.assert_array_equal(ours.numbers, theirs.num)
    assert [ours.symbol_of(code) for code in ours.codes.tolist()] == theirs.symbol
    assert [text.decode("latin-1") for text in ours.texts] == theirs.aux_note
    assert ours.rate == theirs.fs == fs


def test_what_is_written_is_what_wfdb_writes(tmp_path):
    wfdb = pytest.importorskip("wfdb")
    marks = [(0.0, "N", ""), (0.5, "V", ""), (900.0, '"', "odd"), (901.0, "+", "(AFIB")]
    wfdb.wrann(
        "a",
        "atr",
        sample=np.array([round(each[0] * 500) for each in marks]),
        symbol=[each[1] for each in marks],
        aux_note=[each[2] for each in marks],
        fs=500,
        write_dir=str(tmp_path),
    )
    annotations = (
        Annotation(901.0, "AFIB", "rhythm"),
        Annotation(0.0, "N", "beat"),
        Annotation(0.5, "V", "beat"),
        Annotation(900.0, "odd", "comment"),
    )
    ours = encode_annotations(annotations, 500.0, 1000.0, tmp_path)
    assert ours == (tmp_path / "a.atr").read_bytes()


def test_types_that_a_file_defines_and_types_that_nobody_defines(tmp_path):
    (tmp_path / "a.atr").write_bytes(
        mark(0, 22)
        + note(b"## annotation type definitions")
        + mark(0, 22)
        + note(b"42 PVT Pulseless tachycardia")
        + mark(0, 22)
        + note(b"## end of definitions")
        + mark(50, 42)
        + mark(50, 43)
        + mark(0, 57)
        + END
    )
    back = read_annotations(tmp_path / "a", 100.0, 9.0)
    assert [(each.time_s, each.label) for each in back] == [
        (0.5, "PVT"),
        (1.0, "[43]"),
        (1.0, "[57]"),
    ]


def test_a_comment_on_the_first_sample_is_no_definition(tmp_path):
    first = mark(0, 22) + note(b"## time resolution: 200") + mark(0, 22) + note(b"## odd")
    (tmp_path / "a.atr").write_bytes(first + mark(100, 1) + END)
    assert read_annotations(tmp_path / "a", 100.0, 9.0) == (
        Annotation(0.0, "## odd", "comment"),
        Annotation(0.5, "N", "beat"),
    )


def test_subtypes_and_numbers_are_signed_and_channels_are_not(tmp_path):
    extra = b"".join(bytes([254, code << 2]) for code in (60, 61, 62))
    marks = decode(mark(1, 1) + extra + mark(1, 1) + END, tmp_path)
    assert marks.numbers.tolist() == [-2, -2]
    assert marks.subtypes.tolist() == [-2, 0]
    assert marks.channels.tolist() == [254, 254]


def test_random_bytes_never_end_in_anything_but_a_read_error(tmp_path):
    generator = np.random.default_rng(0)
    n_read = 0
    for _ in range(500):
        n_words = generator.integers(0, 12)
        data = generator.integers(0, 256, 2 * n_words, dtype=np.uint8).tobytes()
        (tmp_path / "a.atr").write_bytes(mark(1, 1) + data + END)
        try:
            read_annotations(tmp_path / "a", 100.0, 9.0)
        except ReadError:
            continue
        n_read += 1
    assert 0 < n_read < 500


def test_a_step_back_and_several_long_steps(tmp_path):
    marks = decode(skip(2**31 - 1) + skip(5) + mark(3, 1) + skip(-10) + mark(0, 5) + END, tmp_path)
    np.testing.assert_array_equal(marks.ticks, [2**31 + 7, 2**31 - 3])


TIME = b"## time resolution: "


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "cut short"),
        (b"\xff" * 7, "odd number of bytes"),
        (mark(5, 1), "cut short"),
        (mark(5, 1) + note(b"text")[:-2], "cut short"),
        (mark(5, 1) + note(b"text"), "cut short"),
        (mark(5, 1) + skip(9)[:4], "cut short"),
        (note(b"text") + mark(5, 1) + END, "do not begin with a mark"),
        (mark(0, 22) + note(TIME + b"none") + END, "definition that cannot be used"),
        (mark(0, 22) + note(TIME + b"0") + END, "definition that cannot be used"),
        (mark(0, 22) + note(TIME + b"1e999") + END, "impossible"),
        (mark(0, 22) + note(TIME + b"5") + mark(0, 22) + note(TIME + b"6") + END, "cannot be used"),
        (
            mark(0, 22) + note(b"## annotation type definitions") + mark(0, 22) + note(b"?") + END,
            "x?",
        ),
    ],
)
def test_damaged_annotations_are_refused_with_their_file(tmp_path, make_stream, data, message):
    write(Record("r", {"ecg": make_stream()}), tmp_path / "r")
    (tmp_path / "r.atr").write_bytes(data)
    with pytest.raises(ReadError, match=rf"r\.atr: .*{message}"):
        read(tmp_path / "r")


def test_a_missing_annotation_file_is_named(tmp_path):
    with pytest.raises(ReadError, match=r"a\.ii: cannot be read: No such file"):
        read_annotations(tmp_path / "a", 100.0, 9.0, "ii")


def trip(tmp_path, make_stream, *annotations):
    path = tmp_path / "r"
    write(Record("r", {"ecg": make_stream()}, annotations=annotations), path)
    return read(path).annotations


def test_labels_come_back_up_to_what_the_format_holds(tmp_path, make_stream):
    labels = ("y" * 255, "µ" * 127, "", "## time resolution: 7", "(N", "new\nline")
    kept = tuple(Annotation(at / 10, label, "comment") for at, label in enumerate(labels))
    kept += (
        Annotation(0.6, "|", "mark"),
        Annotation(0.7, "~", "quality"),
        Annotation(0.8, "p", "wave"),
    )
    assert trip(tmp_path, make_stream, *kept) == kept


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (Annotation(1.0, "y" * 256, "comment"), "at 1 s: a label of 256 bytes, WFDB holds 255"),
        (Annotation(1.0, "µ" * 128, "comment"), "a label of 256 bytes"),
        (Annotation(1.0, "y" * 255, "rhythm"), "a label of 256 bytes"),
        (Annotation(1.0, "trailing ", "comment"), "cannot hold this label"),
        (Annotation(1.0, "", "rhythm"), "cannot hold this label"),
        (Annotation(-0.5, "N", "beat"), "'N' at -0.5 s: WFDB cannot hold this time"),
        (Annotation(float("nan"), "N", "beat"), "cannot hold this time"),
        (Annotation(float("inf"), "N", "beat"), "cannot hold this time"),
        (Annotation(1e300, "N", "beat"), "cannot hold this time"),
    ],
)
def test_what_the_format_cannot_hold_is_refused_before_anything_is_written(
    tmp_path, make_stream, annotation, message
):
    with pytest.raises(MedtsError, match=rf"r\.atr: .*{message}.*\.npz"):
        trip(tmp_path, make_stream, Annotation(0.5, "n", "comment"), annotation)
    assert list(tmp_path.iterdir()) == []


def test_a_rhythm_that_ends_before_the_next_one_does_not_grow(tmp_path, make_stream):
    rhythms = (Annotation(0.1, "AFIB", "rhythm", "", 0.4), Annotation(1.0, "VT", "rhythm", "", 0.5))
    back = trip(tmp_path, make_stream, *rhythms)
    assert [each.label for each in back] == ["AFIB", "VT"]
    assert [each.duration_s for each in back] == pytest.approx([0.4, 0.5])


def test_infinite_values_and_names_of_several_lines_are_refused(tmp_path, make_stream):
    stream = make_stream()
    stream.signal[0, 3] = np.inf
    with pytest.raises(MedtsError, match="channel I: WFDB cannot hold infinite values"):
        write(Record("r", {"ecg": stream}), tmp_path / "r")
    odd = make_stream(channels=("I\nr.dat", "II", "V1"), modality="ecg")
    with pytest.raises(MedtsError, match="line breaks"):
        write(Record("r", {"ecg": odd}), tmp_path / "r")
