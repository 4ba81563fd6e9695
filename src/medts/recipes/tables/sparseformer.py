"""Tables of Sparseformer: beside its baselines, without each of its parts, and on new corpora.

On every dataset all methods read the same channels and windows. A dataset of few people is
cross-validated over them; CinC 2017, which names no people, is split by record.
"""

from typing import Any

from medts.recipes.suites import Method, Question, Suite, Taught
from medts.recipes.tables.ecg import FOLDS_1_TO_7, ptb_xl, tuned

_BASELINES = (
    "xresnet1d",
    "medformer_small",
    "mtst_small",
    "itransformer_small",
    "crossformer_small",
    "timesnet_small",
    "lightts_small",
    "patchtst_small",
    "dlinear",
)


def _supervised(name: str, sentence: str, recipe: str, question: Question) -> Suite:
    """Returns the table of one dataset; all methods read the same channels and windows."""
    reads = "" if recipe == "sparseformer_small" else recipe
    ours = Method(name="sparseformer_small", kind="finetune", recipe=recipe)
    return Suite(
        name=name,
        sentence=sentence,
        methods=(
            ours,
            Method(name="multirocket", kind="multirocket", recipe=recipe),
            ours.but(name="random_encoder", kind="probe", is_control=True),
            *(each.but(reads=reads) for each in tuned(*_BASELINES)),
        ),
        questions=(question,),
        seeds=3,
        reference="sparseformer_small",
    )


def _over_people(corpus: str, label_set: str, n_people: int, n_rounds: int) -> Question:
    return Question(
        corpus=corpus,
        label_set=f"{corpus}/{label_set}",
        train_folds=tuple(str(fold) for fold in range(1, n_people + 1)),
        val_folds=(),
        test_folds=(),
        n_rounds=n_rounds,
    )


def _official(corpus: str, label_set: str) -> Question:
    return Question(
        corpus=corpus,
        label_set=f"{corpus}/{label_set}",
        train_folds=("train",),
        val_folds=("validation",),
        test_folds=("test",),
    )


def sparseformer_ptb_xl() -> Suite:
    """Sparseformer and its baselines on five classes of PTB-XL, one for each record."""
    sentence, question = sparseformer_ptb_xl.__doc__ or "", ptb_xl("super-single")
    return _supervised("sparseformer-ptb-xl", sentence, "sparseformer_small", question)


def sparseformer_cinc() -> Suite:
    """Sparseformer and its baselines on one-lead rhythms of CinC 2017, split by record."""
    sentence, question = sparseformer_cinc.__doc__ or "", _official("cinc-2017", "rhythm")
    return _supervised("sparseformer-cinc", sentence, "sparseformer_small_one_lead", question)


def sparseformer_beats() -> Suite:
    """Sparseformer and its baselines on beats of MIT-BIH, with new people in the test part."""
    sentence, question = sparseformer_beats.__doc__ or "", _official("mit-bih-beats", "aami")
    return _supervised("sparseformer-beats", sentence, "sparseformer_small_beats", question)


def sparseformer_eegmat() -> Suite:
    """Sparseformer and its baselines on rest against arithmetic, over eight people."""
    sentence, question = sparseformer_eegmat.__doc__ or "", _over_people("eegmat", "task", 8, 4)
    return _supervised("sparseformer-eegmat", sentence, "sparseformer_small_eeg", question)


def sparseformer_wisdm() -> Suite:
    """Sparseformer and its baselines on eighteen activities, over ten people."""
    sentence, question = sparseformer_wisdm.__doc__ or "", _over_people("wisdm", "activity", 10, 5)
    return _supervised("sparseformer-wisdm", sentence, "sparseformer_small_acc", question)


_ABLATED = (
    "single_granularity",
    "channel_mean",
    "dense",
    "paper_counts",
    "no_prior",
    "named_channels",
    "one_hot",
    "shuffled_texts",
    "random_texts",
)


def sparseformer_ablations() -> Suite:
    """What each part of Sparseformer is worth, on PTB-XL."""
    return Suite(
        name="sparseformer-ablations",
        sentence=sparseformer_ablations.__doc__ or "",
        methods=tuned("sparseformer_small", *(f"sparseformer_small_{name}" for name in _ABLATED)),
        questions=(ptb_xl("super-single"),),
        reference="sparseformer_small",
    )


def _taught(*label_sets: str, name: str = "sparseformer_small", **changes: Any) -> Method:
    fields = {
        "name": name,
        "kind": "evaluate",
        "recipe": name,
        "protocol": "zero_shot",
        "taught": Taught(
            label_sets=label_sets,
            train_folds=(*FOLDS_1_TO_7, "train"),
            val_folds=("8", "validation"),
        ),
    }
    return Method.model_validate(fields | changes)


def sparseformer_zero_shot() -> Suite:
    """Sparseformer taught PTB-XL, asked in words for the rhythms of other corpora."""
    return Suite(
        name="sparseformer-zero-shot",
        sentence=sparseformer_zero_shot.__doc__ or "",
        methods=(
            _taught("ptb-xl/rhythm"),
            _taught("ptb-xl/rhythm", "ptb-xl/all", name="joint", recipe="sparseformer_small"),
            _taught("ptb-xl/rhythm", name="sparseformer_small_shuffled_texts", is_control=True),
            _taught("ptb-xl/rhythm", name="sparseformer_small_random_texts", is_control=True),
        ),
        questions=tuple(
            Question(
                corpus=corpus,
                label_set=f"{corpus}/rhythm",
                train_folds=(),
                val_folds=(),
                test_folds=("train", "validation", "test"),
            )
            for corpus in ("cinc-2017", "mit-bih")
        ),
        label_fractions=(0,),
        seeds=3,
        reference="sparseformer_small",
        beside="macro_auprc",
    )
