"""Evidence: protocols that measure a model on records it has never met, and their reports.

A protocol is a module with a ``…Config`` of settings and a ``run``; see `medts.evaluation.task`.
"""

PROTOCOLS = {
    "calibration": "medts.evaluation.calibration",
    "few_shot": "medts.evaluation.few_shot",
    "fine_tune": "medts.evaluation.fine_tune",
    "label_fraction": "medts.evaluation.label_fraction",
    "linear_probe": "medts.evaluation.linear_probe",
    "retrieval": "medts.evaluation.retrieval",
    "robustness": "medts.evaluation.robustness",
    "subgroups": "medts.evaluation.subgroups",
    "transfer": "medts.evaluation.transfer",
    "zero_shot": "medts.evaluation.zero_shot",
}
"""Module of each protocol, imported only once it is chosen."""
