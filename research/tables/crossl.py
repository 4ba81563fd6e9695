"""Tables of CroSSL: a few labels, missing sensors, and what is hidden in pretraining.

A watch and scalp regions are cross-validated over people, each tested once and never met in
pretraining; lead groups keep to the folds of PTB-XL. Every table has its own recipes, because
streams differ.
"""

from typing import Any

from research.recipes import find_recipe
from research.suites import Method, Start, Suite
from research.tables.ecg import variant
from research.tables.questions import over_people, ptb_xl

_QUESTIONS = {
    "wisdm": over_people("wisdm", "activity", 10, 5),
    "eegmat": over_people("eegmat", "task", 8, 4),
    "ptb_xl": ptb_xl("super"),
}


_LATENTS: dict[str, Any] = {"encoder.features": "encoder"}
_LSTM_STRIDES = {"wisdm": 1, "eegmat": 4, "ptb_xl": 4}


def _start(streams: str, **overrides: Any) -> Start:
    recipe = f"crossl_{streams}_pretraining"
    return Start(recipe=recipe, overrides={"training.max_minutes": 8.0} | overrides)


def _deep_conv_lstm(streams: str) -> Method:
    inputs = find_recipe(f"crossl_{streams}").encoder.model_dump(mode="json")["streams"]
    encoder = {"kind": "deep_conv_lstm", "streams": inputs, "stride": _LSTM_STRIDES[streams]}
    head = {"hidden": 0, "dropout": 0.5}
    return variant("deep_conv_lstm", f"crossl_{streams}", encoder=encoder, head=head)


def _table(streams: str) -> Suite:
    recipe = f"crossl_{streams}"
    ours = Method(name=recipe, recipe=recipe, start=_start(streams))
    scratch = ours.but(name="scratch", start=None, protocol="missing_modalities")
    dropout = {"encoder.modality_dropout": 0.5}
    cross_modal = {"kind": "cross_modal"}
    return Suite(
        methods=(
            ours.but(protocol="missing_modalities"),
            scratch,
            ours.but(name="crossl_probed", kind="probe"),
            ours.but(name="crossl_mlp_probed", kind="probe", settings={"solver": "mlp"}),
            Method(name="random_encoder", kind="probe", recipe=recipe, is_control=True),
            scratch.but(name="modality_dropout", overrides=dropout),
            *(
                ours.but(name=f"{recipe}_{kind}", start=_start(streams, objective={"kind": kind}))
                for kind in ("vicreg", "simclr")
            ),
            *(
                ours.but(
                    name=f"{recipe}_{form}",
                    overrides=_LATENTS,
                    start=_start(streams, objective=cross_modal | {"form": form}, **_LATENTS),
                )
                for form in ("cmc", "cocoa")
            ),
            _deep_conv_lstm(streams),
        ),
        questions=(_QUESTIONS[streams],),
        label_fractions=(0.1, 0.01, 0.05, 1.0),
        draws=3,
        reference=recipe,
    )


def crossl_wisdm() -> Suite:
    """CroSSL on a watch's two sensors, ten people, with 1, 5, 10 and 100 % of the labels."""
    return _table("wisdm")


def crossl_eegmat() -> Suite:
    """CroSSL on five scalp regions and ECG, eight people, with 1, 5, 10 and 100 % of the labels."""
    return _table("eegmat")


def crossl_ptb_xl() -> Suite:
    """CroSSL on four lead groups of PTB-XL, with 1, 5, 10 and 100 % of the labels."""
    return _table("ptb_xl")


def _hiding(streams: str) -> Suite:
    recipe = f"crossl_{streams}"
    return Suite(
        methods=tuple(
            Method(
                name=f"{strategy}_{hide_ratio:g}",
                kind="probe",
                recipe=recipe,
                start=_start(
                    streams,
                    **{
                        "objective.strategy": strategy,
                        "objective.hide_ratio": hide_ratio,
                        "training.max_minutes": 4.0,
                    },
                ),
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
    return _hiding("wisdm")


def crossl_ptb_xl_hiding() -> Suite:
    """What to hide and how much of it, on four lead groups of PTB-XL."""
    return _hiding("ptb_xl")
