"""Tables of CroSSL: a few labels, missing sensors, and what is hidden in pretraining.

A watch and scalp regions are cross-validated over people, each tested once and never met in
pretraining; lead groups keep to the folds of PTB-XL. Every table has its own recipes, because
streams differ.
"""

from typing import Any

from research.suites import Method, Question, Suite
from research.tables.ecg import ptb_xl

_WISDM = Question(
    corpus="wisdm",
    label_set="wisdm/activity",
    train_folds=tuple(str(fold) for fold in range(1, 11)),
    val_folds=(),
    test_folds=(),
    n_rounds=5,
)
_EEGMAT = Question(
    corpus="eegmat",
    label_set="eegmat/task",
    train_folds=tuple(str(fold) for fold in range(1, 9)),
    val_folds=(),
    test_folds=(),
    n_rounds=4,
)
_QUESTIONS = {"wisdm": _WISDM, "eegmat": _EEGMAT, "ptb_xl": ptb_xl("super")}


def _pretrained(recipe: str, pretraining: str, **changes: Any) -> Method:
    fields = {
        "name": pretraining.removesuffix("_pretraining"),
        "kind": "finetune",
        "recipe": recipe,
        "pretraining": pretraining,
        "pretraining_minutes": 8.0,
    }
    return Method.model_validate(fields | changes)


def _table(streams: str, sentence: str) -> Suite:
    recipe = f"crossl_{streams}"
    missing: dict[str, Any] = {"protocol": "missing_modalities"}
    return Suite(
        name=f"crossl-{streams}".replace("_", "-"),
        sentence=sentence,
        methods=(
            _pretrained(recipe, f"{recipe}_pretraining", **missing),
            Method(name="scratch", kind="finetune", recipe=recipe, **missing),
            _pretrained(recipe, f"{recipe}_pretraining", name="crossl_probed", kind="probe"),
            _pretrained(
                recipe,
                f"{recipe}_pretraining",
                name="crossl_mlp_probed",
                kind="probe",
                settings={"solver": "mlp"},
            ),
            Method(name="random_encoder", kind="probe", recipe=recipe, is_control=True),
            Method(
                name="modality_dropout",
                kind="finetune",
                recipe=f"{recipe}_modality_dropout",
                **missing,
            ),
            *(_pretrained(recipe, f"{recipe}_{other}") for other in ("vicreg", "simclr")),
            *(_pretrained(f"{recipe}_latents", f"{recipe}_{other}") for other in ("cmc", "cocoa")),
            Method(name="deep_conv_lstm", kind="finetune", recipe=f"deep_conv_lstm_{streams}"),
        ),
        questions=(_QUESTIONS[streams],),
        label_fractions=(0.1, 0.01, 0.05, 1.0),
        draws=3,
        reference=recipe,
        minutes_per_job=10.0,
    )


def crossl_wisdm() -> Suite:
    """CroSSL on a watch's two sensors, ten people, with 1, 5, 10 and 100 % of the labels."""
    return _table("wisdm", crossl_wisdm.__doc__ or "")


def crossl_eegmat() -> Suite:
    """CroSSL on five scalp regions and ECG, eight people, with 1, 5, 10 and 100 % of the labels."""
    return _table("eegmat", crossl_eegmat.__doc__ or "")


def crossl_ptb_xl() -> Suite:
    """CroSSL on four lead groups of PTB-XL, with 1, 5, 10 and 100 % of the labels."""
    return _table("ptb_xl", crossl_ptb_xl.__doc__ or "")


def _hiding(streams: str, sentence: str) -> Suite:
    recipe = f"crossl_{streams}"
    return Suite(
        name=f"crossl-{streams}-hiding".replace("_", "-"),
        sentence=sentence,
        methods=tuple(
            _pretrained(
                recipe,
                recipe,
                name=f"{strategy}_{hide_ratio:g}",
                kind="probe",
                pretraining_objective={"strategy": strategy, "hide_ratio": hide_ratio},
                pretraining_minutes=4.0,
            )
            for strategy in ("spatial", "random")
            for hide_ratio in (0.1, 0.3, 0.5, 0.7)
        ),
        questions=(_QUESTIONS[streams],),
        label_fractions=(0.1,),
        draws=3,
        reference="spatial_0.5",
    )


def crossl_wisdm_hiding() -> Suite:
    """What to hide and how much of it, on a watch's two sensors."""
    return _hiding("wisdm", crossl_wisdm_hiding.__doc__ or "")


def crossl_ptb_xl_hiding() -> Suite:
    """What to hide and how much of it, on four lead groups of PTB-XL."""
    return _hiding("ptb_xl", crossl_ptb_xl_hiding.__doc__ or "")
