"""Tables of MedualTime: what signal and report are worth together, with every control beside it.

Late fusion and the rows of single modalities are what a fused model has to beat; the rows that
read redacted reports are the ones to believe, because reports often state the label.
"""

from typing import Any

from research.suites import Method, Question, Start, Suite, Taught
from research.tables.ecg import MELP_START, NAT_START, SYSTEMS, tuned, variant
from research.tables.questions import FOLDS_1_TO_7, ptb_xl

_SMALL = "medualtime_small"
_REDACTED: dict[str, Any] = {"preprocessing__reports__is_redacted": True}
_SIGNAL_ONLY = variant(f"{_SMALL}_signal_only", _SMALL, encoder__reads="signal")
_CONSTANT_TEXT = variant(
    f"{_SMALL}_constant_text", _SMALL, preprocessing__reports__stands_in="report"
)
_TEXT_ONLY_REDACTED = variant(
    f"{_SMALL}_text_only_redacted", _SMALL, encoder__reads="text", **_REDACTED
)
_TEXT_LINEAR, _XRESNET = tuned("text_linear", "xresnet1d")
_TEXT_LINEAR_REDACTED = variant("text_linear_redacted", "text_linear", **_REDACTED)
_GPT4TS = {"kind": "gpt4ts", "language_model": {"name": "minilm", "max_tokens": 64}, "patch": 50}
_SMALL_SIZES: dict[str, Any] = {
    "encoder.language_model.max_tokens": 64,
    "encoder.n_adapted": 3,
    "encoder.patch": 50,
    "encoder.conv_widths": (32, 64, 64),
    "encoder.conv_stride": 4,
    "training.precision": "bf16",
}


def _redacted(name: str, **overrides: Any) -> Method:
    return variant(f"{_SMALL}_{name}", _SMALL, **_REDACTED, **overrides)


def _fused(name: str, *rows: Method) -> Method:
    return Method(name=name, kind="late_fusion", fused=rows)


def medualtime() -> Suite:
    """MedualTime, its controls and baselines on the superclasses of PTB-XL, all labels."""
    # other systems that read signals, pretrained as in their own tables
    signal_models = [SYSTEMS["ecg_nat"], SYSTEMS["melp_small"]]
    alone = (_SIGNAL_ONLY, _CONSTANT_TEXT, _TEXT_ONLY_REDACTED, _TEXT_LINEAR_REDACTED)
    return Suite(
        methods=(
            _redacted("redacted").but(protocol="text_controls"),
            variant(_SMALL, _SMALL).but(protocol="text_controls"),
            *(row.but(is_kept=True) for row in (*alone, _TEXT_LINEAR, _XRESNET)),
            _fused("late_fusion_redacted", _CONSTANT_TEXT, _TEXT_ONLY_REDACTED),
            _fused("xresnet1d_and_text_redacted", _XRESNET, _TEXT_LINEAR_REDACTED),
            _fused("xresnet1d_and_text", _XRESNET, _TEXT_LINEAR),
            variant(f"{_SMALL}_text_only", _SMALL, encoder__reads="text"),
            variant(f"{_SMALL}_unadapted", _SMALL, encoder__n_adapted=0),
            _redacted("unadapted_redacted", encoder__n_adapted=0),
            _redacted("signal_pass", encoder__passes="signal"),
            _redacted("text_pass", encoder__passes="text"),
            _redacted(
                "trained_trunk", encoder__is_language_model_trained=True, training__layer_decay=0.05
            ),
            variant("gpt4ts_small", _SMALL, encoder=_GPT4TS),
            variant(
                "gpt4ts_prompt_small",
                _SMALL,
                encoder=_GPT4TS | {"prompt": "report"},
                **_REDACTED,
            ),
            Method(
                name=f"{_SMALL}_unsupervised_probed",
                kind="probe",
                start=Start(
                    recipe="medualtime_pretraining",
                    is_per_seed=True,
                    overrides=_SMALL_SIZES | {"training.max_minutes": 20.0},
                ),
            ),
            *(row.but(is_kept=True) for row in signal_models),
            *(
                _fused(f"{row.name}_and_text_redacted", row, _TEXT_LINEAR_REDACTED)
                for row in signal_models
            ),
        ),
        questions=(ptb_xl("super"),),
        seeds=3,
        reference=f"{_SMALL}_redacted",
    )


_GRADED = Taught(label_sets=("ptb-xl/grade",), train_folds=FOLDS_1_TO_7, val_folds=("8",))
_SUPER = Taught(label_sets=("ptb-xl/super",), train_folds=FOLDS_1_TO_7, val_folds=("8",))


def _coarse_to_fine(question: Question, taught: Taught) -> Suite:
    few = Method(name="", kind="evaluate", protocol="coarse_to_fine", settings={"controls": []})
    return Suite(
        methods=(
            *(
                few.but(name=row.name, recipe=row.recipe, overrides=row.overrides, taught=taught)
                for row in (_redacted("redacted"), _SIGNAL_ONLY, _TEXT_ONLY_REDACTED, _XRESNET)
            ),
            few.but(name="ecg_nat_probed", start=NAT_START),
            few.but(name="melp_probed", start=MELP_START),
            few.but(name="random_encoder", recipe="xresnet1d", is_control=True),
        ),
        questions=(question,),
        label_fractions=(5, 10, 20, 50),
        label_unit="shots",
        reference=f"{_SMALL}_redacted",
    )


def medualtime_grades() -> Suite:
    """Taught four grades, then five classes with a few examples each, as in the released code."""
    return _coarse_to_fine(ptb_xl("super-single"), _GRADED)


def medualtime_subclasses() -> Suite:
    """Taught superclasses, then those subclasses that are common enough, with a few examples."""
    return _coarse_to_fine(ptb_xl("sub"), _SUPER)
