import numpy as np
import pytest

from medts.core.errors import MedtsError
from medts.core.records import Record, Stream


def stream(channels=("I", "II"), unit="mV", sampling_rate=100.0, **more):
    signal = np.arange(20, dtype=np.float32).reshape(2, 10)
    return Stream(signal, channels, sampling_rate, more.pop("modality", "ecg"), unit, **more)


def test_names_and_unit_take_their_canonical_spelling():
    made = stream(channels=("i", "AVR"), unit="uV")
    assert made.channels == ("I", "aVR")
    assert made.unit == "µV"


def test_a_doubled_lead_is_refused_by_name():
    with pytest.raises(MedtsError, match="channel II occurs more than once"):
        stream(channels=("II", "ii"))


def test_names_must_match_the_rows():
    with pytest.raises(MedtsError, match="2 channels but 1 names"):
        stream(channels=("I",))


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan")])
def test_a_sampling_rate_is_positive(rate):
    with pytest.raises(MedtsError, match="is not positive"):
        stream(sampling_rate=rate)


def test_an_unknown_modality_is_refused():
    with pytest.raises(MedtsError, match="unknown modality 'aura'"):
        stream(modality="aura")


def test_changing_the_unit_scales_signal_and_resolution():
    made = stream(unit="uV", resolution=np.array([1.0, 2.0])).to_unit("mV")
    assert made.signal[1, 9] == pytest.approx(0.019)
    assert made.resolution == pytest.approx([1e-3, 2e-3])


def test_picking_channels_follows_names_not_places():
    made = stream().pick(("II", "I"))
    assert made.channels == ("II", "I")
    assert made.signal[0, 0] == 10.0
    with pytest.raises(MedtsError, match="no channel V1"):
        stream().pick(("V1",))


def test_streams_of_one_record_may_differ_in_rate_modality_and_start():
    eeg = Stream(np.zeros((1, 500), np.float32), ("Cz",), 250.0, "eeg", "µV", start_s=1.0)
    record = Record("r", {"ecg": stream(), "eeg": eeg})
    assert record.duration_s == pytest.approx(3.0)


def test_a_record_without_streams_is_refused():
    with pytest.raises(MedtsError, match="has no stream"):
        Record("r", {})


def test_time_first_arrays_are_refused_by_the_shape_hook_or_by_the_names():
    with pytest.raises(MedtsError, match="10 channels but 2 names"):
        Stream(np.zeros((10, 2), np.float32), ("I", "II"), 100.0, "ecg", "mV")
