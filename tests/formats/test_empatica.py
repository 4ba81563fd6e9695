import numpy as np
import pytest

from medts.core.errors import ReadError
from medts.formats import find_format, read

START = 1560279825.0
FILES = {
    "ACC.csv": "1560279825.0, 1560279825.0, 1560279825.0\n32.0, 32.0, 32.0\n-61,25,6\n64,0,-64\n",
    "BVP.csv": "1560279825.00\n64.0\n-0.00\n1.5\n",
    "EDA.csv": "1560279825.0\n4.0\n0.25\n0.5\n",
    "HR.csv": "1560279835.0\n1.0\n93.00\n94.00\n",
    "IBI.csv": "1560279825.0, IBI\n83.5,0.61\n",
    "tags.csv": "1560279830.5\n",
}


def written(tmp_path, **changes):
    folder = tmp_path / "e4"
    folder.mkdir()
    for name, text in {**FILES, **changes}.items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("name", ["", "BVP.csv", "IBI.csv"])
def test_a_folder_is_one_record(tmp_path, name):
    path = written(tmp_path) / name
    assert find_format(path).key == "empatica"
    record = read(path)
    assert record.record_id == "e4"
    acc = record.streams["acc"]
    assert (acc.channels, acc.unit, acc.sampling_rate) == (("acc_x", "acc_y", "acc_z"), "g", 32.0)
    np.testing.assert_allclose(acc.signal, [[-61 / 64, 1], [25 / 64, 0], [6 / 64, -1]])
    assert {name: stream.sampling_rate for name, stream in record.streams.items()} == {
        **{"acc": 32, "ppg": 64, "eda": 4, "hr": 1}
    }
    assert record.streams["hr"].start_s == 10.0
    assert record.facts["start"] == "2019-06-11T19:03:45+00:00"
    assert [(each.time_s, each.label) for each in record.annotations] == [
        (5.5, "tag"),
        (83.5, "beat"),
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"EDA.csv": "1560279825.0\n4.0\nx\n"}, r"EDA\.csv: not a number"),
        ({"BVP.csv": "1560279825.0\n64.0\n"}, r"BVP\.csv: 2 numbers in 1 columns"),
        ({"IBI.csv": "1560279825.0, IBI\n83.5\n"}, r"IBI\.csv: line 2: '83.5' is no row"),
        ({"ACC.csv": "1560279825.0\n32.0\n1\n"}, r"ACC\.csv: 1 columns instead of 3"),
    ],
)
def test_garbled_files_are_refused(tmp_path, changes, message):
    with pytest.raises(ReadError, match=message):
        read(written(tmp_path, **changes))
