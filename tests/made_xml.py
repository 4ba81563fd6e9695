"""Small XML electrocardiographs for tests, written by hand after real ones."""

import base64
import struct
import zlib

import numpy as np


def aecg(leads, samples, *, step_s=0.002, scale=2.5, origin=0, unit="uV", absolute=True, more=""):
    """Returns an annotated ECG of HL7; ``more`` is put after the sequences of the series."""
    head = '<head value="20021122091000.000"/>' if absolute else '<head value="0" unit="s"/>'
    kind, code = ("GLIST_TS", "ABSOLUTE") if absolute else ("GLIST_PQ", "RELATIVE")
    sequences = "".join(
        f'<component><sequence><code code="MDC_ECG_LEAD_{lead.upper()}"/>'
        '<value xsi:type="SLIST_PQ">'
        f'<origin value="{origin}" unit="{unit}"/><scale value="{scale}" unit="{unit}"/>'
        f"<digits>{' '.join(map(str, row))}</digits></value></sequence></component>"
        for lead, row in zip(leads, np.asarray(samples).tolist(), strict=True)
    )
    return (
        '<?xml version="1.0"?><!-- made --><AnnotatedECG xmlns="urn:hl7-org:v3" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><id root="1"/><componentOf>'
        "<timepointEvent><componentOf><subjectAssignment><subject><trialSubject>"
        '<id root="2" extension="SBJ-1"/><subjectDemographicPerson><name>Clark</name>'
        '<administrativeGenderCode code="F"/><birthTime value="19530508"/>'
        "</subjectDemographicPerson></trialSubject></subject></subjectAssignment></componentOf>"
        '</timepointEvent></componentOf><component><series><code code="RHYTHM"/>'
        '<effectiveTime><low value="20021122091000"/></effectiveTime><author><seriesAuthor>'
        "<manufacturedSeriesDevice><manufacturerModelName>M1</manufacturerModelName>"
        "</manufacturedSeriesDevice></seriesAuthor></author><component><sequenceSet><component>"
        f'<sequence><code code="TIME_{code}"/><value xsi:type="{kind}">{head}'
        f'<increment value="{step_s}" unit="s"/></value></sequence></component>{sequences}'
        f"</sequenceSet></component>{more}</series></component></AnnotatedECG>"
    ).encode()


def aecg_annotations(*annotations):
    inside = "".join(f"<component>{each}</component>" for each in annotations)
    return f"<subjectOf><annotationSet>{inside}</annotationSet></subjectOf>"


def aecg_measurement(code, value, unit="ms", lead=""):
    where = f'<component><boundary><code code="MDC_ECG_LEAD_{lead}"/></boundary></component>'
    support = f"<support><supportingROI>{where}</supportingROI></support>" if lead else ""
    return (
        f'<annotation><code code="{code}"/><value xsi:type="PQ" value="{value}" unit="{unit}"/>'
        f"{support}</annotation>"
    )


def packed(row) -> str:
    """Returns 16-bit integers in Base64."""
    return base64.b64encode(np.asarray(row, "<i2").tobytes()).decode()


def muse(leads, samples, *, step=4.88, crc=True, median=((1, 2, 3),), diagnosis=""):
    """Returns a resting ECG of MUSE with a median beat of one lead."""

    def wave(kind, names, rows):
        leads = "".join(
            f"<LeadData><LeadSampleCountTotal>{len(row)}</LeadSampleCountTotal>"
            f"<LeadAmplitudeUnitsPerBit>{step}</LeadAmplitudeUnitsPerBit>"
            f"<LeadAmplitudeUnits>MICROVOLTS</LeadAmplitudeUnits><LeadID>{name}</LeadID>"
            "<LeadSampleSize>2</LeadSampleSize>"
            f"<LeadDataCRC32>{zlib.crc32(np.asarray(row, '<i2').tobytes()) if crc else 1}"
            f"</LeadDataCRC32><WaveFormData>\n{packed(row)}\n</WaveFormData></LeadData>"
            for name, row in zip(names, rows, strict=True)
        )
        return (
            f"<Waveform><WaveformType>{kind}</WaveformType><SampleBase>500</SampleBase>"
            "<SampleExponent>0</SampleExponent><HighPassFilter>16</HighPassFilter>"
            f"<LowPassFilter>150</LowPassFilter><ACFilter>60</ACFilter>{leads}</Waveform>"
        )

    return (
        '<?xml version="1.0" encoding="ISO-8859-1"?>\n<!DOCTYPE RestingECG SYSTEM "restecg.dtd">'
        "<RestingECG><PatientDemographics><PatientID>SBJ-1</PatientID>"
        "<PatientAge>49</PatientAge><AgeUnits>YEARS</AgeUnits><Gender>FEMALE</Gender>"
        "<PatientLastName>Clark</PatientLastName></PatientDemographics><TestDemographics>"
        "<AcquisitionDate>11-22-2002</AcquisitionDate><AcquisitionTime>09:10:00</AcquisitionTime>"
        "<AcquisitionDevice>MAC55</AcquisitionDevice></TestDemographics><RestingECGMeasurements>"
        "<VentricularRate>48</VentricularRate><PRInterval>138</PRInterval><PAxis>-51</PAxis>"
        f"<QTInterval/></RestingECGMeasurements>{diagnosis}<QRSTimesTypes><QRS><Time>614</Time>"
        f"</QRS></QRSTimesTypes>{wave('Median', ['I'], median)}{wave('Rhythm', leads, samples)}"
        "</RestingECG>"
    ).encode("latin-1")


def lzw(data: bytes, n_bits: int = 10) -> bytes:
    """Compresses as XLI does: codes of ten bits, a table that stops growing, an end code."""
    table = {bytes((byte,)): byte for byte in range(256)}
    codes, held = [], b""
    for byte in data:
        longer = held + bytes((byte,))
        if longer in table:
            held = longer
            continue
        codes.append(table[held])
        if len(table) <= (1 << n_bits) - 2:
            table[longer] = len(table)
        held = longer[-1:]
    codes += [table[held], (1 << n_bits) - 1]
    bits = "".join(f"{code:0{n_bits}b}" for code in codes)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def xli(row) -> bytes:
    """Compresses one lead: second differences, high bytes before low bytes, LZW, a header."""
    row = [int(value) for value in row]
    wanted = [2 * row[n - 1] - row[n - 2] - row[n] for n in range(2, len(row))]
    seed = wanted[0]
    words = [row[0], row[1], *(value + 64 for value in wanted[1:]), 64]
    data = np.asarray(words, ">i2").tobytes()
    chunk = lzw(data[::2] + data[1::2])
    return struct.pack("<ihh", len(chunk), 1, seed) + chunk


def sierra(samples, *, version="1.04", kind="PhilipsECG", compressed=True, pulse=True):
    """Returns twelve leads as Philips stores them, with a calibration pulse at the end."""
    rows = np.asarray(samples, np.int64)
    if pulse:
        tail = np.repeat([0, 200, 0], (50, 100, 50))
        rows = np.concatenate([rows, np.tile(tail, (12, 1))], 1)
    n_ms = rows.shape[1] * 2
    if compressed:
        first, second, third, right, left, foot = rows[:6]
        rest = [
            second - first - third,
            -right - (first + second) // 2,
            (first - third) // 2 - left,
            (second + third) // 2 - foot,
        ]
        stored = b"".join(map(xli, [first, second, *rest, *rows[6:]]))
    else:
        stored = rows.astype("<i2").tobytes()
    method = "XLI" if compressed else "Uncompressed"
    labels = ' leadlabels="I II III aVR aVL aVF V1 V2 V3 V4 V5 V6" numberofleads="12"'
    is_old = version == "1.03"
    attributes = (
        f'compressmethod="{method}"'
        if is_old
        else f'compression="{method}"{labels} samplespersecond="500" resolution="5"'
    )
    text = (
        f'<?xml version="1.0" encoding="{"UTF-8" if is_old else "utf-16"}"?><restingecgdata '
        'xmlns="http://www3.medical.philips.com"><documentinfo>'
        f"<documenttype>{kind}</documenttype><documentversion>{version}</documentversion>"
        "</documentinfo><reportinfo><reportbandwidth><notchfiltersetting>60</notchfiltersetting>"
        '</reportbandwidth></reportinfo><dataacquisition date="2002-11-22" time="09:10:00">'
        '<machine detaildescription="1.0">PageWriter</machine><signalcharacteristics>'
        "<samplingrate>500</samplingrate><signalresolution>5</signalresolution>"
        "<hipass>0.05</hipass><lowpass>150</lowpass><numberchannelsvalid>12</numberchannelsvalid>"
        "</signalcharacteristics></dataacquisition><patient><generalpatientdata>"
        "<patientid>SBJ-1</patientid><name><lastname>Clark</lastname></name><age><years>49</years>"
        "</age><sex>Female</sex></generalpatientdata></patient><interpretations><interpretation>"
        "<globalmeasurements><heartrate>64</heartrate><print>164</print><qtint/>"
        "<qtcb>412</qtcb><tfrontaxis>Failed</tfrontaxis></globalmeasurements><statement>"
        "<statementcode>SR</statementcode><leftstatement>Sinus rhythm</leftstatement>"
        "<rightstatement>V-rate 50-99</rightstatement></statement></interpretation>"
        f'</interpretations><waveforms><parsedwaveforms dataencoding="Base64" {attributes} '
        f'durationperchannel="{n_ms}">{base64.b64encode(stored).decode()}</parsedwaveforms>'
        "</waveforms></restingecgdata>"
    )
    return text.encode("utf-8" if is_old else "utf-16")


def schiller(leads, samples):
    """Returns an exchange file of Schiller with averages that must not be taken for the rhythm."""

    def wave(kind, rows):
        channels = "".join(
            f"<channel><name>{lead.upper()}</name><data>{','.join(map(str, row))}</data>"
            f"<datastype>COMMASEPARATE</datastype><samplecount>{len(row)}</samplecount></channel>"
            for lead, row in zip(leads, np.asarray(rows).tolist(), strict=True)
        )
        return (
            f"<wavedata><type>{kind}</type><resolution><samplerate><value>500</value></samplerate>"
            "<yres><unitperbit>1.0</unitperbit><units>UV</units></yres></resolution>"
            f"{channels}</wavedata>"
        )

    samples = np.asarray(samples)
    return (
        '<?xml version="1.0"?><com.xiriuz.sema.xml.schillerEDI.SchillerEDI><patdata><id>SBJ-1</id>'
        "<lastname>Clark</lastname><birthdate>19530508</birthdate><gender>FEMALE</gender></patdata>"
        "<examdescript><startdatetime><date>20021122</date><time>091000000</time></startdatetime>"
        "<aquiringdevice><hardware><vendor>Schiller</vendor><model>AT-10P</model></hardware>"
        "</aquiringdevice></examdescript><eventdata><event>"
        f"{wave('ECG_AVERAGES', samples[:, :3])}{wave('ECG_RHYTHMS', samples)}"
        "<annotation_global><name>HR</name><value>69</value></annotation_global>"
        "<annotation_global><name>QT</name><value>-</value></annotation_global>"
        "<rhythm_global><name>R_QRS_ON</name><value>10</value></rhythm_global>"
        "<rhythm_global><name>R_QRS_OFF</name><value>60</value></rhythm_global>"
        "<filters_data><filter><name>MAINS</name><value>50</value></filter></filters_data>"
        "<textdata><type>INTERPRETATION</type><textdata>Sinus rhythm</textdata></textdata>"
        "</event></eventdata></com.xiriuz.sema.xml.schillerEDI.SchillerEDI>"
    ).encode()


def mortara(leads, samples, *, scale=200):
    """Returns an ELI export."""
    channels = "".join(
        f'<CHANNEL NAME="{lead}" BITS="16" FORMAT="SIGNED" UNITS_PER_MV="{scale}" '
        f'DURATION="{len(row)}" SAMPLE_FREQ="500" ENCODING="BASE64" DATA="{packed(row)}"/>'
        for lead, row in zip(leads, samples, strict=True)
    )
    return (
        '<?xml version="1.0"?><ECG ACQUISITION_TIME="20021122091000" VENT_RATE="61" NUM_QRS="9">'
        '<SUBJECT ID="SBJ-1" LAST_NAME="Clark" GENDER="Female" DOB="19530508"/>'
        '<SOURCE MANUFACTURER="Mortara" MODEL="ELI 250" LOW_PASS_FILTER="150"/>'
        '<AUTOMATIC_INTERPRETATION><STATEMENT TEXT="SINUS RHYTHM" REASON=""/>'
        '</AUTOMATIC_INTERPRETATION><TYPICAL_CYCLE PR_DURATION="160" QRS_AXIS="-12"/>'
        f"{channels}</ECG>"
    ).encode()
