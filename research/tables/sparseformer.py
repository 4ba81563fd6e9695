"""Tables of Sparseformer: beside its baselines, without each of its parts, and on new corpora.

On every dataset all methods read the same channels and windows. A dataset of few people is
cross-validated over them; CinC 2017, which names no people, is split by record.
"""

from typing import Any

from research.suites import Method, Question, Suite, Taught
from research.tables.ecg import FOLDS_1_TO_7, ptb_xl, tuned

_AS_PRINTED = "sparseformer_small_as_printed"
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
            *(each.but(reads=reads) for each in tuned(_AS_PRINTED, *_BASELINES)),
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
    suite = _supervised("sparseformer-cinc", sentence, "sparseformer_small_one_lead", question)
    return suite.but(min_updates=300)  # an epoch is three


def sparseformer_beats() -> Suite:
    """Sparseformer and its baselines on beats of MIT-BIH, with new people in the test part."""
    sentence, question = sparseformer_beats.__doc__ or "", _official("mit-bih-beats", "aami")
    suite = _supervised("sparseformer-beats", sentence, "sparseformer_small_beats", question)
    # Three epochs of twenty thousand beats; fifty thousand features of each would fill 8 GB.
    methods = tuple(each for each in suite.methods if each.kind != "multirocket")
    return suite.but(methods=methods, epochs_ratio=0.15)


def sparseformer_eegmat() -> Suite:
    """Sparseformer and its baselines on rest against arithmetic, over eight people."""
    sentence, question = sparseformer_eegmat.__doc__ or "", _over_people("eegmat", "task", 8, 4)
    suite = _supervised("sparseformer-eegmat", sentence, "sparseformer_small_eeg", question)
    return suite.but(min_updates=150)  # an epoch is four


def sparseformer_wisdm() -> Suite:
    """Sparseformer and its baselines on eighteen activities, over ten people."""
    sentence, question = sparseformer_wisdm.__doc__ or "", _over_people("wisdm", "activity", 10, 5)
    suite = _supervised("sparseformer-wisdm", sentence, "sparseformer_small_acc", question)
    return suite.but(epochs_ratio=0.5)


_ABLATED = (
    "single_granularity",
    "channel_mean",
    "dense",
    "paper_counts",
    "no_prior",
    "learnt_queries",
    "unnormed",
    "nameless_channels",
    "positions",
    "normalised",
    "published_lengths",
    "one_hot",
    "shuffled_texts",
    "random_texts",
)


def sparseformer_ablations() -> Suite:
    """What each part of Sparseformer is worth, on PTB-XL, after half of its updates."""
    suite = _ablations(
        "sparseformer-ablations", sparseformer_ablations.__doc__ or "", ptb_xl("super-single"), ""
    )
    methods = (*suite.methods, *tuned("sparseformer_small_whole_windows"))
    return suite.but(methods=methods, epochs_ratio=0.5)


def sparseformer_ablations_eegmat() -> Suite:
    """What each part of Sparseformer is worth, on scalp EEG of eight people."""
    suite = _ablations(
        "sparseformer-ablations-eegmat",
        sparseformer_ablations_eegmat.__doc__ or "",
        _over_people("eegmat", "task", 8, 4),
        "sparseformer_small_eeg",
    )
    return suite.but(epochs_ratio=0.1)  # sixty updates for each of eight people's rounds


def _ablations(name: str, sentence: str, question: Question, reads: str) -> Suite:
    recipes = ("sparseformer_small", *(f"sparseformer_small_{part}" for part in _ABLATED))
    return Suite(
        name=name,
        sentence=sentence,
        methods=tuple(each.but(reads=reads) for each in tuned(*recipes)),
        questions=(question,),
        reference="sparseformer_small",
    )


_SINGLE = Taught(label_sets=("ptb-xl/super-single",), train_folds=FOLDS_1_TO_7, val_folds=("8",))


def _taught(taught: Taught, **changes: Any) -> Method:
    fields = {
        "name": "sparseformer_small",
        "kind": "evaluate",
        "recipe": "sparseformer_small",
        "protocol": "zero_shot",
        "taught": taught,
    }
    return Method.model_validate(fields | changes)


def _asked(corpus: str, label_set: str, *folds: str) -> Question:
    """Returns a question to a model that learns nothing of its corpus."""
    return Question(
        corpus=corpus,
        label_set=f"{corpus}/{label_set}",
        train_folds=(),
        val_folds=(),
        test_folds=folds or ("train", "validation", "test"),
    )


def _zero_shot(
    name: str,
    sentence: str,
    taught: Taught,
    *questions: Question,
    recipe: str = "sparseformer_small",
    epochs_ratio: float = 1.0,
    **changes: Any,
) -> Suite:
    """Returns a table of models asked in words for what they were not taught."""
    ours = _taught(taught, recipe=recipe, name=recipe, **changes)
    controls = (f"{recipe}_shuffled_texts", f"{recipe}_random_texts")
    return Suite(
        name=name,
        sentence=sentence,
        methods=(ours, *(ours.but(name=each, recipe=each, is_control=True) for each in controls)),
        questions=questions,
        label_fractions=(0,),
        seeds=3,
        reference=recipe,
        beside="macro_auprc",
        epochs_ratio=epochs_ratio,
    )


def sparseformer_zero_shot() -> Suite:
    """Sparseformer taught the rhythms of PTB-XL, asked in words for those of other corpora."""
    return _zero_shot(
        "sparseformer-zero-shot",
        sparseformer_zero_shot.__doc__ or "",
        _SINGLE.but(label_sets=("ptb-xl/rhythm",)),
        _asked("cinc-2017", "scored-rhythm"),
        _asked("mit-bih", "rhythm"),
        recipe="sparseformer_small_any_lead",
    )


def sparseformer_left_out() -> Suite:
    """Sparseformer taught the rhythms of all corpora but one, asked in words for that one's."""
    corpora = ("ptb-xl", "cinc-2017", "mit-bih", "ludb")
    return _zero_shot(
        "sparseformer-left-out",
        sparseformer_left_out.__doc__ or "",
        Taught(
            label_sets=tuple(f"{corpus}/rhythm" for corpus in corpora),
            train_folds=(*FOLDS_1_TO_7, "train"),
            val_folds=("8", "validation"),
            spares_question=True,
        ),
        _asked("ptb-xl", "rhythm", "9"),
        *(_asked(corpus, "rhythm") for corpus in corpora[1:]),
        recipe="sparseformer_small_any_lead",
        epochs_ratio=0.5,  # a thousand updates, for every corpus that is left out
    )


def sparseformer_ecg_to_eeg() -> Suite:
    """Sparseformer taught diagnoses of twelve leads, asked in words what a head is busy with."""
    people = tuple(str(fold) for fold in range(1, 9))
    return _zero_shot(
        "sparseformer-ecg-to-eeg",
        sparseformer_ecg_to_eeg.__doc__ or "",
        _SINGLE,
        _asked("eegmat", "task", *people),
        answers_on="sparseformer_small_eeg",
    )


def sparseformer_eeg_to_ecg() -> Suite:
    """Sparseformer taught rest and arithmetic of eight people, asked in words for diagnoses."""
    people = tuple(str(fold) for fold in range(1, 9))
    return _zero_shot(
        "sparseformer-eeg-to-ecg",
        sparseformer_eeg_to_ecg.__doc__ or "",
        Taught(label_sets=("eegmat/task",), train_folds=people[:6], val_folds=people[6:]),
        _asked("ptb-xl", "super-single", "9"),
        reads="sparseformer_small_eeg",
        answers_on="sparseformer_small",
        epochs_ratio=0.25,
    )


_FEW_DRAWS = (
    "Every run of a frozen encoder is the mean over ten draws of the examples; one of scratch "
    "learns from a single draw."
)


def _few(name: str, sentence: str, question: Question, taught: Taught, scratch: str) -> Suite:
    """Returns a table of what a frozen encoder gives with a few examples of other classes.

    A run of a frozen encoder holds ten draws of the examples, one of training from scratch one.
    """
    ours = _taught(taught, protocol="few_shot", settings={"controls": []})
    return Suite(
        name=f"sparseformer-few-{name}",
        sentence=f"{sentence} {_FEW_DRAWS}",
        methods=(
            ours,
            Method(name="scratch", kind="finetune", recipe=scratch, updates=150),
            ours.but(name="random_encoder", taught=None, recipe=scratch, is_control=True),
        ),
        questions=(question,),
        label_fractions=(5, 10, 20, 50),
        label_unit="shots",
        draws=10,
        reference="sparseformer_small",
    )


_ECG_NAT_OF_SOURCE = Method(
    name="ecg_nat_of_source_probed",
    kind="evaluate",
    pretraining="ecg_nat_pretraining",
    learns_from=ptb_xl("super-single"),
    pretraining_minutes=10.0,
    protocol="few_shot",
    settings={"controls": []},
)


def sparseformer_few_cinc() -> Suite:
    """Sparseformer taught diagnoses of one or two leads, then rhythms of one lead by examples."""
    question = _official("cinc-2017", "rhythm")
    return _few_beside_ecg_nat("cinc", sparseformer_few_cinc.__doc__ or "", question, "one_lead")


def sparseformer_few_beats() -> Suite:
    """Sparseformer taught diagnoses of one or two leads, then single beats by examples."""
    question = _official("mit-bih-beats", "aami")
    return _few_beside_ecg_nat("beats", sparseformer_few_beats.__doc__ or "", question, "beats")


def _few_beside_ecg_nat(name: str, sentence: str, question: Question, reads: str) -> Suite:
    suite = _few(name, sentence, question, _SINGLE, f"sparseformer_small_{reads}")
    ours, scratch, untrained = suite.methods
    ours, untrained = (each.but(recipe="sparseformer_small_any_lead") for each in (ours, untrained))
    return suite.but(methods=(ours, scratch, untrained, _ECG_NAT_OF_SOURCE))


def sparseformer_few_wisdm() -> Suite:
    """Sparseformer taught half of the activities, then the other half by examples."""
    folds = tuple(str(fold) for fold in range(1, 7))
    question = Question(
        corpus="wisdm",
        label_set="wisdm/activity-even",
        train_folds=folds,
        val_folds=("7",),
        test_folds=("8", "9", "10"),
    )
    taught = Taught(label_sets=("wisdm/activity-odd",), train_folds=folds, val_folds=("7",))
    suite = _few(
        "wisdm",
        sparseformer_few_wisdm.__doc__ or "",
        question,
        taught,
        "sparseformer_small_acc",
    )
    ours, *others = suite.methods
    return suite.but(methods=(ours.but(recipe="sparseformer_small_acc"), *others))
