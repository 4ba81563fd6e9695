"""LRU cache of what a frozen language model makes of each text.

What is computed, and for whom, is left to `medts.nn.frozen_lm` and `medts.nn.report_tower`.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from threading import Lock

from torch import Tensor

from medts.core.errors import MedtsError

# Of the module: models are copied and pickled with their cache, which a lock cannot be.
_LOCK = Lock()


class TextCache:
    """LRU cache, limited in bytes, of what a frozen computation makes of each text.

    Args:
        limit_mib: Memory for what is kept; what was used longest ago goes first.
    """

    def __init__(self, limit_mib: float) -> None:
        self.n_computed = 0
        self._room = int(limit_mib * 2**20)
        self._kept: OrderedDict[str, Tensor] = OrderedDict()

    def get(
        self, texts: Sequence[str], compute: Callable[[list[str]], Iterable[Tensor]]
    ) -> list[Tensor]:
        """Returns a tensor per text; ``compute`` gets those texts that are not kept, each once."""
        refuse_empty(texts)
        keys = [digest_of(text) for text in texts]
        with _LOCK:
            found = {key: self._kept[key] for key in keys if key in self._kept}
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        if missing:
            found |= zip(missing, compute(list(missing.values())), strict=True)
        with _LOCK:
            self.n_computed += len(missing)
            for key, each in found.items():
                self._keep(key, each)
        return [found[key] for key in keys]

    def apply(self, fn: Callable[[Tensor], Tensor]) -> None:
        """Moves or converts what is kept, as `torch.nn.Module` does with its buffers."""
        for key, each in self._kept.items():
            self._kept[key] = fn(each)
            self._room += each.nbytes - self._kept[key].nbytes

    def _keep(self, key: str, found: Tensor) -> None:
        if key in self._kept:
            self._kept.move_to_end(key)
            return
        while self._kept and found.nbytes > self._room:
            self._room += self._kept.popitem(last=False)[1].nbytes
        if found.nbytes <= self._room:
            self._kept[key] = found
            self._room -= found.nbytes


def refuse_empty(texts: Sequence[str]) -> None:
    """Raises `MedtsError` at a text without a character."""
    for row, text in enumerate(texts):
        if not text.strip():
            raise MedtsError(
                f"text {row} is empty", field="text", remedy="Leave it out or describe it"
            )


def digest_of(text: str) -> str:
    """Returns the SHA-256 of a text, in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()
