"""Tables of MELP: what reports teach, asked by words, by probes, and on other corpora.

Everything is pretrained on PTB-XL with its reports, once for every seed; labels choose nothing.
Asking for classes of PTB-XL itself is report-supervised, not zero-shot; the other corpora are.
"""

from typing import Any

from research.suites import Method, Question, Suite, Taught
from research.tables.ecg import FOLDS_1_TO_7, ptb_xl

_LEARNS_FROM = ptb_xl("super")


def _pretrained(pretraining: str, **changes: Any) -> Method:
    fields = {
        "name": pretraining,
        "kind": "evaluate",
        "pretraining": pretraining,
        "pretraining_minutes": 40.0,
        "is_pretrained_per_seed": True,
        "learns_from": _LEARNS_FROM,
        "protocol": "zero_shot",
    }
    return Method.model_validate(fields | changes)


def _asked(**changes: Any) -> tuple[Method, ...]:
    """Returns the rows that are asked by the words for classes."""
    return (
        _pretrained("melp_small", **changes),
        _pretrained("melp_small_shuffled", is_control=True, **changes),
        _pretrained(
            "melp_small", name="random_encoder", is_untrained=True, is_control=True, **changes
        ),
        _pretrained("melp_small_rhythm", **changes),
        _pretrained("melp_small_rhythm_beat", **changes),
        _pretrained("melp_small_whole_reports", **changes),
        _pretrained("melp_small_as_written", **changes),
        _pretrained("melp_small", name="melp_small_stage_1", report_lm="report_lm", **changes),
    )


def melp() -> Suite:
    """MELP asked for the classes of PTB-XL by words, beside controls and fewer levels."""
    return Suite(
        name="melp",
        sentence=melp.__doc__ or "",
        methods=_asked(settings={"min_test": 5}),
        questions=tuple(ptb_xl(name) for name in ("super", "rhythm", "form", "sub")),
        label_fractions=(0,),
        seeds=3,
        reference="melp_small_shuffled",
        beside="macro_auprc",
    )


def _elsewhere(corpus: str, label_set: str) -> Question:
    return Question(
        corpus=corpus,
        label_set=f"{corpus}/{label_set}",
        train_folds=(),
        val_folds=(),
        test_folds=("train", "validation", "test"),
    )


def melp_zero_shot() -> Suite:
    """MELP on corpora whose labels and recordings it never met, asked by words."""
    rows = _asked(settings={"min_test": 5})
    return Suite(
        name="melp-zero-shot",
        sentence=melp_zero_shot.__doc__ or "",
        methods=rows[:3],
        questions=(
            _elsewhere("ludb", "rhythm"),
            _elsewhere("cinc-2017", "rhythm"),
            _elsewhere("cinc-2017", "scored-rhythm"),
            _elsewhere("mit-bih", "rhythm"),
        ),
        label_fractions=(0,),
        seeds=3,
        reference="melp_small_shuffled",
        beside="macro_auprc",
    )


def melp_probe() -> Suite:
    """MELP's ECG side under a linear probe, against the same tower from scratch."""
    return Suite(
        name="melp-probe",
        sentence=melp_probe.__doc__ or "",
        methods=(
            _pretrained("melp_small", kind="probe", protocol=""),
            _pretrained("melp_small_shuffled", kind="probe", protocol="", is_control=True),
            Method(name="melp_small_scratch", kind="finetune", recipe="melp_small_finetuning"),
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
        name="melp-retrieval",
        sentence=melp_retrieval.__doc__ or "",
        methods=tuple(row.but(protocol="retrieval", settings={}) for row in _asked()[:3]),
        questions=(ptb_xl("all"),),
        label_fractions=(0,),
        seeds=3,
        reference="melp_small_shuffled",
        metric="report_recall@1",
        beside="record_recall@1",
    )


def melp_drafts() -> Suite:
    """How near MELP's drafted reports are to the written ones, beside exchanged drafts."""
    rows = _asked()
    return melp_retrieval().but(
        name="melp-drafts",
        sentence=melp_drafts.__doc__ or "",
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
    ours = _pretrained(
        "melp_small", recipe="melp_small_finetuning", taught=taught, protocol="transfer"
    )
    return Suite(
        name="melp-transfer",
        sentence=melp_transfer.__doc__ or "",
        methods=(ours, scratch, scratch.but(name="xresnet1d", recipe="xresnet1d")),
        questions=(_elsewhere("ludb", "rhythm"),),
        seeds=3,
        reference="melp_small_scratch",
    )
