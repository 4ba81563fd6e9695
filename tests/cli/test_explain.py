import json

import numpy as np
import pytest
import torch

from medts.cli.main import main
from medts.core.labels import LabelSet, OperatingPoint
from medts.core.montage import STANDARD_12_LEADS
from medts.core.records import Record, Stream
from medts.formats import npy
from medts.inference.bundle import Bundle
from medts.inference.manifest import Labels, ModelConfig, Provenance
from medts.models.settings.heads import HeadConfig
from medts.recipes import find_recipe


@pytest.fixture
def bundle(tmp_path):
    torch.manual_seed(0)
    recipe = find_recipe("sparseformer_test")
    label_set = LabelSet(name="made-up/set", classes=("A", "B"), kind="multi")
    point = OperatingPoint(threshold=0.5, rule="half", split="validation: 8")
    head = HeadConfig(hidden=0, normalise=False)
    made = Bundle(
        ModelConfig(encoder=recipe.encoder, head=head, windowing=recipe.windowing),
        preprocessing=recipe.preprocessing,
        labels=Labels(label_set=label_set, operating_points={"A": point, "B": point}),
        provenance=Provenance(recipe="made-up"),
    )
    return made.save(tmp_path / "bundle")


@pytest.fixture
def file(tmp_path):
    signal = np.random.default_rng(0).standard_normal((12, 800)).astype(np.float32)
    stream = Stream(signal, STANDARD_12_LEADS, 100.0, "ecg", "mV")
    path = tmp_path / "record.npz"
    npy.write(Record("r1", {"ecg": stream}), path)
    return path


def test_a_recording_is_explained_from_the_command_line(bundle, file, tmp_path, capsys):
    out = tmp_path / "why"
    asked = ["explain", str(bundle), str(file), "--out", str(out), "--steps", "2", "--random", "1"]
    assert main([*asked, "--label", "B"]) == 0
    printed = capsys.readouterr().out
    for word in ("B, probability", "attention", "gradient", "random", "explanation.html"):
        assert word in printed
    content = json.loads((out / "explanation.json").read_text())
    assert content["label"] == "B"
    assert set(content["channels"]["ecg"]) == set(STANDARD_12_LEADS)
    assert main([*asked, "--label", "Z"]) == 2
    assert "class of made-up/set" in capsys.readouterr().err
