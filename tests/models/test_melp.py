import pytest
import torch
from pydantic import ValidationError

from medts.core.errors import ConfigError, MedtsError
from medts.core.montage import STANDARD_12_LEADS
from medts.models.melp import Melp, mean_by_sentence
from medts.models.melp_tower import MelpTower, NormOverTime
from medts.models.settings.ecg_nat import EcgNatConfig
from medts.models.settings.melp import MelpConfig
from medts.models.settings.melp_tower import MelpTowerConfig
from medts.models.settings.sparseformer import SparseformerConfig
from medts.nn.report_decoder import ReportDecoder
from medts.nn.settings import TextConfig
from medts.tensors.batch import Batch, StreamBatch

SMALL_TOWER = MelpTowerConfig(
    n_convs=3, conv_dim=8, dim=16, depth=1, n_heads=2, hidden=32, position_kernel=8,
    position_groups=4, dropout=0.0,
)  # fmt: skip


def make_batch(n=2, n_samples=400, seed=0, **changes):
    signal = torch.randn(n, 12, n_samples, generator=torch.Generator().manual_seed(seed))
    stream = StreamBatch(
        **{
            "signal": signal,
            "is_recorded": torch.ones(n, 12, n_samples, dtype=torch.bool),
            "channels": STANDARD_12_LEADS,
            "sampling_rate": 100.0,
            "modality": "ecg",
            **changes,
        }
    )
    ids = tuple(str(index) for index in range(n))
    return Batch({"ecg": stream}, ids, ids, (None,) * n)


def small(text_folder, **changes):
    settings = {
        "tower": SMALL_TOWER,
        "text": TextConfig(name=str(text_folder), max_tokens=48),
        "n_frozen_text_layers": 1,
        "shared_dim": 16,
        "n_beats": 4,
        "n_pooler_heads": 2,
        "n_caption_queries": 6,
        "caption_dim": 8,
        "decoder_layers": 1,
        "decoder_dim": 8,
        "decoder_heads": 2,
    }
    torch.manual_seed(0)
    return Melp(MelpConfig(**{**settings, **changes})).eval()


def n_millions(module):
    return sum(parameter.numel() for parameter in module.parameters()) / 1e6


def published(n_beats):
    with torch.device("meta"):
        return Melp(MelpConfig(text=None, decoder_layers=0, n_beats=n_beats))


def test_the_encoder_has_the_published_number_of_parameters():
    # The published file also holds wav2vec's unused parts: mask, quantiser, two projections, scale.
    quantiser = 256 * 640 + 640 + 640 * 128
    unused = 768 + quantiser + (256 * 256 + 256) + (768 * 256 + 256) + 1
    assert n_millions(published(14)) + unused / 1e6 == pytest.approx(65.6, abs=0.05)
    assert n_millions(published(14)) == pytest.approx(65.084, abs=1e-3)


def test_the_whole_model_has_the_published_number_of_parameters():
    from transformers import BertConfig, BertLMHeadModel

    with torch.device("meta"):
        decoder = ReportDecoder(
            text_dim=768, memory_dim=768, dim=768, n_layers=6, n_heads=8, vocabulary_size=30523
        )
        language = BertLMHeadModel(BertConfig(vocab_size=30523, is_decoder=True))
        shared = torch.nn.ModuleList([torch.nn.Linear(768, 256) for _ in range(2)])
        shared.append(torch.nn.Linear(256, 256))
    parts = (published(12), decoder, language, shared)
    assert sum(map(n_millions, parts)) + 0.51 == pytest.approx(284, abs=0.5)
    assert n_millions(decoder) == pytest.approx(108.51, abs=0.01)


@pytest.mark.slow
def test_shapes_of_the_published_sizes():
    torch.manual_seed(0)
    melp = Melp(MelpConfig(text=None, decoder_layers=0, n_beats=10)).eval()
    with torch.no_grad():
        encoded = melp(make_batch(1, 5000))
        assert encoded.intermediates["ecg"].tokens.shape == (1, 312, 768)
        assert melp.gather_captions(encoded).shape == (1, 128, 768)
    assert encoded.tokens.shape == (1, 10, 256)
    assert encoded.pooled.shape == (1, 256)


def test_five_thousand_samples_make_312_tokens():
    with torch.no_grad():
        tower = MelpTower(SMALL_TOWER.but(n_convs=4)).eval()
        assert tower(make_batch(1, 5000)).tokens.shape == (1, 312, 16)


def test_the_gradient_into_the_convolutions_is_a_tenth_of_the_unscaled_one():
    gradients = []
    for factor in (1.0, 0.1):
        torch.manual_seed(0)
        tower = MelpTower(SMALL_TOWER.but(conv_gradient=factor)).eval()
        tower(make_batch()).pooled.sum().backward()
        gradients.append(([c.weight.grad for c in tower.convs], tower.projection.weight.grad))
    for full, scaled in zip(gradients[0][0], gradients[1][0], strict=True):
        torch.testing.assert_close(scaled, 0.1 * full)
    torch.testing.assert_close(gradients[0][1], gradients[1][1])


def test_the_norm_over_time_is_group_norm_and_ignores_padding():
    norm = NormOverTime(8)
    torch.nn.init.uniform_(norm.weight)
    torch.nn.init.uniform_(norm.bias)
    hidden = torch.randn(2, 8, 20)
    expected = torch.nn.functional.group_norm(hidden, 8, norm.weight, norm.bias)
    torch.testing.assert_close(norm(hidden, None), expected)
    padded = torch.nn.functional.pad(hidden, (0, 5), value=3.0)
    found = norm(padded, torch.tensor([20, 20]))[..., :20]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_amplitude_survives_only_where_it_is_kept():
    for is_kept in (True, False):
        torch.manual_seed(0)
        tower = MelpTower(SMALL_TOWER.but(is_amplitude_kept=is_kept)).eval()
        batch = make_batch()
        louder = make_batch(signal=3.0 * batch.streams["ecg"].signal)
        with torch.no_grad():
            is_same = torch.allclose(tower(batch).tokens, tower(louder).tokens, atol=1e-3)
        assert is_same is not is_kept


def test_computing_activations_again_gives_the_same_gradients():
    gradients = []
    for is_checkpointed in (False, True):
        torch.manual_seed(0)
        tower = MelpTower(SMALL_TOWER.but(is_checkpointed=is_checkpointed))
        tower(make_batch()).pooled.square().sum().backward()
        gradients.append([p.grad for p in tower.parameters()])
    for kept, again in zip(*gradients, strict=True):
        torch.testing.assert_close(kept, again)


def test_order_of_leads_in_the_file_changes_nothing():
    torch.manual_seed(0)
    tower, batch = MelpTower(SMALL_TOWER).eval(), make_batch()
    order = [0, 1, 2, 3, 5, 4, *range(6, 12)]  # MIMIC-IV-ECG has aVF before aVL
    mimic = make_batch(
        signal=batch.streams["ecg"].signal[:, order],
        channels=tuple(STANDARD_12_LEADS[i] for i in order),
    )
    with torch.no_grad():
        assert torch.equal(tower(batch).tokens, tower(mimic).tokens)


def test_a_flat_record_is_embedded_finitely():
    torch.manual_seed(0)
    tower = MelpTower(SMALL_TOWER).eval()
    assert torch.isfinite(tower(make_batch(signal=torch.zeros(2, 12, 400))).pooled).all()


def test_a_window_shorter_than_a_token_is_refused():
    with pytest.raises(MedtsError, match="shorter than the 8 samples of one token"):
        MelpTower(SMALL_TOWER)(make_batch(n_samples=7))


@pytest.mark.parametrize(
    "tower",
    [
        SMALL_TOWER,
        EcgNatConfig(size="nano", drop_path=0.0),
        SparseformerConfig(prior_dim=0, dim=16, n_heads=2, patch_lengths=(25, 50)),
    ],
    ids=lambda tower: tower.kind,
)
def test_any_tower_with_tokens_meets_texts_in_one_space(text_folder, tower):
    melp = small(text_folder, tower=tower)
    texts = ["atrial fibrillation", "normal ecg. no q waves"]
    with torch.no_grad():
        records, words = melp.embed_batch(make_batch()), melp.embed_text(texts)
    for each in (records, words):
        assert each.shape == (2, 16)
        torch.testing.assert_close(each.norm(dim=1), torch.ones(2))
    assert not torch.allclose(words[0], words[1], atol=1e-3)
    assert len(melp.draft(make_batch(), max_tokens=3)) == 2


def test_a_text_is_embedded_alike_alone_and_among_a_thousand(text_folder):
    melp = small(text_folder)
    texts = [f"finding number {index}" for index in range(1000)]
    with torch.no_grad():
        together = melp.embed_text([*texts, texts[3]])
        torch.testing.assert_close(together[[3]], melp.embed_text(texts[3:4]), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(together[3], together[-1], atol=1e-5, rtol=1e-4)
        assert melp.embed_text([]).shape == (0, 16)


def test_sentences_are_means_of_their_own_tokens(text_folder):
    melp = small(text_folder)
    with torch.no_grad():
        reports = melp.read(["af. old mi.", "normal"])
        assert reports.is_sentence.tolist() == [[True, True], [True, False]]
        assert melp.sentence_projection is not None
        first = reports.states[0, 1:4].mean(dim=0)  # the three characters of "af."
        torch.testing.assert_close(reports.sentences[0, 0], melp.sentence_projection(first))
    assert not reports.sentences[1, 1].any()


def test_tokens_of_no_sentence_count_for_none():
    states = torch.arange(8.0).reshape(1, 4, 2)
    mean, is_sentence = mean_by_sentence(states, torch.tensor([[-1, 0, 0, -1]]))
    assert mean.tolist() == [[[3.0, 4.0]]]
    assert is_sentence.tolist() == [[True]]


def test_a_draft_is_deterministic_ends_and_holds_no_marks(text_folder):
    melp = small(text_folder)
    first = melp.draft(make_batch(), max_tokens=6)
    assert first == melp.draft(make_batch(), max_tokens=6)
    assert not any("[" in text and "]" in text for text in first)
    assert melp.draft(make_batch(1), max_tokens=6) == first[:1]


def test_relevance_shares_out_the_tokens_of_each_sentence(text_folder):
    melp = small(text_folder)
    shares = melp.relevance(make_batch(), ["af", "normal ecg"])
    assert shares.shape == (2, 2, 50)
    torch.testing.assert_close(shares.sum(dim=2), torch.ones(2, 2))
    tower = SparseformerConfig(prior_dim=0, dim=16, n_heads=2, patch_lengths=(25, 50))
    with pytest.raises(ConfigError, match="do not follow time"):
        small(text_folder, tower=tower).relevance(make_batch(), ["af"])


def test_frozen_layers_are_no_weights_of_the_model(text_folder):
    melp = small(text_folder)
    names = [name for name in melp.state_dict() if name.startswith("report.")]
    assert any(name.startswith("report.layers.0.") for name in names)
    assert not any("embeddings" in name or name.startswith("report.layers.1.") for name in names)
    again = small(text_folder)
    torch.nn.init.zeros_(again.beat_projection.weight)
    again.load_state_dict(melp.state_dict())
    with torch.no_grad():
        assert torch.equal(again.embed_text(["af"]), melp.embed_text(["af"]))


def test_an_encoder_without_a_text_side_says_so():
    melp = small("nowhere", text=None, decoder_layers=0)
    assert not melp.reads_texts
    for ask in (lambda: melp.embed_text(["af"]), lambda: melp.draft(make_batch())):
        with pytest.raises(ConfigError, match="reads no texts"):
            ask()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"text": None}, "a decoder needs a text model"),
        ({"n_caption_queries": 0}, "a decoder needs n_caption_queries"),
        ({"is_text_causal": False}, "leaks the next word to the decoder"),
        ({"shared_dim": 100}, "shared_dim 100 is no multiple of 8 heads"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes, said):
    with pytest.raises(ValidationError, match=said):
        MelpConfig(**changes)
