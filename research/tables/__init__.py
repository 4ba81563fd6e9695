"""Tables: the suites of the papers, by name.

Every public function of these modules that returns a `Suite` is one.
"""

import inspect
from collections.abc import Callable

from medts.core.errors import unknown_name
from research.suites import Suite
from research.tables import crossl, ecg, medualtime, melp, sparseformer

SUITES: dict[str, Callable[[], Suite]] = {
    name.replace("_", "-"): make
    for module in (crossl, ecg, medualtime, melp, sparseformer)
    for name, make in inspect.getmembers(module, inspect.isfunction)
    if make.__annotations__ == {"return": Suite} and not name.startswith("_")
}
"""What makes each suite, by its name."""


def find_suite(name: str) -> Suite:
    """Returns a suite by name.

    Raises:
        UnknownNameError: If there is none; the nearest is suggested.
    """
    if name not in SUITES:
        raise unknown_name("suite", name, SUITES)
    make = SUITES[name]
    return make().but(name=name, sentence=make.__doc__ or "")
