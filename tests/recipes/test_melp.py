"""MELP from a store to a bundle, to prompts, drafts and drawings."""

import json

import numpy as np
import pytest
import running

from medts.cli.main import main
from medts.core.errors import ConfigError, MedtsError
from medts.data.label_texts import in_words
from medts.evaluation.attention import attended_stream, attention_of
from medts.evaluation.prompting import score_prompts
from medts.evaluation.protocols.zero_shot import ZeroShotConfig
from medts.evaluation.text import embed_records, embed_texts, read_like_prompts, text_side
from medts.evaluation.zero_shot import class_words, embed_classes, likeness
from medts.formats import npy
from medts.inference.bundle import load_bundle
from medts.models.settings.ecg_nat import EcgNatConfig
from medts.models.settings.melp import MelpConfig
from medts.models.settings.sparseformer import SparseformerConfig
from medts.nn.settings import TextConfig
from medts.recipes import find_recipe, recipes
from research.models import start_recipe
from research.tables import find_suite


@pytest.fixture(scope="module")
def run(synthetic_store, text_folder, tmp_path_factory):
    """A finished run of the smallest recipe, with a language model of characters."""
    recipe = find_recipe("melp_test")
    assert isinstance(recipe.encoder, MelpConfig)
    text = TextConfig(name=str(text_folder), max_tokens=48)
    encoder = recipe.encoder.but(text=text, n_frozen_text_layers=1)
    out = tmp_path_factory.mktemp("runs") / "melp"
    running.run(
        recipe.but(encoder=encoder, training=recipe.training.but(epochs=1)),
        synthetic_store,
        train_folds=[str(fold) for fold in range(1, 8)],
        val_folds=["8"],
        out=out,
    )
    return out


@pytest.fixture(scope="module")
def model(run):
    return load_bundle(run)


@pytest.fixture(scope="module")
def file(synthetic_store, tmp_path_factory):
    path = tmp_path_factory.mktemp("records") / "record.npy"
    npy.write(synthetic_store.record(0), path)
    return path


def test_every_level_that_a_table_leaves_out_is_left_out_of_objective_and_encoder():
    weights = {}
    for job in find_suite("melp").jobs():
        start = job.method.start
        if start is not None:
            recipe = start_recipe(job, start)
            objective = recipe.objective
            weights[job.method.name] = (objective.rhythm, objective.beat, objective.token)
            assert (recipe.encoder.decoder_layers > 0) == (objective.token > 0)
            assert objective.shuffles_pairs == (job.method.name == "melp_small_shuffled")
    assert weights["melp_small_rhythm"] == (1.0, 0.0, 0.0)
    assert weights["melp_small_rhythm_beat"] == (1.0, 0.2, 0.0)
    assert weights["melp_small"] == weights["melp_small_shuffled"] == (1.0, 0.2, 2.0)


def test_every_recipe_warms_up_without_which_the_towers_collapse():
    found = [find_recipe(name) for name in recipes()]
    aligned = [each for each in found if each.objective.kind == "report_alignment"]
    assert {each.name for each in aligned} == {"melp", "melp_small", "melp_paper"}
    assert all(each.training.warmup_ratio > 0 for each in aligned)


@pytest.mark.parametrize("tower", [EcgNatConfig(size="nano"), SparseformerConfig(prior_dim=0)])
def test_another_encoder_can_be_the_ecg_tower(tower):
    recipe = find_recipe("melp_small").but(encoder__tower=tower)
    assert recipe.encoder.but(text=None, decoder_layers=0, n_caption_queries=0).build().dim > 0


def test_the_paper_keeps_to_the_published_settings():
    recipe = find_recipe("melp_paper")
    tower, objective = recipe.encoder.tower, recipe.objective
    assert (tower.dim, tower.depth, tower.n_heads, tower.hidden) == (768, 8, 12, 3072)
    assert (tower.n_convs, tower.conv_dim, tower.conv_gradient) == (4, 256, 0.1)
    assert (tower.position_kernel, tower.position_groups) == (128, 16)
    encoder = recipe.encoder
    assert (encoder.n_beats, encoder.n_caption_queries, encoder.shared_dim) == (10, 128, 256)
    assert (encoder.decoder_layers, encoder.decoder_heads, encoder.decoder_dim) == (6, 8, 768)
    assert (encoder.n_frozen_text_layers, encoder.text.max_tokens) == (6, 128)
    assert (objective.rhythm, objective.token, objective.beat) == (1.0, 2.0, 0.2)
    assert (objective.beat_temperature, objective.sentence_temperature) == (0.25, 0.2)
    assert objective.lead_hiding == 0.5
    training = recipe.training
    assert (training.learning_rate, training.weight_decay) == (2e-4, 0.2)
    assert (training.betas, training.batch_size, training.precision) == ((0.9, 0.95), 64, "bf16")
    assert recipe.preprocessing.streams["ecg"].sampling_rate == 500.0


def test_a_bundle_keeps_both_towers_but_no_frozen_weight(run, model):
    weights = model.state_dict()
    assert "encoder.report.language_model.digest" in weights
    assert not any("embeddings" in name for name in weights)
    assert text_side(model) is model.encoder
    config = json.loads((run / "bundle" / "manifest.json").read_text())["model"]
    assert config["encoder"]["text"]["name"]


def test_a_bundle_says_what_became_of_the_reports(model, synthetic_store):
    account = model.provenance.settings["reports"]
    n_records = len(synthetic_store.select([str(fold) for fold in range(1, 8)]))
    assert account["n_records"] == n_records
    assert sum(account["languages"].values()) + sum(account["excluded"].values()) == n_records
    assert 0 < account["n_distinct"] <= n_records


def test_a_bundle_does_not_load_with_another_language_model(run, tmp_path):
    import shutil

    from medts.nn.language_model import random_language_model

    other = random_language_model("bert", layers=2, dim=32, heads=2, vocabulary_size=120, seed=5)
    other.model.save_pretrained(tmp_path / "bert")
    other.tokenizer.save_pretrained(tmp_path / "bert")
    folder = tmp_path / "bundle"
    shutil.copytree(run / "bundle", folder)
    content = json.loads((folder / "manifest.json").read_text())
    content["model"]["encoder"]["text"]["name"] = str(tmp_path / "bert")
    (folder / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(ConfigError) as caught:
        load_bundle(folder)
    assert caught.value.field == "language_model"


def test_the_command_line_prints_the_score_that_python_and_the_protocol_give(
    run, model, file, synthetic_store, capsys
):
    label_set = in_words(synthetic_store, "synthetic/rhythm")
    settings = ZeroShotConfig()
    words = class_words(label_set, settings)
    read = {name: read_like_prompts(model, phrases) for name, phrases in words.items()}
    classes = embed_classes(model.encoder, read, settings)
    expected = likeness(embed_records(model, synthetic_store, [0]), classes)[0]
    python = score_prompts(model, synthetic_store.record(0), words)
    np.testing.assert_allclose([each.score for each in python], expected, atol=1e-6)

    name, phrases = next(iter(words.items()))
    asked = ["zero-shot", str(run), str(file), "--json", "--prompts", phrases[0], "normal ecg"]
    assert main(asked) == 0
    printed = json.loads(capsys.readouterr().out)["prompts"]
    alone = score_prompts(
        model, synthetic_store.record(0), {p: (p,) for p in (phrases[0], "normal ecg")}
    )
    assert [each["prompt"] for each in printed] == [phrases[0], "normal ecg"]
    assert [each["score"] for each in printed] == pytest.approx([s.score for s in alone], abs=1e-6)
    assert main([*asked[:3], "--prompts", name]) == 0
    assert "no probabilities" in capsys.readouterr().out


def test_prompts_come_from_files_a_thousand_at_a_time(run, file, tmp_path, capsys):
    path = tmp_path / "prompts.json"
    path.write_text(json.dumps({f"class {i}": f"finding number {i}" for i in range(1000)}))
    asked = ["zero-shot", str(run), str(file), "--prompt-file", str(path), "--templates", "{}"]
    asked.append("--json")
    assert main(asked) == 0
    assert len(json.loads(capsys.readouterr().out)["prompts"]) == 1000
    assert main([*asked, "--top", "3"]) == 0
    best = json.loads(capsys.readouterr().out)["prompts"]
    assert len(best) == 3
    assert best[0]["score"] >= best[2]["score"]


def test_prompts_that_are_absent_empty_or_repeated(run, file, capsys):
    asked = ["zero-shot", str(run), str(file)]
    assert main(asked) == 2
    assert "no prompt given" in capsys.readouterr().err
    assert main([*asked, "--prompts", "af", "  "]) == 2
    assert "prompt '' is empty" in capsys.readouterr().err
    assert main([*asked, "--json", "--prompts", "af", "mi", "af"]) == 0
    said = capsys.readouterr()
    assert "given more than once: 'af'" in said.err
    assert [each["prompt"] for each in json.loads(said.out)["prompts"]] == ["af", "mi"]


def test_a_model_without_a_text_side_cannot_be_prompted(tiny_run, file, synthetic_store):
    plain = load_bundle(tiny_run)
    assert text_side(plain) is None
    with pytest.raises(MedtsError, match="no text tower"):
        score_prompts(plain, synthetic_store.record(0), {"af": ("af",)})
    with pytest.raises(ConfigError, match="does not relate sentences"):
        attention_of(plain, synthetic_store.record(0), ["af"])


def test_a_draft_is_marked_as_one_and_drawn(run, model, file, synthetic_store, tmp_path, capsys):
    page = tmp_path / "draft.html"
    assert main(["draft", str(run), str(file), "--max-tokens", "6"]) == 0
    assert "DRAFT by a model, not a report" in capsys.readouterr().out
    asked = ["draft", str(run), str(file), "--json", "--report", "af. old mi.", "--drawing"]
    assert main([*asked, str(page)]) == 0
    assert json.loads(capsys.readouterr().out)["text"] == "af. old mi."
    html = page.read_text()
    assert "old mi." in html
    assert "<svg" in html
    assert 'src="http' not in html
    record = synthetic_store.record(0)
    share = attention_of(model, record, ["af.", "old mi."])
    np.testing.assert_allclose(share.sum(axis=1), 1.0, atol=1e-5)
    assert attended_stream(model, record).modality == "ecg"


def test_a_given_text_is_not_a_draft(run, file, capsys):
    assert main(["draft", str(run), str(file), "--report", "old mi."]) == 2
    assert "only drawn" in capsys.readouterr().err


def test_a_model_without_a_decoder_does_not_draft(tiny_run, file, capsys):
    assert main(["draft", str(tiny_run), str(file)]) == 2
    assert "has no decoder to write with" in capsys.readouterr().err


def test_texts_find_records_and_records_texts_in_one_space(model, synthetic_store):
    texts = embed_texts(model.encoder, ["af", "normal ecg"])
    np.testing.assert_allclose(np.linalg.norm(texts, axis=1), 1.0, atol=1e-6)
    assert embed_records(model, synthetic_store, [0, 1]).shape == (2, texts.shape[1])
