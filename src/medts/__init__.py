"""Medical time series: from raw recordings to models that can be trusted.

>>> import medts
>>> record = medts.read("ecg.hea")  # doctest: +SKIP
>>> medts.load("runs/demo/bundle").predict(record).probability  # doctest: +SKIP
{'NORM': 0.93, 'MI': 0.02, ...}
"""

import importlib
from typing import TYPE_CHECKING, Any

from medts.version import __version__

if TYPE_CHECKING:
    from medts.api import evaluate, train
    from medts.classifier import Classifier, Regressor
    from medts.comparing import compare
    from medts.core.records import Record, Stream
    from medts.data.in_memory import RecordsInMemory
    from medts.data.splits import Split, Subsample
    from medts.data.store import Store
    from medts.formats import read
    from medts.inference.predictor import load
    from medts.models.base import Encoder
    from medts.models.settings.base import EncoderSettings
    from medts.objectives.base import Objective
    from medts.objectives.settings.base import ObjectiveSettings
    from medts.recipes import find_recipe as recipe
    from medts.signal.measure import measure
    from medts.signal.quality import judge
    from medts.training.recipe import Recipe

_WHERE = {
    "Classifier": "medts.classifier",
    "Encoder": "medts.models.base",
    "EncoderSettings": "medts.models.settings.base",
    "Objective": "medts.objectives.base",
    "ObjectiveSettings": "medts.objectives.settings.base",
    "Recipe": "medts.training.recipe",
    "Record": "medts.core.records",
    "Regressor": "medts.classifier",
    "RecordsInMemory": "medts.data.in_memory",
    "Split": "medts.data.splits",
    "Store": "medts.data.store",
    "Stream": "medts.core.records",
    "Subsample": "medts.data.splits",
    "compare": "medts.comparing",
    "evaluate": "medts.api",
    "judge": "medts.signal.quality",
    "load": "medts.inference.predictor",
    "measure": "medts.signal.measure",
    "read": "medts.formats",
    "recipe": "medts.recipes",
    "train": "medts.api",
}
_NAMED_THERE = {"recipe": "find_recipe"}

__all__ = [
    "Classifier",
    "Encoder",
    "EncoderSettings",
    "Objective",
    "ObjectiveSettings",
    "Recipe",
    "Record",
    "RecordsInMemory",
    "Regressor",
    "Split",
    "Store",
    "Stream",
    "Subsample",
    "__version__",
    "compare",
    "evaluate",
    "judge",
    "load",
    "measure",
    "read",
    "recipe",
    "train",
]


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used, so that `import medts` stays quick."""
    if name not in _WHERE:
        raise AttributeError(f"module 'medts' has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), _NAMED_THERE.get(name, name))
