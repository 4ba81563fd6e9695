"""CPSC 2018 and Chapman-Shaoxing-Ningbo: small parts in the official layout."""

import pickle

import numpy as np
import pytest
from scipy.io import savemat

from medts.core.errors import ReadError
from medts.core.montage import STANDARD_12_LEADS
from medts.data.ingest import ingest
from medts.data.ontology import class_concepts, map_labels
from medts.data.sources.chapman_shaoxing import FINDINGS, FOUR_RHYTHMS, RHYTHMS, ChapmanShaoxing
from medts.data.sources.cpsc_2018 import CODES, Cpsc2018
from medts.data.sources.ptb_xl import PtbXl
from medts.data.store import Store


def write_recording(folder, name, dx="426783006", *, comments="", n_samples=600, date=""):
    """Writes a recording as the challenges did: 16-bit integers in a MATLAB file; returns mV."""
    folder.mkdir(parents=True, exist_ok=True)
    microvolts = np.random.default_rng(0).integers(-900, 900, (12, n_samples)).astype(np.int16)
    savemat(folder / f"{name}.mat", {"val": microvolts}, format="4")
    lines = [f"{name} 12 500 {n_samples} {date}".strip()]
    lines += [f"{name}.mat 16+24 1000/mV 16 0 0 0 0 {lead}" for lead in STANDARD_12_LEADS]
    lines += ["#Age: 74", "#Sex: Male", "#Rx:", "#Hx: Unknown", "#Sx: chest pain"]
    lines += [f"#Dx: {dx}"] * (dx is not None)
    (folder / f"{name}.hea").write_text("\n".join([*lines, comments]) + "\n")
    return microvolts / 1000.0


def refusal(entry):
    with pytest.raises(ReadError) as caught:
        pickle.loads(pickle.dumps(entry)).load()
    return str(caught.value)


def test_codes_become_labels_and_statements_and_comments_become_facts(tmp_path):
    expected = write_recording(tmp_path / "g1", "A0001", "59118001,164889003,164889003")
    dated = write_recording(tmp_path / "g3", "A0004", date="12-May-2020 12:33:59")
    write_recording(tmp_path / "g2", "A0002", "164884008")
    write_recording(tmp_path, "A0003", "10370003")
    first, second, third, fourth = Cpsc2018().entries(tmp_path)
    assert first.labels == {"rhythm-or-finding": ("AF", "RBBB")}
    assert second.labels == {"rhythm-or-finding": ("PVC",)}
    assert third.labels == {"rhythm-or-finding": None}
    assert (first.record_id, first.subject_id) == ("A0001", "A0001")
    record = pickle.loads(pickle.dumps(first)).load()
    assert [each.code for each in record.statements] == ["59118001", "164889003"]
    assert {each.system for each in record.statements} == {"snomed-ct"}
    assert record.facts["age"] == 74
    assert record.facts["sex"] == "male"
    assert record.facts["symptoms"] == "chest pain"
    assert "history" not in record.facts
    np.testing.assert_allclose(record.streams["ecg"].signal, expected, atol=1e-6)
    np.testing.assert_allclose(fourth.load().streams["ecg"].signal, dated, atol=1e-6)


def test_a_code_counts_only_as_a_whole(tmp_path):
    """VB (11157007) is no part of 1AVB; a longer number that begins alike is another code."""
    write_recording(tmp_path / "01" / "010", "JS00001", "270492004,164934002")
    write_recording(tmp_path / "01" / "010", "JS00002", "111570071")
    write_recording(tmp_path / "01" / "011", "JS00003", "11157007")
    first, second, third = ChapmanShaoxing().entries(tmp_path)
    assert set(first.labels["findings"]) == {"1AVB", "TWC"}
    assert second.labels == {"findings": None, "rhythm": None, "rhythm-4": None}
    assert third.labels["findings"] == ("VB",)


@pytest.mark.parametrize(
    ("rhythms", "group"),
    [
        (["AFIB"], "AFIB"),
        (["AF"], "AFIB"),
        (["SVT", "AVRT"], "GSVT"),
        (["ST"], "GSVT"),
        (["SR", "SA"], "SR"),
        (["SB"], "SB"),
        (["SB", "AFIB"], None),
        ([], None),
    ],
)
def test_rhythms_are_merged_into_four_and_ambiguous_records_take_no_part(tmp_path, rhythms, group):
    codes = [RHYTHMS[name] for name in rhythms] or ["164865005"]
    write_recording(tmp_path, "JS00001", ",".join(codes))
    (entry,) = ChapmanShaoxing().entries(tmp_path)
    assert entry.labels["rhythm-4"] == ((group,) if group else None)


def test_the_classes_are_those_of_the_papers():
    assert len(CODES) == 9
    assert len(FINDINGS) == len(set(FINDINGS.values())) == 38
    assert len(RHYTHMS) == len(set(RHYTHMS.values())) == 11
    assert {member for group in FOUR_RHYTHMS.values() for member in group} == set(RHYTHMS)
    merl = (
        "AQW UW SR WPW 2AVB AT VB ARS STTC SA STE VPB TWO STTU ALS APB 2AVB1 PRIE CCR CR AF AVB "
        "QTIE LBBB VEB SVT RBBB 1AVB STDD MI AFIB TWC PWC ERV RVH LVH ST JEB"
    )
    assert list(FINDINGS) == merl.split()


def test_every_class_has_a_meaning_and_a_wording_of_its_own():
    for source in (Cpsc2018(), ChapmanShaoxing()):
        for label_set in source.label_sets:
            assert all(class_concepts(label_set, name) for name in label_set.classes)
            assert len({label_set.phrase(name) for name in label_set.classes}) == len(label_set)


def test_classes_are_mapped_to_those_of_ptb_xl_by_meaning():
    rhythm = next(each for each in PtbXl().label_sets if each.name == "ptb-xl/rhythm")
    (cpsc,) = Cpsc2018().label_sets
    assert map_labels(cpsc, rhythm) == {"Normal": "SR", "AF": "AFIB"}
    findings = ChapmanShaoxing().label_sets[0]
    found = map_labels(findings, rhythm)
    assert found["AF"] == "AFLT"
    assert found["VB"] == "BIGU"
    assert "AVB" not in found


def test_broken_recordings_stay_entries_that_say_what_is_wrong(tmp_path):
    write_recording(tmp_path, "A0001", dx=None)
    write_recording(tmp_path, "A0002", dx="AF")
    write_recording(tmp_path / "g1", "A0003")
    write_recording(tmp_path / "g2", "A0003")
    write_recording(tmp_path, "A0004")
    (tmp_path / "A0004.mat").unlink()
    (tmp_path / "RECORDS").write_text("A0005\ng1/\n")
    found = {entry.record_id: refusal(entry) for entry in Cpsc2018().entries(tmp_path)}
    assert "no line Dx" in found["A0001"]
    assert "'AF' is no SNOMED CT code" in found["A0002"]
    assert "is there 2 times" in found["A0003"]
    assert "A0004.mat" in found["A0004"]
    assert "A0005.hea" in found["A0005"]
    with pytest.raises(ReadError, match="Chapman-Shaoxing-Ningbo"):
        list(ChapmanShaoxing().entries(tmp_path / "nothing"))


def test_an_age_that_nobody_reaches_is_left_out_and_unknown_codes_are_no_codes(tmp_path):
    write_recording(tmp_path, "A0001", dx="Unknown")
    header = tmp_path / "A0001.hea"
    header.write_text(header.read_text().replace("#Age: 74", "#Age: 300"))
    (entry,) = Cpsc2018().entries(tmp_path)
    record = entry.load()
    assert "age" not in record.facts
    assert record.statements == ()


def test_a_store_of_both_corpora_keeps_labels_and_folds_apart(tmp_path):
    write_recording(tmp_path / "cpsc", "A0001", "164889003")
    write_recording(tmp_path / "csn" / "01" / "010", "JS00001", "164890007")
    ingest(Cpsc2018(), tmp_path / "cpsc", tmp_path / "store")
    ingest(ChapmanShaoxing(), tmp_path / "csn", tmp_path / "store")
    store = Store(tmp_path / "store")
    assert store.labels("cpsc-2018/rhythm-or-finding").count(("AF",)) == 1
    assert store.labels("chapman-shaoxing/rhythm-4").count(("AFIB",)) == 1
