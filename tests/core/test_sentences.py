import pytest

from medts.core.sentences import join_sentences, split_sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("sinus rhythm. left axis.", ("sinus rhythm.", "left axis.")),
        ("PR interval 0.12 s. QTc 440.5 ms.", ("PR interval 0.12 s.", "QTc 440.5 ms.")),
        ("sinusrhythmus linkstyp normales ekg", ("sinusrhythmus linkstyp normales ekg",)),
        ("T neg. z.B. in V2. Sonst normal", ("T neg. z.B. in V2.", "Sonst normal")),
        ("av-block 1. grades. end", ("av-block 1. grades.", "end")),
        ("rhythm.normal v1.2", ("rhythm.", "normal v1.2")),
        ("rate approx. 70. normal", ("rate approx. 70.", "normal")),
        ("sinus rhythm.. normal ecg..", ("sinus rhythm..", "normal ecg..")),
        ("one; two\nthree! four?", ("one;", "two", "three!", "four?")),
        ("  spaced \t out.  ", ("spaced out.",)),
        ("", ()),
        (" .. ; - .", ()),
    ],
)  # fmt: skip
def test_sentences_end_where_a_reader_would_end_them(text, sentences):
    assert split_sentences(text) == sentences


def test_no_word_is_lost_or_moved():
    text = "af. rate 0.9/s; st-depression in v5, v6\nno q. waves. old mi?"
    assert " ".join(split_sentences(text)).split() == text.split()


@pytest.mark.parametrize(
    "sentences",
    [
        ["sinus rhythm", "left axis"],
        ["t neg", "left axis", "infarction mögl", "qt 0.44 s"],
        ["av-block 1", "grades of it", "z.b", "x"],
        ["alone neg"],
        [],
    ],
)
def test_sentences_that_were_joined_are_found_again(sentences):
    found = split_sentences(join_sentences(sentences))
    assert [each.rstrip(".;") for each in found] == sentences
