"""Texts to vectors: a frozen language model, read once per text.

A label, the description of a corpus and the name of a channel are texts. A frozen language model
makes one unit vector of each: the mean of its last layer over the tokens, normalised. The text is
read once; training then works on the cached vector and never runs the language model.

What the vectors mean for a label set is left to `medts.nn.label_encoder`, loading to
`medts.nn.language_model`.

Axes: n texts, D embedding width.
"""

import hashlib
from collections.abc import Sequence
from functools import cache as remembered
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from medts.core.errors import MedtsError
from medts.core.files import write_whole
from medts.nn.language_model import LanguageModel, load_language_model, random_language_model
from medts.nn.settings import TextConfig

__all__ = [
    "FrozenText",
    "LanguageModel",
    "TextConfig",
    "frozen_text",
    "load_language_model",
    "random_language_model",
]

_N_TEXTS_AT_ONCE = 64


class FrozenText:
    """Texts to unit vectors, each text read once.

    Vectors are kept in memory, and on disk where a folder is given, under the digests of the
    model and of the text. Texts of one length are read together, so that none is padded and a
    vector does not depend on its neighbours.

    Args:
        model: The language model, which stays as it is.
        cache: Folder for the vectors; several processes may share it.
        max_tokens: Tokens that are read of a text; no more than the model can.
    """

    def __init__(
        self, model: LanguageModel, cache: Path | None = None, *, max_tokens: int = 128
    ) -> None:
        self.model = model
        self.dim = model.dim
        self.max_tokens = min(max_tokens, model.max_positions)
        self._folder = None if cache is None else cache / f"{model.digest[:16]}-{self.max_tokens}"
        self._vectors: dict[str, Tensor] = {}
        self._is_cut: dict[str, bool] = {}
        self._used: set[str] = set()
        if self._folder is not None:
            for path in sorted(self._folder.glob("*.safetensors")):
                self._read(path)

    @property
    def n_truncated(self) -> int:
        """How many of the different texts asked for so far were longer than is read."""
        return sum(self._is_cut[key] for key in self._used)

    def n_cut(self, texts: Sequence[str]) -> int:
        """Counts the texts, among those read before, that were longer than is read."""
        return sum(self._is_cut[_digest_of(text)] for text in texts)

    def truncation_note(self) -> str:
        """Says how many texts were cut; empty if none was."""
        if not self.n_truncated:
            return ""
        return (
            f"{self.n_truncated} of {len(self._used)} texts are longer than {self.max_tokens} "
            f"tokens; the rest of each was not read"
        )

    def encode(self, texts: Sequence[str]) -> Float[Tensor, "n D"]:
        """Returns one unit vector per text, on the CPU and without a gradient.

        Raises:
            MedtsError: If a text is empty.
        """
        for row, text in enumerate(texts):
            if not text.strip():
                raise MedtsError(f"text {row} is empty", remedy="Leave it out or describe it")
        keys = [_digest_of(text) for text in texts]
        unread = {
            key: text for key, text in zip(keys, texts, strict=True) if key not in self._vectors
        }
        if unread:
            self._encode_new(unread)
            if self._folder is not None:
                self._write(self._folder, sorted(unread))
        self._used.update(keys)
        if not keys:
            return torch.zeros(0, self.dim)
        return torch.stack([self._vectors[key] for key in keys])

    @torch.no_grad()
    def _encode_new(self, texts: dict[str, str]) -> None:
        tokenizer, model = self.model.tokenizer, self.model.model
        ids = tokenizer(list(texts.values()), truncation=True, max_length=self.max_tokens)
        whole = tokenizer(list(texts.values()), verbose=False)
        of_length: dict[int, list[tuple[str, list[int]]]] = {}
        for key, cut, full in zip(texts, ids["input_ids"], whole["input_ids"], strict=True):
            self._is_cut[key] = len(full) > len(cut)
            of_length.setdefault(len(cut), []).append((key, cut))
        was_training = model.training
        model.eval()
        for group in of_length.values():
            for start in range(0, len(group), _N_TEXTS_AT_ONCE):
                part = group[start : start + _N_TEXTS_AT_ONCE]
                tokens = torch.tensor([cut for _, cut in part], device=model.device)
                states = model(input_ids=tokens).last_hidden_state
                vectors = F.normalize(states.mean(dim=1).float(), dim=-1).cpu()
                self._vectors.update(zip((key for key, _ in part), vectors, strict=True))
        model.train(was_training)

    def _read(self, path: Path) -> None:
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="pt") as file:
                keys = list((file.metadata() or {}).get("texts", "").split())
                vectors, is_cut = file.get_tensor("vectors"), file.get_tensor("is_cut")
        except SafetensorError as error:
            raise MedtsError(
                f"not a file of text vectors ({error})", path=path, remedy="Delete it"
            ) from None
        self._vectors.update(zip(keys, vectors, strict=True))
        self._is_cut.update(zip(keys, is_cut.tolist(), strict=True))

    def _write(self, folder: Path, keys: list[str]) -> None:
        """Adds one file for the new texts; a file that is there is never changed."""
        from safetensors.torch import save_file

        tensors = {
            "vectors": torch.stack([self._vectors[key] for key in keys]),
            "is_cut": torch.tensor([self._is_cut[key] for key in keys]),
        }
        name = _digest_of(" ".join(keys))[:16]
        with write_whole(folder / f"{name}.safetensors") as target:
            save_file(tensors, target, metadata={"texts": " ".join(keys)})


def frozen_text(config: TextConfig, cache: Path | None = None) -> FrozenText:
    """Loads a frozen language model once per process; later calls share it and its vectors."""
    return _frozen_text(config.name, config.max_tokens, cache)


@remembered
def _frozen_text(name: str, max_tokens: int, cache: Path | None) -> FrozenText:
    return FrozenText(load_language_model(name), cache, max_tokens=max_tokens)


def _digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
