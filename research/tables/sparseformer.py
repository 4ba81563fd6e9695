"""Tables of Sparseformer: beside its baselines, without each of its parts, and on new corpora.

On every dataset all methods read the same channels and windows. A dataset of few people is
cross-validated over them; CinC 2017, which names no people, is split by record. With few examples a
run of a frozen encoder is the mean over ten samples of them; one from scratch has one sample.
"""

from typing import Any

from research.suites import Method, Question, Start, Suite, Taught
from research.tables.ecg import tuned, variant
from research.tables.questions import FOLDS_1_TO_7, elsewhere, official, over_people, ptb_xl

_SMALL = "sparseformer_small"
_AS_PRINTED = variant(
    f"{_SMALL}_as_printed",
    _SMALL,
    encoder__patch_lengths=(25, 50, 100, 150),
    encoder__channel_identity="none",
    encoder__has_positions=True,
    encoder__is_normalised=True,
    encoder__token_counts="paper",
    encoder__query_start="learnt",
    encoder__is_summary_normed=False,
    encoder__has_granularity_embedding=False,
)


def _sequence(name: str, **sizes: Any) -> Method:
    """Returns a row of a sequence model in the place of Medformer's."""
    return variant(f"{name}_small", "medformer_small", encoder={"kind": name, **sizes})


_TOKENS: dict[str, Any] = {"depth": 2, "n_heads": 4, "dropout": 0.2}
_BASELINES = (
    *tuned("xresnet1d", "medformer_small"),
    _sequence("mtst", patch_lengths=(10, 25, 50), dim=16, hidden=32, **_TOKENS),
    *tuned("itransformer_small"),
    _sequence("crossformer", patch=10, dim=32, hidden=64, n_routers=4, **_TOKENS),
    *tuned("timesnet_small"),
    _sequence("lightts", window=250, chunk=25, dim=32, hidden=16),
    *tuned("patchtst_small", "dlinear"),
)


def _supervised(recipe: str, question: Question) -> Suite:
    """Returns the table of one dataset; all methods read the same channels and windows."""
    reads = "" if recipe == "sparseformer_small" else recipe
    ours = Method(name=_SMALL, recipe=recipe)
    return Suite(
        methods=(
            ours,
            Method(name="multirocket", kind="multirocket", recipe=recipe),
            ours.but(name="random_encoder", kind="probe", is_control=True),
            *(each.but(reads=reads) for each in (_AS_PRINTED, *_BASELINES)),
        ),
        questions=(question,),
        seeds=3,
        reference=_SMALL,
    )


def sparseformer_ptb_xl() -> Suite:
    """Sparseformer and its baselines on five classes of PTB-XL, one for each record."""
    return _supervised("sparseformer_small", ptb_xl("super-single"))


def sparseformer_cinc() -> Suite:
    """Sparseformer and its baselines on one-lead rhythms of CinC 2017, split by record."""
    suite = _supervised("sparseformer_small_one_lead", official("cinc-2017", "rhythm"))
    return suite.but(min_updates=300)  # an epoch is three


def sparseformer_beats() -> Suite:
    """Sparseformer and its baselines on beats of MIT-BIH, with new people in the test part."""
    suite = _supervised("sparseformer_small_beats", official("mit-bih-beats", "aami"))
    # Three epochs of twenty thousand beats; fifty thousand features of each would fill 8 GB.
    methods = tuple(each for each in suite.methods if each.kind != "multirocket")
    return suite.but(methods=methods, epochs_ratio=0.15)


def sparseformer_eegmat() -> Suite:
    """Sparseformer and its baselines on rest against arithmetic, over eight people."""
    suite = _supervised("sparseformer_small_eeg", over_people("eegmat", "task", 8, 4))
    return suite.but(min_updates=150)  # an epoch is four


def sparseformer_wisdm() -> Suite:
    """Sparseformer and its baselines on eighteen activities, over ten people."""
    suite = _supervised("sparseformer_small_acc", over_people("wisdm", "activity", 10, 5))
    return suite.but(epochs_ratio=0.5)


_ABLATED: dict[str, dict[str, Any]] = {
    "single_granularity": {"encoder__patch_lengths": (25,)},
    "channel_mean": {"encoder__has_channel_attention": False},
    "dense": {"encoder__is_sparse": False},
    "paper_counts": {"encoder__token_counts": "paper"},
    "no_prior": {"encoder__prior_dim": 0},
    "learnt_queries": {"encoder__query_start": "learnt"},
    "unnormed": {"encoder__is_summary_normed": False},
    "nameless_channels": {"encoder__channel_identity": "none"},
    "positions": {"encoder__has_positions": True},
    "normalised": {"encoder__is_normalised": True},
    "published_lengths": {"encoder__patch_lengths": (25, 50, 100, 150)},
    "one_hot": {
        "head": {"hidden": 0, "dropout": 0.0, "normalise": False},
        "objective": {"kind": "classification"},
    },
    "shuffled_texts": {"head__words": "shuffled"},
    "random_texts": {"head__words": "random"},
}


def sparseformer_ablations() -> Suite:
    """What each part of Sparseformer is worth, on PTB-XL, after half of its updates."""
    suite = _ablations(ptb_xl("super-single"), "")
    windows = {"windowing__window_s": 10.0, "windowing__stride_s": 10.0}
    whole = variant(f"{_SMALL}_whole_windows", _SMALL, **windows)
    return suite.but(methods=(*suite.methods, whole), epochs_ratio=0.5)


def sparseformer_ablations_eegmat() -> Suite:
    """What each part of Sparseformer is worth, on scalp EEG of eight people."""
    suite = _ablations(over_people("eegmat", "task", 8, 4), "sparseformer_small_eeg")
    return suite.but(epochs_ratio=0.1)  # sixty updates for each of eight people's rounds


def _ablations(question: Question, reads: str) -> Suite:
    parts = [variant(f"{_SMALL}_{part}", _SMALL, **each) for part, each in _ABLATED.items()]
    return Suite(
        methods=tuple(each.but(reads=reads) for each in (*tuned(_SMALL), *parts)),
        questions=(question,),
        reference=_SMALL,
    )


_SINGLE = Taught(label_sets=("ptb-xl/super-single",), train_folds=FOLDS_1_TO_7, val_folds=("8",))


def _zero_shot(
    taught: Taught,
    *questions: Question,
    recipe: str = _SMALL,
    epochs_ratio: float = 1.0,
    **changes: Any,
) -> Suite:
    """Returns a zero-shot table: models prompted with classes that they were not taught."""
    ours = Method(
        name=recipe, kind="evaluate", recipe=recipe, protocol="zero_shot", taught=taught, **changes
    )
    controls = [
        ours.but(name=f"{recipe}_{name}_texts", overrides={"head.words": name}, is_control=True)
        for name in ("shuffled", "random")
    ]
    return Suite(
        methods=(ours, *controls),
        questions=questions,
        label_fractions=(0,),
        seeds=3,
        reference=recipe,
        beside="macro_auprc",
        epochs_ratio=epochs_ratio,
    )


def sparseformer_zero_shot() -> Suite:
    """Sparseformer taught the rhythms of PTB-XL, zero-shot on those of other corpora."""
    return _zero_shot(
        _SINGLE.but(label_sets=("ptb-xl/rhythm",)),
        elsewhere("cinc-2017", "scored-rhythm"),
        elsewhere("mit-bih", "rhythm"),
        recipe="sparseformer_small_any_lead",
    )


def sparseformer_left_out() -> Suite:
    """Sparseformer taught the rhythms of all corpora but one, zero-shot on that one's."""
    corpora = ("ptb-xl", "cinc-2017", "mit-bih", "ludb")
    return _zero_shot(
        Taught(
            label_sets=tuple(f"{corpus}/rhythm" for corpus in corpora),
            train_folds=(*FOLDS_1_TO_7, "train"),
            val_folds=("8", "validation"),
            spares_question=True,
        ),
        elsewhere("ptb-xl", "rhythm", "9"),
        *(elsewhere(corpus, "rhythm") for corpus in corpora[1:]),
        recipe="sparseformer_small_any_lead",
        epochs_ratio=0.5,  # a thousand updates, for every corpus that is left out
    )


def sparseformer_ecg_to_eeg() -> Suite:
    """Sparseformer taught diagnoses of twelve leads, zero-shot on rest and arithmetic."""
    people = tuple(str(fold) for fold in range(1, 9))
    return _zero_shot(
        _SINGLE,
        elsewhere("eegmat", "task", *people),
        tested_on="sparseformer_small_eeg",
    )


def sparseformer_eeg_to_ecg() -> Suite:
    """Sparseformer taught rest and arithmetic of eight people, zero-shot on diagnoses."""
    people = tuple(str(fold) for fold in range(1, 9))
    return _zero_shot(
        Taught(label_sets=("eegmat/task",), train_folds=people[:6], val_folds=people[6:]),
        elsewhere("ptb-xl", "super-single", "9"),
        reads="sparseformer_small_eeg",
        tested_on="sparseformer_small",
        epochs_ratio=0.25,
    )


_FEW_SHOT: dict[str, Any] = {
    "kind": "evaluate",
    "protocol": "few_shot",
    "settings": {"controls": []},
}


def _few(question: Question, taught: Taught, recipe: str, scratch: str) -> Suite:
    """Returns a table of what a frozen encoder gives with a few examples of other classes.

    A run of a frozen encoder holds ten samples of the examples, one of training from scratch one.
    """
    ours = Method(name=_SMALL, recipe=recipe, taught=taught, **_FEW_SHOT)
    return Suite(
        methods=(
            ours,
            variant("scratch", scratch, training__min_updates=150),
            ours.but(name="random_encoder", taught=None, recipe=scratch, is_control=True),
        ),
        questions=(question,),
        label_fractions=(5, 10, 20, 50),
        label_unit="shots",
        draws=10,
        reference=_SMALL,
    )


_ECG_NAT_OF_SOURCE = Method(
    name="ecg_nat_of_source_probed",
    **_FEW_SHOT,
    start=Start(
        recipe="ecg_nat_pretraining",
        folds_of=ptb_xl("super-single"),
        overrides={"training.max_minutes": 10.0},
    ),
)


def sparseformer_few_cinc() -> Suite:
    """Sparseformer taught diagnoses of one or two leads, then rhythms of one lead by examples."""
    return _few_beside_ecg_nat(official("cinc-2017", "rhythm"), "sparseformer_small_one_lead")


def sparseformer_few_beats() -> Suite:
    """Sparseformer taught diagnoses of one or two leads, then single beats by examples."""
    return _few_beside_ecg_nat(official("mit-bih-beats", "aami"), "sparseformer_small_beats")


def _few_beside_ecg_nat(question: Question, scratch: str) -> Suite:
    suite = _few(question, _SINGLE, "sparseformer_small_any_lead", scratch)
    ours, from_scratch, untrained = suite.methods
    untrained = untrained.but(recipe=ours.recipe)
    return suite.but(methods=(ours, from_scratch, untrained, _ECG_NAT_OF_SOURCE))


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
    return _few(question, taught, "sparseformer_small_acc", "sparseformer_small_acc")
