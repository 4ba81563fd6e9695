"""Loads the pretrained encoder weights that MELP's authors published, from a local file.

They hold the ECG side alone, made of fairseq-signals' wav2vec 2.0 and of CoCa's poolers, so the
encoder can be probed and fine-tuned but reads no text. Sizes are taken from the shapes. Parts
that MELP carries along unused (the quantiser, the wav2vec heads, the mask) are left out by name;
anything else that is missing or left over is an error, so no weight is lost in silence.

Files are safetensors, or torch's own format, of which only tensors are read.
"""

import pickle
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from medts.core.errors import ReadError
from medts.core.montage import STANDARD_12_LEADS
from medts.models.melp import Melp
from medts.models.settings.melp import MelpConfig
from medts.models.settings.melp_tower import MelpTowerConfig

PUBLISHED_CHANNELS = (*STANDARD_12_LEADS[:4], "aVF", "aVL", *STANDARD_12_LEADS[6:])
"""Order of leads in MIMIC-IV-ECG and hence in the published weights: aVF before aVL."""

_KEYS = [
    (r"feature_extractor\.conv_layers\.(\d+)\.0\.weight", r"tower.convs.\1.weight"),
    (r"feature_extractor\.conv_layers\.0\.2\.(weight|bias)", r"tower.conv_norm.\1"),
    (r"post_extract_proj\.(weight|bias)", r"tower.projection.\1"),
    (r"pos_conv\.0\.bias", r"tower.positions.conv.bias"),
    (
        r"pos_conv\.0\.(?:weight_g|parametrizations\.weight\.original0)",
        r"tower.positions.conv.parametrizations.weight.original0",
    ),
    (
        r"pos_conv\.0\.(?:weight_v|parametrizations\.weight\.original1)",
        r"tower.positions.conv.parametrizations.weight.original1",
    ),
    (r"encoder\.layer_norm\.(weight|bias)", r"tower.norm.\1"),
    (r"layers\.(\d+)\.self_attn\.out_proj\.(weight|bias)", r"tower.transformer.\1.out.\2"),
    (
        r"layers\.(\d+)\.self_attn\.([qkv])_proj\.(weight|bias)",
        r"tower.transformer.\1.inward.\3.\2",
    ),
    (
        r"layers\.(\d+)\.self_attn_layer_norm\.(weight|bias)",
        r"tower.transformer.\1.norm_attention.\2",
    ),
    (r"layers\.(\d+)\.final_layer_norm\.(weight|bias)", r"tower.transformer.\1.norm_mlp.\2"),
    (r"layers\.(\d+)\.fc1\.(weight|bias)", r"tower.transformer.\1.mlp.0.\2"),
    (r"layers\.(\d+)\.fc2\.(weight|bias)", r"tower.transformer.\1.mlp.2.\2"),
    (r"attn_pool_contrast\.(.+)", r"beat_pooler.\1"),
    (r"ln_contrast\.(weight|bias)", r"beat_pooler.norm.\1"),
    (r"proj_contrast", r"beat_projection.weight"),
    (r"attn_pool_caption\.(.+)", r"caption_pooler.\1"),
    (r"ln_caption\.(weight|bias)", r"caption_pooler.norm.\1"),
    (r"layer_norm\.(weight|bias)", r"tower.token_norm.\1"),
]
"""Ends of their names and ours; the first that fits counts."""

_POOLER_KEYS = {
    "query": "queries",
    "ln_q": "query_norm",
    "ln_k": "token_norm",
    "attn": "attention",
}
_UNUSED = re.compile(
    r"(^|\.)(quantizer|project_q|final_proj|mask_emb|logit_scale|bn|head|target_glu)(\.|$)"
)


def load_published(path: str | Path) -> Melp:
    """Returns the published encoder of ECGs, in evaluation mode.

    Its leads are those of MIMIC-IV-ECG (`PUBLISHED_CHANNELS`), at 500 Hz and scaled so that the
    whole window runs from 0 to 1.

    Raises:
        ReadError: If the file cannot be read, or does not hold what such an encoder needs.
    """
    path = Path(path)
    weights = rename(read_tensors(path))
    wanted = ("tower.projection.weight", "beat_pooler.queries", "tower.convs.0.weight")
    if absent := [name for name in wanted if name not in weights]:
        raise ReadError(f"no published MELP encoder: it lacks {absent[0]}", path=path)
    melp = Melp(sizes_of(weights))
    own = melp.state_dict()
    strange = sorted(own.keys() ^ weights.keys())
    strange += [k for k in own if k in weights and own[k].shape != weights[k].shape]
    if strange:
        raise ReadError(
            f"weights do not fit the encoder: {', '.join(strange[:3])}",
            path=path,
            remedy="Give the ECG encoder that the authors of MELP published",
        )
    melp.load_state_dict({name: value.float() for name, value in weights.items()})
    return melp.eval()


def rename(published: dict[str, Tensor]) -> dict[str, Tensor]:
    """Gives published weights our names, and joins queries, keys and values of the layers."""
    found: dict[str, Tensor] = {}
    for name, value in published.items():
        if _UNUSED.search(name):
            continue
        found[_our_name(name)] = value.T.contiguous() if name.endswith("proj_contrast") else value
    for name in [key for key in found if re.search(r"inward\.(weight|bias)\.q$", key)]:
        joined = name.removesuffix(".q")
        parts = [found.pop(f"{joined}.{each}", None) for each in "qkv"]
        found[joined] = torch.cat([part for part in parts if part is not None])
    return found


def _our_name(name: str) -> str:
    for pattern, ours in _KEYS:
        fit = re.search(rf"(?:^|\.){pattern}$", name)
        if fit:
            made = fit.expand(ours)
            owner, _, rest = made.partition(".")
            part, dot, end = rest.partition(".")
            if owner.endswith("_pooler") and part in _POOLER_KEYS:
                return f"{owner}.{_POOLER_KEYS[part]}{dot}{end}"
            return made
    return name


def sizes_of(weights: dict[str, Tensor]) -> MelpConfig:
    """Reads the sizes of an encoder off the shapes of its weights, under our names."""
    dim, conv_dim = weights["tower.projection.weight"].shape
    depth = len({name.split(".")[2] for name in weights if name.startswith("tower.transformer.")})
    hidden = weights.get("tower.transformer.0.mlp.0.weight", torch.zeros(3072, 1))
    n_beats, shared = weights["beat_pooler.queries"].shape
    n_captions, caption_dim = weights.get("caption_pooler.queries", torch.zeros(0, 768)).shape
    return MelpConfig(
        tower=MelpTowerConfig(
            channels=PUBLISHED_CHANNELS,
            n_convs=sum(name.startswith("tower.convs.") for name in weights),
            conv_dim=conv_dim,
            dim=dim,
            depth=depth,
            n_heads=dim // 64,  # of every size of fairseq-signals
            hidden=len(hidden),
        ),
        text=None,
        shared_dim=shared,
        n_beats=n_beats,
        n_caption_queries=n_captions,
        caption_dim=caption_dim,
        decoder_layers=0,
    )


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Reads the tensors of a file by name; nothing in it is executed.

    Raises:
        ReadError: If it is missing, damaged or holds anything else.
    """
    if not path.is_file():
        raise ReadError("file is missing", path=path, remedy="Download the weights first")
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except SafetensorError as error:
            raise ReadError(f"damaged: {error}", path=path) from error
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ReadError(
            f"cannot be read as tensors alone ({str(error).splitlines()[0]})",
            path=path,
            remedy="Save its state dict as safetensors",
        ) from error
    content = content.get("state_dict", content.get("model", content))
    return {name: value for name, value in content.items() if isinstance(value, Tensor)}
