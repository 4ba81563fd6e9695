import pytest

from medts.data.report_grades import GRADES, grade_of


@pytest.mark.parametrize(
    ("report", "grade"),
    [
        ("Sinusrhythmus. Normales EKG", "normal"),
        ("sinus rhythm. otherwise  normal ecg.", "otherwise_normal"),
        ("sinusrhythmus linkstyp sonst normales ekg", "otherwise_normal"),
        ("sinusrhythmus grenzbefund", "borderline"),
        ("grenzwertig normales ekg", "borderline"),
        ("t neg in v4,v5, path.ekg", "abnormal"),
        ("sinusrhythmus pathologisches EKG", "abnormal"),
        ("normales ekg, jetzt pathologisches ekg", "abnormal"),
        ("kein pathologisches ekg", None),
        ("st-t abnormal", None),
        ("unspezifisches abnormales t", None),
        ("lagetyp normal", None),
        ("", None),
        (None, None),
    ],
)
def test_only_a_verdict_on_the_whole_ecg_is_a_grade(report, grade):
    assert grade_of(report) == grade


def test_the_gravest_of_several_verdicts_counts():
    verdicts = ["normal ecg", "otherwise normal ecg", "borderline ecg", "abnormal ecg"]
    assert [grade_of(text) for text in verdicts] == list(GRADES)
    for number in range(1, len(verdicts)):
        assert grade_of(". ".join(verdicts[: number + 1])) == GRADES[number]
