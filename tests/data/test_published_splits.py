"""The split tables that MERL and MELP publish, counted where somebody has put them.

They are no part of the open corpora: copy ``finetune/data_split`` of either repository to
``merl-splits`` in the folder of `MEDTS_DATA`.
"""

import pytest

from medts.data.label_table import rows_in_file_order

SIZES = {
    "ptbxl/super_class/ptbxl_super_class": (17084, 2146, 2158),
    "ptbxl/sub_class/ptbxl_sub_class": (17084, 2146, 2158),
    "ptbxl/form/ptbxl_form": (7197, 901, 880),
    "ptbxl/rhythm/ptbxl_rhythm": (16832, 2100, 2098),
    "icbeb/icbeb": (4950, 551, 1376),
    "chapman/chapman": (16546, 1860, 4620),
}
"""Records that train, choose and test, by the beginning of the three tables' names."""

EXACT = {"VB": 3, "AVB": 176, "AF": 3340, "ST": 5154, "SA": 2107, "CR": 75, "2AVB": 22}
"""Records of Chapman-Shaoxing-Ningbo with a diagnosis, matched whole and not as a substring."""


@pytest.fixture
def read(real_data):
    """Returns header and rows of a table by its name, or skips the test and names what it lacks."""

    def found(name):
        path = real_data / "merl-splits" / f"{name}.csv"
        if not path.is_file():
            pytest.skip(f"no merl-splits/{name}.csv in the folder of MEDTS_DATA")
        return rows_in_file_order(path)

    return found


@pytest.mark.parametrize("name", SIZES)
def test_tables_have_their_published_sizes(read, name):
    sizes = tuple(len(read(f"{name}_{part}")[1]) for part in ("train", "val", "test"))
    assert sizes == SIZES[name]


def test_exact_diagnoses_of_chapman_are_fewer_than_substrings(read):
    whole, within = dict.fromkeys(EXACT, 0), dict.fromkeys(EXACT, 0)
    for part in ("train", "val", "test"):
        header, rows = read(f"chapman/chapman_{part}")
        for row in rows:
            written = row[header.index("diagnose")]
            tokens = {token.strip() for token in written.split(",")}
            for name in EXACT:
                whole[name] += name in tokens
                within[name] += name in written
    assert whole == EXACT
    assert (within["VB"], within["AF"]) == (916, 4753)
