"""What every encoder of the registry promises: the suite that other packages call as well."""

import pytest

from medts.models.settings.base import EncoderSettings
from medts.testing import contracts_of

ENCODERS = EncoderSettings.registry()

EXPORTED = "transformer"
"""Whose export is tried at every run; the others take a minute in sum."""


def cases():
    for kind, settings in ENCODERS.items():
        for name in contracts_of(settings.tiny()):
            is_slow = name == "exports_to_onnx" and kind != EXPORTED
            marks = [pytest.mark.slow] if is_slow else []
            yield pytest.param(kind, name, id=f"{kind}-{name}", marks=marks)


@pytest.mark.parametrize(("kind", "name"), list(cases()))
def test_contract(kind, name):
    settings = ENCODERS[kind].tiny()
    contracts_of(settings)[name](settings)
