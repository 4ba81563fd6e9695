"""Tables of Sparseformer: beside its baselines, without each of its parts, and on new corpora."""

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


def sparseformer() -> Suite:
    """Sparseformer and its baselines on five classes of PTB-XL, one for each record."""
    return Suite(
        name="sparseformer",
        sentence=sparseformer.__doc__ or "",
        methods=(
            *tuned("sparseformer_small"),
            Method(name="multirocket", kind="multirocket"),
            Method(
                name="random_encoder", kind="probe", recipe="sparseformer_small", is_control=True
            ),
            *tuned(*_BASELINES),
        ),
        questions=(ptb_xl("super-single"),),
        seeds=3,
        reference="sparseformer_small",
    )


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
