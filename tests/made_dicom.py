"""Small DICOM waveform objects for tests, made with pydicom."""

import io

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

TWELVE_LEAD = "1.2.840.10008.5.1.4.1.1.9.1.1"
HEMODYNAMIC = "1.2.840.10008.5.1.4.1.1.9.2.1"


def code(value, scheme="SCPECG", meaning=""):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return [item]


def channel(source, unit="uV", sensitivity=2.5, correction=1.0, baseline=0.0, bits=16):
    item = Dataset()
    item.ChannelSourceSequence = code(*source) if isinstance(source, tuple) else code(source)
    item.ChannelSensitivity = sensitivity
    item.ChannelSensitivityUnitsSequence = code(unit, "UCUM")
    item.ChannelSensitivityCorrectionFactor = correction
    item.ChannelBaseline = baseline
    item.WaveformBitsStored = bits
    item.FilterLowFrequency, item.FilterHighFrequency = "0.05", "150"
    return item


def group(
    samples, channels, rate=500, label="RHYTHM", origin="ORIGINAL", offset_ms=0, padding=None
):
    """Makes a multiplex group; the type of ``samples`` decides that of the file."""
    item = Dataset()
    kinds = {"int8": "SB", "uint8": "UB", "int16": "SS", "uint16": "US", "int32": "SL"}
    item.WaveformOriginality, item.MultiplexGroupLabel = origin, label
    item.MultiplexGroupTimeOffset = str(offset_ms)
    item.NumberOfWaveformChannels, item.NumberOfWaveformSamples = samples.shape
    item.SamplingFrequency = str(rate)
    item.ChannelDefinitionSequence = channels
    item.WaveformBitsAllocated = 8 * samples.dtype.itemsize
    item.WaveformSampleInterpretation = kinds[samples.dtype.name]
    if padding is not None:
        item.WaveformPaddingValue = np.array(padding, samples.dtype).tobytes()
    data = np.ascontiguousarray(samples.T).tobytes()
    item.WaveformData = data + bytes(len(data) % 2)
    return item


def measurement(value, meaning, number, unit="ms"):
    item = Dataset()
    item.ConceptNameCodeSequence = code(value, meaning=meaning)
    item.NumericValue = str(number)
    item.MeasurementUnitsCodeSequence = code(unit, "UCUM")
    return item


def text(words):
    item = Dataset()
    item.UnformattedTextValue = words
    return item


def encode(groups, annotations=(), sop_class=TWELVE_LEAD) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = sop_class, ExplicitVRLittleEndian
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["medts"])
    dataset = Dataset()
    dataset.file_meta = meta
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    dataset.PatientName, dataset.PatientID = "Clark^Ann", "SBJ-1"
    dataset.PatientSex, dataset.PatientBirthDate = "F", "19530508"
    dataset.AcquisitionDateTime = "20021122091000.000"
    dataset.Manufacturer, dataset.ManufacturerModelName = "Maker", "M1"
    dataset.WaveformSequence = groups
    dataset.WaveformAnnotationSequence = list(annotations)
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()
