"""Questions that several tables have in common: a corpus, its label set, and its folds."""

from research.suites import Question

FOLDS_1_TO_7 = tuple("1234567")


def ptb_xl(label_set: str) -> Question:
    """Returns the question of a label set of PTB-XL, on its recommended folds."""
    return Question(
        corpus="ptb-xl",
        label_set=f"ptb-xl/{label_set}",
        train_folds=FOLDS_1_TO_7,
        val_folds=("8",),
        test_folds=("9",),
    )


def over_people(corpus: str, label_set: str, n_people: int, n_rounds: int) -> Question:
    """Returns the question of a corpus of few people, cross-validated over them."""
    return Question(
        corpus=corpus,
        label_set=f"{corpus}/{label_set}",
        train_folds=tuple(str(fold) for fold in range(1, n_people + 1)),
        val_folds=(),
        test_folds=(),
        n_rounds=n_rounds,
    )


def official(corpus: str, label_set: str) -> Question:
    """Returns the question of a corpus with published parts."""
    return Question(
        corpus=corpus,
        label_set=f"{corpus}/{label_set}",
        train_folds=("train",),
        val_folds=("validation",),
        test_folds=("test",),
    )


def elsewhere(corpus: str, label_set: str, *folds: str) -> Question:
    """Returns the question to a model that learns nothing of its corpus."""
    return Question(
        corpus=corpus,
        label_set=f"{corpus}/{label_set}",
        train_folds=(),
        val_folds=(),
        test_folds=folds or ("train", "validation", "test"),
    )
