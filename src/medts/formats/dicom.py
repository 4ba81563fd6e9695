"""DICOM waveforms: 12-lead, general and ambulatory ECG, and the ECG inside hemodynamic objects.

pydicom opens the container; the arithmetic is ours (PS3.3 C.10.9): a sample times sensitivity times
correction factor, plus baseline. Channels are known by their coded source, not by the class of the
object. Representative beats (groups called derived) are left out where a rhythm is there; groups
recorded one after the other become one stream with NaN where a lead was not recorded.

Axes: C channels, T samples in time.
"""

import io
import re
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from medts.core.channels import ECG_LEADS, canonical_channel
from medts.core.errors import ReadError
from medts.core.records import Record
from medts.formats.base import Channel, Format, Hints
from medts.formats.dicom_facts import find_facts, find_said
from medts.formats.ecg import ecg_record, parse_number
from medts.formats.leads import lead_name
from medts.formats.streams import side_by_side

_DEFLATED = "1.2.840.10008.1.2.1.99"
_TYPES = {"SB": "i1", "UB": "u1", "SS": "i2", "US": "u2", "SL": "i4", "UL": "u4"}
"""PS3.3 C.10.9.1.5; the 64-bit and the companded ones of speech are no ECG."""

_UCUM = {"mm[Hg]": "mmHg", "{H.B.}/min": "bpm", "/min": "bpm", "Cel": "°C", "1": ""}
_VOLTAGES = ("uv", "mv", "v", "nv", "µv")
_CARDIAC = re.compile(r"1\.2\.840\.10008\.5\.1\.4\.1\.1\.9\.(1\.\d|2\.1)")
"""PS3.4 B.5: the ECG classes and the hemodynamic one, in which a voltage is an ECG lead."""

_LEAD_CODE = re.compile(r"5\.6\.3-9-(\d+)|2:(\d+)")
_SHORTEST_PADDING_S = 0.2


def recognises(path: Path) -> bool:
    """Whether the file has DICOM's preamble."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def read(path: Path, hints: Hints) -> Record:
    """Reads the waveforms of an object, with its statements and measurements.

    Raises:
        ReadError: If it holds no waveform, is damaged, uncalibrated, or of an unknown encoding.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd identifiers are no matter of ours
        try:
            dataset = _open(path)
            groups = _choose(path, list(dataset.get("WaveformSequence") or ()))
            channels = side_by_side([_read_group(path, dataset, *each) for each in groups])
            facts, said = find_facts(dataset, groups[0][1]), find_said(dataset)
        except ReadError:
            raise
        except Exception as error:  # pydicom raises whatever its many parsers do
            raise ReadError(
                f"the DICOM object is damaged: {error}", path=path, remedy="Fetch it again"
            ) from error
    return ecg_record(path, channels, hints, facts, said)


FORMAT = Format("dicom", "DICOM waveform", (".dcm",), recognises, read)


def _open(path: Path) -> Any:
    import pydicom
    from pydicom.filereader import read_file_meta_info

    data = path.read_bytes()  # in memory, so that a length beyond the end allocates nothing
    meta = read_file_meta_info(path)
    if meta.get("TransferSyntaxUID") == _DEFLATED:
        raise ReadError(
            "a deflated DICOM object is not read", path=path, remedy="Store it uncompressed"
        )
    return pydicom.dcmread(io.BytesIO(data))


def _choose(path: Path, groups: list[Any]) -> list[tuple[int, Any]]:
    """Returns the multiplex groups to read with their numbers: rhythms rather than averages."""
    if not groups:
        raise ReadError(
            "holds no waveform", path=path, field="WaveformSequence", remedy="Is it an image?"
        )
    numbered = list(enumerate(groups, 1))
    rhythms = [each for each in numbered if each[1].get("WaveformOriginality") != "DERIVED"]
    return rhythms or numbered


def _read_group(path: Path, dataset: Any, number: int, group: Any) -> list[Channel]:
    """Decodes one multiplex group; its sizes are checked against its data first."""
    where = f"multiplex group {number}"
    rate = parse_number(str(group.get("SamplingFrequency")))
    n_channels = int(group.NumberOfWaveformChannels)
    n_samples = int(group.NumberOfWaveformSamples)
    definitions = list(group.ChannelDefinitionSequence)
    kind = _TYPES.get(str(group.get("WaveformSampleInterpretation")))
    if rate is None or rate <= 0:
        raise ReadError("no sampling rate", path=path, field=where)
    if kind is None or group.get("WaveformBitsAllocated") not in (None, 8 * int(kind[1])):
        raise ReadError(
            f"samples of type {group.get('WaveformSampleInterpretation')} in "
            f"{group.get('WaveformBitsAllocated')} bits are not read",
            path=path,
            field=where,
        )
    order = "<" if dataset.original_encoding[1] else ">"
    data = bytes(group.WaveformData)
    needed = n_channels * n_samples * int(kind[1])
    if n_channels != len(definitions) or n_channels < 1 or not 0 < needed <= len(data):
        raise ReadError(
            f"{n_channels} channels ({len(definitions)} described) of {n_samples} samples do not "
            f"fit {len(data)} bytes",
            path=path,
            field=where,
            remedy="Fetch the file again",
        )
    raw = np.frombuffer(data, order + kind, n_channels * n_samples).reshape(n_samples, n_channels)
    padding = group.get("WaveformPaddingValue")
    if isinstance(padding, bytes):
        padding = int(np.frombuffer(padding[: raw.itemsize], raw.dtype)[0]) if padding else None
    start_s = (parse_number(str(group.get("MultiplexGroupTimeOffset"))) or 0.0) / 1000.0
    is_cardiac = _CARDIAC.fullmatch(str(dataset.SOPClassUID)) is not None
    channels = [
        _channel(path, f"{where}, channel {row + 1}", definition, raw[:, row], padding, rate)
        for row, definition in enumerate(definitions)
    ]
    return [
        replace(
            each,
            start_s=start_s,
            modality="ecg" if is_cardiac and each.unit.lower() in _VOLTAGES else "",
        )
        for each in channels
    ]


def _channel(
    path: Path,
    where: str,
    definition: Any,
    raw: Shaped[np.ndarray, "T"],
    padding: int | None,
    rate: float,
) -> Channel:
    sensitivity = parse_number(str(definition.get("ChannelSensitivity")))
    units = definition.get("ChannelSensitivityUnitsSequence")
    if sensitivity is None or not units:
        raise ReadError(
            "no sensitivity, so the amplitudes are uncalibrated", path=path, field=where
        )
    correction = parse_number(str(definition.get("ChannelSensitivityCorrectionFactor")))
    baseline = parse_number(str(definition.get("ChannelBaseline"))) or 0.0
    step = sensitivity * (1.0 if correction is None else correction)
    unit = str(units[0].CodeValue)
    values = _extend_sign(raw, int(definition.get("WaveformBitsStored") or 0)) * step + baseline
    if padding is not None:
        values[_is_padding(raw, padding, rate)] = np.nan
    return Channel(
        name=_name(definition, is_voltage=unit.lower() in _VOLTAGES),
        values=values,
        sampling_rate=rate,
        unit=_UCUM.get(unit, unit),
        resolution=abs(step) if step and baseline == 0.0 else None,
    )


def _name(definition: Any, *, is_voltage: bool) -> str:
    """Returns the lead by its code (SCP-ECG, 11073), else by its meaning, else by its label."""
    source = definition.get("ChannelSourceSequence")
    label = str(definition.get("ChannelLabel") or "").strip()
    if not source:
        return label
    code, meaning = str(source[0].get("CodeValue", "")), str(source[0].get("CodeMeaning", ""))
    if match := _LEAD_CODE.fullmatch(code):
        number = int(match[1] or match[2])
        return lead_name(number) if number else label or meaning
    meant = meaning.partition("(")[0].strip()  # "Lead I (Einthoven)"
    for each in (code, meant, label):
        if canonical_channel(each) in ECG_LEADS.values():
            return each
    name = meant or label
    # A pressure called P1 is no electrode.
    return name if is_voltage or not name else f"signal {name}"


def _extend_sign(raw: Shaped[np.ndarray, "T"], n_bits: int) -> Shaped[np.ndarray, "T"]:
    """Extends the sign of samples of fewer bits than are allocated, where the writer did not."""
    spare = 8 * raw.itemsize - n_bits
    if raw.dtype.kind != "i" or n_bits < 2 or spare <= 0 or raw.min() < 0:
        return raw
    return (raw << spare) >> spare if raw.max() < 1 << n_bits else raw


def _is_padding(raw: Shaped[np.ndarray, "T"], padding: int, rate: float) -> Shaped[np.ndarray, "T"]:
    """Marks samples that were never recorded.

    Some writers declare 0, which is a normal sample: a value amid the others counts only in runs.
    """
    is_equal = raw == padding
    others = raw[~is_equal]
    if others.size == 0 or not others.min() < padding < others.max():
        return is_equal
    edges = np.flatnonzero(np.diff(np.concatenate(([0], is_equal.astype(np.int8), [0]))))
    starts, ends = edges[::2], edges[1::2]
    is_long = (ends - starts) >= _SHORTEST_PADDING_S * rate
    runs = np.zeros(raw.size + 1, np.int8)
    runs[starts[is_long]] += 1
    runs[ends[is_long]] -= 1
    return np.cumsum(runs[:-1]).astype(bool)
