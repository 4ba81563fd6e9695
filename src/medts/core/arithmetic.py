"""Mixed precision: fp32 (default), bfloat16 autocast, or fp32 products by oneDNN, thread-safe.

``bf16`` multiplies in bfloat16 where that is safe (autocast). ``fp32-onednn`` keeps every value in
fp32 but hands matrix products to oneDNN, on CPUs only; with AMX these are in bfloat16 as well.
``research/bench/ecg_nat.py`` measures speed and error of either on the machine at hand.

torch's switch for oneDNN is one for the whole process. A block with the switch and a block without
it therefore never run at the same time: whichever thread comes second waits until the other kind
has ended, in the order of coming. Blocks of one kind run side by side. What a thread computes
outside of `arithmetic` cannot be protected.
"""

import itertools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Literal

from medts.core.errors import ConfigError

Precision = Literal["fp32", "bf16", "fp32-onednn"]


@contextmanager
def arithmetic(precision: Precision, device: str = "cpu") -> Iterator[None]:
    """Context of one precision (autocast), as before afterwards; safe in several threads.

    Raises:
        ConfigError: If this torch has no switch for oneDNN.
    """
    import torch

    is_bf16 = precision == "bf16"
    with (
        _ONE_KIND.hold(_switch() if precision == "fp32-onednn" else None),
        torch.autocast(device, torch.bfloat16) if is_bf16 else nullcontext(),
    ):
        yield


def _switch() -> Any:
    """Returns torch's switch for fp32 matrix products by oneDNN."""
    import torch

    matmul = getattr(torch.backends.mkldnn, "matmul", None)
    if matmul is None or not torch.backends.mkldnn.is_available():
        problem = f"torch {torch.__version__} cannot hand fp32 matrix products to oneDNN"
        remedy = "Use fp32 or bf16, or torch 2.9 or newer on x86"
        raise ConfigError(problem, field="precision", remedy=remedy)
    return matmul


class _OneKind:
    """Lets blocks of one kind run together, and makes those of the other kind wait.

    A thread counts with its innermost block only: while that runs, what is around it computes
    nothing. So no thread ever holds one kind while it waits for the other, and none can wait for
    ever on account of another one that waits.
    """

    def __init__(self) -> None:
        self._changed, self._tickets = threading.Condition(), itertools.count()
        self._waiting: list[int] = []
        self._n_holders, self._switch, self._before = 0, None, ""
        self._own = threading.local()
        if hasattr(os, "register_at_fork"):  # a forked process has none of the other threads
            os.register_at_fork(after_in_child=self._forget_others)

    @contextmanager
    def hold(self, switch: Any | None) -> Iterator[None]:
        """Computes with a switch turned on, or with none.

        Args:
            switch: torch's, of which there is one; none for a block that needs it off.
        """
        outer: tuple[Any | None] | None = getattr(self._own, "held", None)
        if outer == (switch,):
            yield
            return
        self._leave()
        try:
            self._enter(switch)
            yield
        finally:
            self._leave()
            if outer is not None:
                self._enter(*outer)

    def _enter(self, switch: Any | None) -> None:
        with self._changed:
            ticket = next(self._tickets)
            self._waiting.append(ticket)
            try:
                self._changed.wait_for(
                    lambda: (
                        self._waiting[0] == ticket
                        and (self._n_holders == 0 or self._switch is switch)
                    )
                )
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()
            if self._n_holders == 0 and switch is not None:
                self._before, switch.fp32_precision = switch.fp32_precision, "bf16"
            self._switch, self._own.held = switch, (switch,)
            self._n_holders += 1

    def _leave(self) -> None:
        with self._changed:
            if getattr(self._own, "held", None) is None:
                return
            self._own.held = None
            self._n_holders -= 1
            self._turn_off_unheld()
            self._changed.notify_all()

    def _turn_off_unheld(self) -> None:
        if self._n_holders == 0 and self._switch is not None:
            self._switch.fp32_precision, self._switch = self._before, None

    def _forget_others(self) -> None:
        self._changed, self._waiting = threading.Condition(), []
        self._n_holders = int(getattr(self._own, "held", None) is not None)
        self._turn_off_unheld()


_ONE_KIND = _OneKind()
