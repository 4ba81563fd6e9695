"""Tables of MedualTime: what signal and report are worth together, with every control beside it.

Late fusion and the rows of single modalities are what a fused model has to beat; the rows that
read redacted reports are the ones to believe, because reports often state the label.
"""

from research.suites import Method, Question, Suite, Taught
from research.tables.ecg import FOLDS_1_TO_7, SYSTEMS, ptb_xl, tuned

_SIGNAL_MODELS = tuple(
    each.but(is_kept=True) for each in SYSTEMS if each.name in ("ecg_nat", "melp_small")
)
"""Other systems that read signals, pretrained as in their own tables."""


def medualtime() -> Suite:
    """MedualTime, its controls and baselines on the superclasses of PTB-XL, all labels."""
    return Suite(
        name="medualtime",
        sentence=medualtime.__doc__ or "",
        methods=(
            *(
                method.but(protocol="text_controls")
                for method in tuned("medualtime_small_redacted", "medualtime_small")
            ),
            *(
                method.but(is_kept=True)
                for method in tuned(
                    "medualtime_small_signal_only",
                    "medualtime_small_constant_text",
                    "medualtime_small_text_only_redacted",
                    "text_linear_redacted",
                    "text_linear",
                    "xresnet1d",
                )
            ),
            Method(
                name="late_fusion_redacted",
                kind="late_fusion",
                fused=("medualtime_small_constant_text", "medualtime_small_text_only_redacted"),
            ),
            Method(
                name="xresnet1d_and_text_redacted",
                kind="late_fusion",
                fused=("xresnet1d", "text_linear_redacted"),
            ),
            Method(
                name="xresnet1d_and_text", kind="late_fusion", fused=("xresnet1d", "text_linear")
            ),
            *tuned(
                "medualtime_small_text_only",
                "medualtime_small_unadapted",
                "medualtime_small_unadapted_redacted",
                "medualtime_small_signal_pass",
                "medualtime_small_text_pass",
                "medualtime_small_trained_trunk",
                "gpt4ts_small",
                "gpt4ts_prompt_small",
            ),
            Method(
                name="medualtime_small_unsupervised_probed",
                kind="probe",
                pretraining="medualtime_small_pretraining",
                pretraining_minutes=20.0,
                is_pretrained_per_seed=True,
            ),
            *_SIGNAL_MODELS,
            *(
                method.but(
                    name=f"{method.name}_and_text_redacted",
                    kind="late_fusion",
                    recipe="",
                    fused=(method.recipe, "text_linear_redacted"),
                    is_kept=False,
                )
                for method in _SIGNAL_MODELS
            ),
        ),
        questions=(ptb_xl("super"),),
        seeds=3,
        reference="medualtime_small_redacted",
    )


_GRADED = Taught(label_sets=("ptb-xl/grade",), train_folds=FOLDS_1_TO_7, val_folds=("8",))
_SUPER = Taught(label_sets=("ptb-xl/super",), train_folds=FOLDS_1_TO_7, val_folds=("8",))


def _coarse_to_fine(name: str, sentence: str, question: Question, taught: Taught) -> Suite:
    few = Method(name="", kind="evaluate", protocol="coarse_to_fine", settings={"controls": []})
    return Suite(
        name=name,
        sentence=sentence,
        methods=(
            *(
                few.but(name=recipe, recipe=recipe, taught=taught)
                for recipe in (
                    "medualtime_small_redacted",
                    "medualtime_small_signal_only",
                    "medualtime_small_text_only_redacted",
                    "xresnet1d",
                )
            ),
            few.but(
                name="ecg_nat_probed",
                pretraining="ecg_nat_pretraining",
                is_pretrained_on_all=True,
                pretraining_minutes=90.0,
            ),
            few.but(
                name="melp_probed",
                pretraining="melp_small",
                is_pretrained_per_seed=True,
                pretraining_minutes=40.0,
            ),
            few.but(name="random_encoder", recipe="xresnet1d", is_control=True),
        ),
        questions=(question,),
        label_fractions=(5, 10, 20, 50),
        label_unit="shots",
        reference="medualtime_small_redacted",
    )


def medualtime_grades() -> Suite:
    """Taught four grades, then five classes with a few examples each, as in the released code."""
    return _coarse_to_fine(
        "medualtime-grades", medualtime_grades.__doc__ or "", ptb_xl("super-single"), _GRADED
    )


def medualtime_subclasses() -> Suite:
    """Taught superclasses, then those subclasses that are common enough, with a few examples."""
    return _coarse_to_fine(
        "medualtime-subclasses", medualtime_subclasses.__doc__ or "", ptb_xl("sub"), _SUPER
    )
