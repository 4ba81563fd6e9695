"""Tables of ECG: the smoke test, the baselines, and ECG-NAT with few labels."""

from research.suites import Method, Question, Suite

FOLDS_1_TO_7 = tuple(str(fold) for fold in range(1, 8))


def tuned(*recipes: str) -> tuple[Method, ...]:
    """Returns a row for each recipe, trained from scratch."""
    return tuple(Method(name=name, kind="finetune", recipe=name) for name in recipes)


def smoke() -> Suite:
    """Every kind of method once, on synthetic records; under three minutes on two cores."""
    return Suite(
        name="smoke",
        sentence=smoke.__doc__ or "",
        methods=(
            Method(name="xresnet1d_test", kind="finetune", recipe="xresnet1d_test"),
            Method(name="features", kind="features"),
            Method(name="random_encoder", kind="probe", recipe="xresnet1d_test", is_control=True),
            Method(
                name="label_shuffle",
                kind="finetune",
                recipe="xresnet1d_test",
                shuffle_labels=True,
                is_control=True,
            ),
        ),
        questions=(
            Question(
                corpus="synthetic",
                label_set="synthetic/findings",
                train_folds=FOLDS_1_TO_7,
                val_folds=("8",),
                test_folds=("9", "10"),
            ),
        ),
        label_fractions=(0.25, 1.0),
        draws=2,
        reference="xresnet1d_test",
        minutes_per_job=1.0,
    )


_SYSTEM = Method(name="", kind="finetune", keeps_rate=True, minutes=10.0)
SYSTEMS = (
    _SYSTEM.but(
        name="ecg_nat",
        recipe="ecg_nat",
        pretraining="ecg_nat_pretraining",
        is_pretrained_on_all=True,
        pretraining_minutes=90.0,
    ),
    _SYSTEM.but(name="sparseformer_small", recipe="sparseformer_small"),
    _SYSTEM.but(
        name="crossl",
        recipe="crossl_ptb_xl",
        pretraining="crossl_ptb_xl_pretraining",
        pretraining_minutes=8.0,
    ),
    _SYSTEM.but(
        name="melp_small",
        recipe="melp_small_finetuning",
        pretraining="melp_small",
        pretraining_minutes=40.0,
        is_pretrained_per_seed=True,
    ),
    _SYSTEM.but(name="medualtime_small_redacted", recipe="medualtime_small_redacted"),
)
"""Untuned, on what they were pretrained on in their own tables; share it with ``--models``."""


def ecg_small() -> Suite:
    """The baselines and the five systems on PTB-XL, with a tenth and all of the labels."""
    return Suite(
        name="ecg-small",
        sentence=ecg_small.__doc__ or "",
        methods=(
            *tuned("xresnet1d"),
            Method(name="features", kind="features"),
            Method(name="minirocket", kind="minirocket"),
            Method(name="random_encoder", kind="probe", recipe="xresnet1d", is_control=True),
            Method(
                name="label_shuffle",
                kind="finetune",
                recipe="xresnet1d",
                shuffle_labels=True,
                is_control=True,
            ),
            *tuned("dlinear", "s4_small", "transformer_small", "patchtst_small"),
            *(
                Method(name=name, kind="finetune", recipe="xresnet1d", pretraining=name)
                for name in ("simclr", "vicreg", "cmsc")
            ),
            *tuned("xresnet1d101", "s4"),
            *SYSTEMS,
        ),
        questions=(ptb_xl("super"),),
        label_fractions=(1.0, 0.1),
        draws=2,
        seeds=3,
        rate_factors=(1.0, 0.3, 3.0, 0.1),
        reference="xresnet1d",
    )


def ptb_xl(label_set: str) -> Question:
    """Returns the question of a label set of PTB-XL, on its recommended folds."""
    return Question(
        corpus="ptb-xl",
        label_set=f"ptb-xl/{label_set}",
        train_folds=FOLDS_1_TO_7,
        val_folds=("8",),
        test_folds=("9",),
    )


_ECG_NAT = Method(
    name="ecg_nat",
    kind="finetune",
    recipe="ecg_nat",
    pretraining="ecg_nat_pretraining",
    is_pretrained_on_all=True,
    pretraining_minutes=90.0,
)


def ecg_nat() -> Suite:
    """ECG-NAT with few labels: pretrained or not, one loss or two, against a convolutional net."""
    return Suite(
        name="ecg-nat",
        sentence=ecg_nat.__doc__ or "",
        methods=(
            _ECG_NAT,
            _ECG_NAT.but(name="ecg_nat_cross_entropy", recipe="ecg_nat_cross_entropy"),
            _ECG_NAT.but(name="ecg_nat_probed", kind="probe"),
            *tuned("ecg_nat_scratch", "ecg_nat_scratch_cross_entropy"),
            Method(name="random_encoder", kind="probe", recipe="ecg_nat", is_control=True),
            *tuned("xresnet1d101", "s4_small"),
        ),
        questions=(ptb_xl("super"), ptb_xl("rhythm"), ptb_xl("super-single")),
        label_fractions=(105, 52, 170, 1.0),
        draws=3,
        reference="ecg_nat",
        minutes_per_job=10.0,
    )


def ecg_nat_ablations() -> Suite:
    """What each part of ECG-NAT is worth, with 105 labels."""
    return Suite(
        name="ecg-nat-ablations",
        sentence=ecg_nat_ablations.__doc__ or "",
        methods=(
            _ECG_NAT,
            _ECG_NAT.but(name="one_corpus", is_pretrained_on_all=False),
            _ECG_NAT.but(name="ecg_nat_cross_entropy", recipe="ecg_nat_cross_entropy"),
            *tuned(
                "ecg_nat_scratch",
                "ecg_nat_full_attention",
                "ecg_nat_convolution",
                "ecg_nat_kernels_7",
                "ecg_nat_kernels_31",
                "ecg_nat_single_scale",
            ),
        ),
        questions=(ptb_xl("super"),),
        label_fractions=(105,),
        draws=3,
        reference="ecg_nat",
        minutes_per_job=10.0,
    )
