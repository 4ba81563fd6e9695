"""Tables of MELP: what reports teach: zero-shot, under probes, and on other corpora.

Everything is pretrained on PTB-XL with its reports, once for every seed; labels choose nothing.
Classes of PTB-XL itself are report-supervised, not zero-shot; those of other corpora are.
"""

from typing import Any

from research.suites import Method, Suite, Taught
from research.tables.ecg import MELP_START
from research.tables.questions import FOLDS_1_TO_7, elsewhere, ptb_xl

_ONE_LEVEL = {
    "objective.token": 0.0,
    "encoder.decoder_layers": 0,  # without the token level there is no decoder to keep
    "encoder.n_caption_queries": 0,
}
_START = MELP_START.but(folds_of=ptb_xl("super"))
_ZERO_SHOT = Method(name="melp_small", kind="evaluate", protocol="zero_shot", start=_START)


def _pretrained(name: str, overrides: dict[str, Any], **changes: Any) -> Method:
    start = _START.but(overrides=_START.overrides | overrides)
    return _ZERO_SHOT.but(name=f"melp_small_{name}", start=start, **changes)


def _prompted(**changes: Any) -> tuple[Method, ...]:
    """Returns the rows that are prompted with the words for classes."""
    rows = (
        _ZERO_SHOT,
        _pretrained("shuffled", {"objective.shuffles_pairs": True}, is_control=True),
        _ZERO_SHOT.but(name="random_encoder", start=None, recipe="melp_small", is_control=True),
        _pretrained("rhythm", _ONE_LEVEL | {"objective.beat": 0.0}),
        _pretrained("rhythm_beat", _ONE_LEVEL),
        _pretrained("whole_reports", {"objective.sentence_hiding": 0.0}),
        _pretrained("as_written", {"preprocessing.reports.translate": False}),
        _ZERO_SHOT.but(name="melp_small_stage_1", start=_START.but(report_lm="report_lm")),
    )
    return tuple(row.but(**changes) for row in rows)


def melp() -> Suite:
    """MELP prompted with the names of PTB-XL's classes, beside controls and fewer levels."""
    return Suite(
        methods=_prompted(settings={"min_test": 5}),
        questions=tuple(ptb_xl(name) for name in ("super", "rhythm", "form", "sub")),
        label_fractions=(0,),
        seeds=3,
        reference="melp_small_shuffled",
        beside="macro_auprc",
    )


def melp_zero_shot() -> Suite:
    """MELP on corpora whose labels and recordings it never met, zero-shot."""
    rows = _prompted(settings={"min_test": 5})
    return Suite(
        methods=rows[:3],
        questions=(
            elsewhere("ludb", "rhythm"),
            elsewhere("cinc-2017", "rhythm"),
            elsewhere("cinc-2017", "scored-rhythm"),
            elsewhere("mit-bih", "rhythm"),
        ),
        label_fractions=(0,),
        seeds=3,
        reference="melp_small_shuffled",
        beside="macro_auprc",
    )


def melp_probe() -> Suite:
    """MELP's ECG side under a linear probe, against the same tower from scratch."""
    return Suite(
        methods=(
            *(row.but(kind="probe", protocol="") for row in _prompted()[:2]),
            Method(name="melp_small_scratch", recipe="melp_small_finetuning"),
            Method(
                name="random_encoder", kind="probe", recipe="melp_small_finetuning", is_control=True
            ),
        ),
        questions=(ptb_xl("super"),),
        label_fractions=(52, 262, 1.0),
        draws=3,
        reference="melp_small_scratch",
    )


def melp_retrieval() -> Suite:
    """Which report belongs to a recording, and which recording to a report."""
    return Suite(
        methods=tuple(row.but(protocol="retrieval", settings={}) for row in _prompted()[:3]),
        questions=(ptb_xl("all"),),
        label_fractions=(0,),
        seeds=3,
        reference="melp_small_shuffled",
        metric="report_recall@1",
        beside="record_recall@1",
    )


def melp_drafts() -> Suite:
    """How near MELP's drafted reports are to the written ones, beside exchanged drafts."""
    rows = _prompted()
    return melp_retrieval().but(
        methods=tuple(row.but(protocol="drafting", settings={}) for row in (rows[0], rows[1])),
        metric="finding_f1",
        beside="rouge_l",
    )


def melp_transfer() -> Suite:
    """Rhythms learnt on PTB-XL, carried over to LUDB by name."""
    taught = Taught(label_sets=("ptb-xl/rhythm",), train_folds=FOLDS_1_TO_7, val_folds=("8",))
    scratch = Method(
        name="melp_small_scratch",
        kind="evaluate",
        recipe="melp_small_finetuning",
        taught=taught,
        protocol="transfer",
    )
    ours = scratch.but(name="melp_small", start=_START)
    return Suite(
        methods=(ours, scratch, scratch.but(name="xresnet1d", recipe="xresnet1d")),
        questions=(elsewhere("ludb", "rhythm"),),
        seeds=3,
        reference="melp_small_scratch",
    )
