import inspect

import pytest

from medts.core.config import Config
from medts.core.errors import UnknownNameError
from medts.evaluation import PROTOCOLS, find_protocol
from medts.evaluation.result import Condition, Measure


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_every_protocol_keeps_the_contract(name):
    module = find_protocol(name)
    assert module.__name__.endswith(f".{name}")
    settings = getattr(module, f"{name.title().replace('_', '')}Config")
    assert issubclass(settings, Config)
    settings()
    parameters = inspect.signature(module.run).parameters
    assert list(parameters) == ["model", "task", "settings", "seed"]
    assert parameters["seed"].kind == inspect.Parameter.KEYWORD_ONLY


def test_a_misspelt_protocol_gets_the_nearest_name():
    with pytest.raises(UnknownNameError, match="linear_probe"):
        find_protocol("linear-probe")


def test_a_condition_survives_json():
    condition = Condition(
        name="5 shots, episode 1", metrics={"macro_auroc": Measure(value=0.5)}, n_records=3,
        shots=5, draw=0, seed=1,
    )  # fmt: skip
    assert Condition.model_validate_json(condition.model_dump_json()) == condition
