"""Evidence: protocols that measure a model on records it has never met, and their reports.

A protocol is a module with a ``…Config`` of settings and a ``run`` (see `medts.evaluation.task`);
it is imported only once it is chosen.
"""

import importlib
from types import ModuleType

from medts.core.config import Config
from medts.core.errors import unknown_name

PROTOCOLS = {
    "calibration": "medts.evaluation.calibration",
    "coarse_to_fine": "medts.evaluation.coarse_to_fine",
    "cross_validation": "medts.evaluation.cross_validation",
    "drafting": "medts.evaluation.drafting",
    "few_shot": "medts.evaluation.few_shot",
    "fine_tune": "medts.evaluation.fine_tune",
    "label_fraction": "medts.evaluation.label_fraction",
    "legacy": "medts.evaluation.legacy",
    "linear_probe": "medts.evaluation.linear_probe",
    "missing_modalities": "medts.evaluation.missing_modalities",
    "retrieval": "medts.evaluation.retrieval",
    "robustness": "medts.evaluation.robustness",
    "subgroups": "medts.evaluation.subgroups",
    "text_controls": "medts.evaluation.text_controls",
    "transfer": "medts.evaluation.transfer",
    "zero_shot": "medts.evaluation.zero_shot",
}
"""Module of each protocol, by its name."""


def find_protocol(name: str) -> ModuleType:
    """Imports the module of a protocol.

    Raises:
        UnknownNameError: If there is no such protocol.
    """
    if name not in PROTOCOLS:
        raise unknown_name("protocol", name, PROTOCOLS)
    return importlib.import_module(PROTOCOLS[name])


def settings_kind(name: str) -> type[Config]:
    """Returns the class of a protocol's settings.

    Raises:
        UnknownNameError: If there is no such protocol.
    """
    return getattr(find_protocol(name), f"{name.title().replace('_', '')}Config")
