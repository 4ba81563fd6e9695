"""Protocols as classes: the contract, the registry, and what the runner adds."""

import subprocess
import sys
from dataclasses import replace

import pytest

from medts.core.config import Config
from medts.core.errors import ConfigError, LeakError, UnknownNameError
from medts.evaluation.controls import CONTROLS
from medts.evaluation.protocols.base import Protocol
from medts.evaluation.protocols.linear_probe import LinearProbeConfig
from medts.evaluation.protocols.probed import ENCODER_CONTROLS
from medts.evaluation.result import Condition, Estimate
from medts.evaluation.run import run_protocol
from medts.evaluation.scoring import Found
from medts.inference import stored
from medts.inference.stored import Compute


@pytest.fixture
def counting():
    """A protocol of another package, unregistered afterwards."""

    class CountingConfig(Config):
        """Settings."""

        by: int = 1
        """Multiple."""

    class Counting(Protocol):
        """Number of test records."""

        name = "counting"
        Config = CountingConfig

        def measure(self, bundle, task, config, *, seed):
            return Found(
                test=task.test,
                label_set=task.label_set,
                metrics={"n": Estimate(value=config.by * len(task.test))},
                notes=("counted",),
                settings={"chosen": "all"},
            )

    yield Counting
    del Protocol._members["counting"]


@pytest.mark.parametrize("name", sorted(Protocol.listed().found))
def test_every_protocol_keeps_the_contract(name):
    protocol = Protocol.find(name)
    assert protocol.name == name
    assert protocol.__module__ == f"medts.evaluation.protocols.{name}"
    assert issubclass(protocol.Config, Config)
    protocol.Config()
    assert protocol.__doc__.partition("\n")[0].endswith(".")


def test_a_misspelt_protocol_gets_the_nearest_name():
    with pytest.raises(UnknownNameError, match="linear_probe"):
        Protocol.find("linear-probe")
    with pytest.raises(UnknownNameError, match=r"unknown protocol 'fine_tune'.*held_out"):
        Protocol.find("fine_tune")


def test_the_names_of_controls_are_those_that_can_be_computed():
    assert set(ENCODER_CONTROLS) == CONTROLS.keys()


def test_the_list_of_protocols_imports_nothing_heavy():
    heavy = {"torch", "sklearn", "scipy.signal", "scipy.stats", "pyarrow"}
    code = (
        "import sys; from medts.evaluation.protocols.base import Protocol; "
        "assert len(Protocol.listed().found) > 10; "
        f"print(sorted({heavy!r} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_protocol_of_another_package_only_measures_and_the_runner_adds_the_rest(
    counting, model, task
):
    result = run_protocol("counting", model, task, counting.Config(by=2), seed=5)
    assert result.metrics["n"].value == 2 * len(task.test) == 2 * result.n_records
    assert result.settings == {"by": 2, "chosen": "all"}
    assert (result.protocol, result.seed, result.notes) == ("counting", 5, ("counted",))
    assert result.bundle_digest
    assert result.data_digest == task.store.digest(task.test.rows, task.label_set.name)
    assert result.splits.test["folds"] == list(task.test.folds)
    assert result.splits.train["folds"] == list(task.training().folds)


def test_leaks_are_checked_before_a_protocol_measures(counting, model, task, monkeypatch):
    met = replace(task, test=task.training(), train=None)
    monkeypatch.setattr(counting, "measure", lambda *_, **__: pytest.fail("measured"))
    with pytest.raises(LeakError):
        run_protocol("counting", model, met)


def test_the_network_is_computed_as_the_task_says_and_stays_where_it_was(model, task, monkeypatch):
    moved, kinds = [], []
    monkeypatch.setattr(type(model), "to", lambda self, device: moved.append(str(device)) or self)
    monkeypatch.setattr(stored, "resolve_device", lambda name: f"resolved {name}")
    plain = run_protocol("held_out", model, task)
    assert moved == ["cpu"] * 4  # around the protocol, and around the one prediction within
    real = stored.arithmetic
    monkeypatch.setattr(stored, "arithmetic", lambda *asked: kinds.append(asked) or real(*asked))
    compute = Compute(device="gpu", precision="bf16", n_workers=1)
    found = run_protocol("held_out", model, replace(task, compute=compute))
    assert moved[4:] == ["resolved gpu", "resolved gpu", "cpu", "cpu"]
    assert kinds == [("bf16", "cpu")]
    expected = plain.metrics["macro_auroc"].value
    assert found.metrics["macro_auroc"].value == pytest.approx(expected, abs=0.05)


def test_settings_of_another_protocol_are_refused(counting, model, task):
    with pytest.raises(ConfigError, match="LinearProbeConfig are not the settings"):
        run_protocol("counting", model, task, LinearProbeConfig())


def test_two_protocols_of_one_name_are_refused(counting):
    with pytest.raises(ConfigError, match="two protocols are called 'counting'"):
        type("Other", (Protocol,), {"name": "counting", "Config": Config})


def test_a_condition_survives_json():
    condition = Condition(
        name="5 shots, episode 1", metrics={"macro_auroc": Estimate(value=0.5)}, n_records=3,
        shots=5, draw=0, seed=1,
    )  # fmt: skip
    assert Condition.model_validate_json(condition.model_dump_json()) == condition
