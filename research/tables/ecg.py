"""Tables of ECG: the baselines, and ECG-NAT with few labels."""

from typing import Any

from research.suites import Method, Start, Suite
from research.tables.questions import ptb_xl


def tuned(*recipes: str) -> tuple[Method, ...]:
    """Returns a row for each recipe, trained from scratch."""
    return tuple(Method(name=name, recipe=name) for name in recipes)


def variant(name: str, recipe: str, **overrides: Any) -> Method:
    """Returns a row of a recipe with other settings; ``__`` stands for the dot of a path."""
    paths = {path.replace("__", "."): value for path, value in overrides.items()}
    return Method(name=name, recipe=recipe, overrides=paths)


NAT_START = Start(
    recipe="ecg_nat_pretraining", is_on_all=True, overrides={"training.max_minutes": 90.0}
)
MELP_START = Start(recipe="melp_small", is_per_seed=True, overrides={"training.max_minutes": 40.0})
_SYSTEM = Method(name="", keeps_rate=True, overrides={"training.max_minutes": 10.0})
SYSTEMS = {
    "ecg_nat": _SYSTEM.but(recipe="ecg_nat", start=NAT_START),
    "sparseformer_small": _SYSTEM.but(recipe="sparseformer_small"),
    "crossl": _SYSTEM.but(
        recipe="crossl_ptb_xl",
        start=Start(recipe="crossl_ptb_xl_pretraining", overrides={"training.max_minutes": 8.0}),
    ),
    "melp_small": _SYSTEM.but(recipe="melp_small_finetuning", start=MELP_START),
    "medualtime_small_redacted": _SYSTEM.but(
        recipe="medualtime_small",
        overrides=_SYSTEM.overrides | {"preprocessing.reports.is_redacted": True},
    ),
}
SYSTEMS = {name: method.but(name=name) for name, method in SYSTEMS.items()}
"""Untuned, on what they were pretrained on in their own tables."""


_TRANSFORMER = variant(
    "transformer_small",
    "xresnet1d",
    encoder={"kind": "transformer", "dim": 128, "depth": 4, "hidden": 256},
    training={"epochs": 24, "batch_size": 64, "learning_rate": 1e-3},
    tuning_trials=1,
)
_S4 = variant(
    "s4",
    "xresnet1d",
    encoder={"kind": "s4"},
    head={"hidden": 0, "dropout": 0.0, "normalise": False},
    windowing__stride_s=2.5,
    training={
        "epochs": 100,
        "batch_size": 128,
        "learning_rate": 1e-3,
        "weight_decay": 1e-3,
        "schedule": "constant",
        "warmup_ratio": 0.0,
        "gradient_clip": 0.0,
    },
    tuning_trials=0,
)
"""Size, linear head and training of the authors' code, which validates on crops side by side."""


def ecg_small() -> Suite:
    """The baselines and the five systems on PTB-XL, with a tenth and all of the labels."""
    return Suite(
        methods=(
            *tuned("xresnet1d"),
            Method(name="features", kind="features"),
            Method(name="minirocket", kind="minirocket"),
            Method(name="random_encoder", kind="probe", recipe="xresnet1d", is_control=True),
            Method(
                name="label_shuffle",
                recipe="xresnet1d",
                shuffle_labels=True,
                is_control=True,
            ),
            *tuned("dlinear", "s4_small"),
            _TRANSFORMER,
            *tuned("patchtst_small"),
            *(
                Method(name=name, recipe="xresnet1d", start=start)
                for name, start in (
                    ("simclr", Start(recipe="simclr")),
                    ("vicreg", Start(recipe="simclr", overrides={"objective": {"kind": "vicreg"}})),
                    ("cmsc", Start(recipe="cmsc")),
                )
            ),
            *tuned("xresnet1d101"),
            _S4,
            *SYSTEMS.values(),
        ),
        questions=(ptb_xl("super"),),
        label_fractions=(1.0, 0.1),
        draws=2,
        seeds=3,
        rate_factors=(1.0, 0.3, 3.0, 0.1),
        reference="xresnet1d",
        minutes_per_job=5.0,
    )


_ECG_NAT = Method(name="ecg_nat", recipe="ecg_nat", start=NAT_START)
_CROSS_ENTROPY: dict[str, Any] = {"objective": {"kind": "classification"}}
_SCRATCH: dict[str, Any] = {
    "starts_from_probe": False,
    "training__learning_rate": 1e-3,
    "training__layer_decay": 1.0,
    "tuning_trials": 0,
}


def _scratch(name: str, **overrides: Any) -> Method:
    return variant(name, "ecg_nat", **_SCRATCH, **overrides)


def ecg_nat() -> Suite:
    """ECG-NAT with few labels: pretrained or not, one loss or two, against a convolutional net."""
    return Suite(
        methods=(
            _ECG_NAT,
            _ECG_NAT.but(name="ecg_nat_cross_entropy", overrides=_CROSS_ENTROPY),
            _ECG_NAT.but(name="ecg_nat_probed", kind="probe"),
            _scratch("ecg_nat_scratch"),
            _scratch("ecg_nat_scratch_cross_entropy", **_CROSS_ENTROPY),
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
        methods=(
            _ECG_NAT,
            _ECG_NAT.but(name="one_corpus", start=NAT_START.but(is_on_all=False)),
            _ECG_NAT.but(name="ecg_nat_cross_entropy", overrides=_CROSS_ENTROPY),
            _scratch("ecg_nat_scratch"),
            _scratch("ecg_nat_full_attention", encoder__attention="full"),
            _scratch("ecg_nat_convolution", encoder__attention="conv"),
            _scratch("ecg_nat_kernels_7", encoder__kernel_sizes=(7, 7, 7, 7)),
            _scratch("ecg_nat_kernels_31", encoder__kernel_sizes=(31, 31, 31, 31)),
            _scratch("ecg_nat_single_scale", encoder__is_single_scale=True),
        ),
        questions=(ptb_xl("super"),),
        label_fractions=(105,),
        draws=3,
        reference="ecg_nat",
        minutes_per_job=10.0,
    )
