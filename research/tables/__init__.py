"""Tables: the suites that come with the package, by name."""

from collections.abc import Callable

from medts.core.errors import unknown_name
from research.suites import Suite
from research.tables.crossl import (
    crossl_eegmat,
    crossl_ptb_xl,
    crossl_ptb_xl_hiding,
    crossl_wisdm,
    crossl_wisdm_hiding,
)
from research.tables.ecg import ecg_nat, ecg_nat_ablations, ecg_small, smoke
from research.tables.medualtime import (
    medualtime,
    medualtime_grades,
    medualtime_subclasses,
)
from research.tables.melp import (
    melp,
    melp_drafts,
    melp_probe,
    melp_retrieval,
    melp_transfer,
    melp_zero_shot,
)
from research.tables.sparseformer import (
    sparseformer_ablations,
    sparseformer_ablations_eegmat,
    sparseformer_beats,
    sparseformer_cinc,
    sparseformer_ecg_to_eeg,
    sparseformer_eeg_to_ecg,
    sparseformer_eegmat,
    sparseformer_few_beats,
    sparseformer_few_cinc,
    sparseformer_few_wisdm,
    sparseformer_left_out,
    sparseformer_ptb_xl,
    sparseformer_wisdm,
    sparseformer_zero_shot,
)

SUITES: dict[str, Callable[[], Suite]] = {
    "crossl-eegmat": crossl_eegmat,
    "crossl-ptb-xl": crossl_ptb_xl,
    "crossl-ptb-xl-hiding": crossl_ptb_xl_hiding,
    "crossl-wisdm": crossl_wisdm,
    "crossl-wisdm-hiding": crossl_wisdm_hiding,
    "ecg-nat": ecg_nat,
    "ecg-nat-ablations": ecg_nat_ablations,
    "ecg-small": ecg_small,
    "medualtime": medualtime,
    "medualtime-grades": medualtime_grades,
    "medualtime-subclasses": medualtime_subclasses,
    "melp": melp,
    "melp-drafts": melp_drafts,
    "melp-probe": melp_probe,
    "melp-retrieval": melp_retrieval,
    "melp-transfer": melp_transfer,
    "melp-zero-shot": melp_zero_shot,
    "smoke": smoke,
    "sparseformer-ablations": sparseformer_ablations,
    "sparseformer-ablations-eegmat": sparseformer_ablations_eegmat,
    "sparseformer-beats": sparseformer_beats,
    "sparseformer-cinc": sparseformer_cinc,
    "sparseformer-ecg-to-eeg": sparseformer_ecg_to_eeg,
    "sparseformer-eeg-to-ecg": sparseformer_eeg_to_ecg,
    "sparseformer-eegmat": sparseformer_eegmat,
    "sparseformer-few-beats": sparseformer_few_beats,
    "sparseformer-few-cinc": sparseformer_few_cinc,
    "sparseformer-few-wisdm": sparseformer_few_wisdm,
    "sparseformer-left-out": sparseformer_left_out,
    "sparseformer-ptb-xl": sparseformer_ptb_xl,
    "sparseformer-wisdm": sparseformer_wisdm,
    "sparseformer-zero-shot": sparseformer_zero_shot,
}
"""What makes each suite, by its name."""


def find_suite(name: str) -> Suite:
    """Returns a suite by name.

    Raises:
        UnknownNameError: If there is none; the nearest is suggested.
    """
    if name not in SUITES:
        raise unknown_name("suite", name, SUITES)
    return SUITES[name]()
