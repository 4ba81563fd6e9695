import re

import pytest
import torch
from safetensors.torch import save_file

from medts.core.errors import ReadError
from medts.models.melp_weights import PUBLISHED_CHANNELS, load_published
from medts.tensors.batch import Batch, StreamBatch

DIM, CONV, HIDDEN, DEPTH, SHARED, BEATS = 128, 16, 64, 2, 8, 14


def published(*, weight_norm="weight_g weight_v"):
    """A state dict with the names and, but for being smaller, the shapes of the published one."""
    torch.manual_seed(0)
    g, v = weight_norm.split()
    linear = {"weight": (DIM, DIM), "bias": (DIM,)}
    norm = {"weight": (DIM,), "bias": (DIM,)}
    shapes = {
        **{f"feature_extractor.conv_layers.{i}.0.weight": (CONV, CONV if i else 12, 2)
           for i in range(4)},
        "feature_extractor.conv_layers.0.2.weight": (CONV,),
        "feature_extractor.conv_layers.0.2.bias": (CONV,),
        "layer_norm.weight": (CONV,), "layer_norm.bias": (CONV,),
        "post_extract_proj.weight": (DIM, CONV), "post_extract_proj.bias": (DIM,),
        "conv_pos.pos_conv.0.bias": (DIM,),
        f"conv_pos.pos_conv.0.{g}": (1, 1, 128), f"conv_pos.pos_conv.0.{v}": (DIM, DIM // 16, 128),
        "encoder.layer_norm.weight": (DIM,), "encoder.layer_norm.bias": (DIM,),
        "mask_emb": (DIM,), "quantizer.vars": (1, 640, 128), "project_q.weight": (CONV, CONV),
        "final_proj.weight": (CONV, DIM),
    }  # fmt: skip
    for i in range(DEPTH):
        layer = f"encoder.layers.{i}"
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            shapes |= {f"{layer}.self_attn.{part}.{k}": s for k, s in linear.items()}
        for part in ("self_attn_layer_norm", "final_layer_norm"):
            shapes |= {f"{layer}.{part}.{k}": s for k, s in norm.items()}
        shapes |= {
            f"{layer}.fc1.weight": (HIDDEN, DIM), f"{layer}.fc1.bias": (HIDDEN,),
            f"{layer}.fc2.weight": (DIM, HIDDEN), f"{layer}.fc2.bias": (DIM,),
        }  # fmt: skip
    shapes = {f"ecg_encoder.{name}": shape for name, shape in shapes.items()}
    for pool, width, n in (("contrast", SHARED, BEATS), ("caption", DIM, 6)):
        attention = torch.nn.MultiheadAttention(width, 8, kdim=DIM, vdim=DIM)
        state = attention.state_dict()
        shapes |= {f"attn_pool_{pool}.attn.{k}": tuple(t.shape) for k, t in state.items()}
        shapes |= {
            f"attn_pool_{pool}.query": (n, width),
            f"attn_pool_{pool}.ln_q.weight": (width,), f"attn_pool_{pool}.ln_q.bias": (width,),
            f"attn_pool_{pool}.ln_k.weight": (DIM,), f"attn_pool_{pool}.ln_k.bias": (DIM,),
            f"ln_{pool}.weight": (width,), f"ln_{pool}.bias": (width,),
        }  # fmt: skip
    shapes |= {"proj_contrast": (SHARED, SHARED), "logit_scale": ()}
    return {name: 0.1 * torch.randn(shape) for name, shape in shapes.items()}


@pytest.mark.parametrize(
    "weight_norm", ["weight_g weight_v", "parametrizations.weight.original0 "
                    "parametrizations.weight.original1"],
)  # fmt: skip
@pytest.mark.parametrize("ending", ["safetensors", "ckpt"])
def test_published_weights_are_read_under_either_spelling_and_format(tmp_path, weight_norm, ending):
    given, path = published(weight_norm=weight_norm), tmp_path / f"melp.{ending}"
    if ending == "safetensors":
        save_file(given, path)
    else:
        torch.save({"state_dict": {f"ecg_encoder.{k}": v for k, v in given.items()}}, path)
    melp = load_published(path)
    assert melp.config.n_beats == BEATS
    assert melp.config.channels == PUBLISHED_CHANNELS
    assert (melp.config.tower.dim, melp.config.tower.depth) == (DIM, DEPTH)
    own = melp.state_dict()
    prefix = "ecg_encoder.encoder.layers.1"
    joined = torch.cat([given[f"{prefix}.self_attn.{p}_proj.weight"] for p in "qkv"])
    assert torch.equal(own["tower.transformer.1.inward.weight"], joined)
    assert torch.equal(own["tower.transformer.1.mlp.2.bias"], given[f"{prefix}.fc2.bias"])
    assert torch.equal(own["tower.norm.bias"], given["ecg_encoder.encoder.layer_norm.bias"])
    assert torch.equal(own["tower.token_norm.bias"], given["ecg_encoder.layer_norm.bias"])
    assert torch.equal(own["beat_projection.weight"], given["proj_contrast"].T)
    n_own = sum(value.numel() for value in own.values())
    unused = re.compile("quantizer|project_q|final_proj|mask_emb|logit_scale")
    assert n_own == sum(v.numel() for k, v in given.items() if not unused.search(k))


def test_the_read_encoder_computes_what_the_published_one_would(tmp_path):
    given = published()
    save_file(given, tmp_path / "melp.safetensors")
    melp = load_published(tmp_path / "melp.safetensors")
    signal = torch.randn(2, 12, 320)
    is_recorded = torch.ones(2, 12, 320).bool()
    stream = StreamBatch(signal, is_recorded, PUBLISHED_CHANNELS, 500.0, "ecg")
    with torch.no_grad():
        encoded = melp(Batch({"ecg": stream}, ("a", "b"), ("a", "b"), (None, None)))
        ecg = {k.removeprefix("ecg_encoder."): v for k, v in given.items()}
        tokens = reference_tower(ecg, signal)
        torch.testing.assert_close(
            encoded.intermediates["ecg"].tokens, tokens, atol=1e-4, rtol=1e-3
        )
        pool = torch.nn.MultiheadAttention(SHARED, 8, kdim=DIM, vdim=DIM, batch_first=True)
        pool.load_state_dict(
            {
                k.removeprefix("attn_pool_contrast.attn."): v
                for k, v in given.items()
                if k.startswith("attn_pool_contrast.attn.")
            }
        )
        known = norm(tokens, given, "attn_pool_contrast.ln_k")
        asked = norm(given["attn_pool_contrast.query"], given, "attn_pool_contrast.ln_q")
        pooled = norm(pool(asked.expand(2, -1, -1), known, known)[0], given, "ln_contrast")
    torch.testing.assert_close(encoded.pooled, pooled.mean(dim=1), atol=1e-4, rtol=1e-3)
    beats = pooled @ given["proj_contrast"]
    torch.testing.assert_close(encoded.tokens, beats, atol=1e-4, rtol=1e-3)


def norm(x, given, name):
    bias = given[f"{name}.bias"]
    return torch.nn.functional.layer_norm(x, bias.shape, given[f"{name}.weight"], bias)


def reference_tower(given, signal):
    """wav2vec 2.0 as fairseq-signals computes it, written out with torch's functions."""
    f = torch.nn.functional
    hidden = signal
    for i in range(4):
        hidden = f.conv1d(hidden, given[f"feature_extractor.conv_layers.{i}.0.weight"], stride=2)
        if i == 0:
            name = "feature_extractor.conv_layers.0.2"
            hidden = f.group_norm(hidden, CONV, given[f"{name}.weight"], given[f"{name}.bias"])
        hidden = f.gelu(hidden)
    hidden = norm(hidden.transpose(1, 2), given, "layer_norm")
    hidden = f.linear(hidden, given["post_extract_proj.weight"], given["post_extract_proj.bias"])
    g, v = given["conv_pos.pos_conv.0.weight_g"], given["conv_pos.pos_conv.0.weight_v"]
    weight = v * (g / v.norm(dim=(0, 1), keepdim=True))
    bias = given["conv_pos.pos_conv.0.bias"]
    place = f.conv1d(hidden.transpose(1, 2), weight, bias, padding=64, groups=16)[..., :-1]
    hidden = norm(hidden + f.gelu(place).transpose(1, 2), given, "encoder.layer_norm")
    for i in range(DEPTH):
        name = f"encoder.layers.{i}"

        def part(x, which, name=name):
            return f.linear(x, given[f"{name}.{which}.weight"], given[f"{name}.{which}.bias"])

        q, k, v = (
            part(hidden, f"self_attn.{p}_proj").unflatten(-1, (DIM // 64, 64)).transpose(1, 2)
            for p in "qkv"
        )
        mixed = (q @ k.transpose(2, 3) / 8).softmax(dim=-1) @ v
        update = part(mixed.transpose(1, 2).flatten(2), "self_attn.out_proj")
        hidden = norm(hidden + update, given, f"{name}.self_attn_layer_norm")
        update = part(f.gelu(part(hidden, "fc1")), "fc2")
        hidden = norm(hidden + update, given, f"{name}.final_layer_norm")
    return hidden


def test_files_that_hold_something_else_are_refused(tmp_path):
    with pytest.raises(ReadError, match="file is missing"):
        load_published(tmp_path / "nowhere.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"12")
    with pytest.raises(ReadError, match="damaged"):
        load_published(tmp_path / "broken.safetensors")
    save_file({"other.weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(ReadError, match="no published MELP encoder"):
        load_published(tmp_path / "other.safetensors")
    given = published()
    del given["ecg_encoder.encoder.layers.0.fc1.bias"]
    save_file(given, tmp_path / "less.safetensors")
    with pytest.raises(ReadError, match=r"transformer.0.mlp.0.bias"):
        load_published(tmp_path / "less.safetensors")
    given = published() | {"surprise.weight": torch.zeros(2)}
    save_file(given, tmp_path / "more.safetensors")
    with pytest.raises(ReadError, match="surprise"):
        load_published(tmp_path / "more.safetensors")
