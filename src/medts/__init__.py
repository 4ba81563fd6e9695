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
    from medts.core.records import Record, Stream
    from medts.data.store import Store
    from medts.formats import read
    from medts.inference.predictor import load
    from medts.recipes.classifier import Classifier

_WHERE = {
    "Classifier": "medts.recipes.classifier",
    "Record": "medts.core.records",
    "Store": "medts.data.store",
    "Stream": "medts.core.records",
    "load": "medts.inference.predictor",
    "read": "medts.formats",
}

__all__ = ["Classifier", "Record", "Store", "Stream", "__version__", "load", "read"]


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used, so that `import medts` stays quick."""
    if name not in _WHERE:
        raise AttributeError(f"module 'medts' has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)
