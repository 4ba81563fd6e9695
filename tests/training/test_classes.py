from medts.training.classes import without_records, without_records_note


def test_classes_without_a_training_record_are_named():
    prevalence = {"SR": 0.5, "AFIB": 0.0, "PAC": float("nan"), "PVC": 1.0}
    assert without_records(prevalence) == ("AFIB", "PAC")
    note = without_records_note("toy/rhythm", prevalence)
    assert note.startswith("toy/rhythm: no training record has AFIB, PAC;")
    assert "never state them" in note
    assert without_records_note("toy/rhythm", {"SR": 0.5}) == ""
