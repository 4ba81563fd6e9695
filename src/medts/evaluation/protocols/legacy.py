"""Published evaluation protocols, mistakes included."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from medts.core.config import Config
from medts.evaluation.protocols.base import Bundle, Found, Protocol, Task


class LegacyConfig(Config):
    """Which published protocol is repeated."""

    style: Literal["merl", "helme"] = "merl"
    """``merl``: softmax, and columns by position where tables are given. ``helme``: crops."""

    tables: Path | None = None
    """Folder of one task of the MERL or MELP tables, such as ``ptb-xl-splits/sub_class``."""

    n_resamples: int = Field(default=100, ge=10)
    """Resamples of the ``helme`` interval."""

    @model_validator(mode="after")
    def _tables_belong_to_merl(self) -> "LegacyConfig":
        if self.style == "helme" and self.tables is not None:
            raise ValueError("tables are of the style merl; helme builds its own labels")
        return self


class Legacy(Protocol):
    """Published evaluation protocols (MERL, Helme), mistakes included, beside the right way.

    So that a published number can be repeated, and what its mistakes amount to can be seen. Nothing
    else in the package uses this module. Each mistake has a name in `QUIRKS`, which goes into the
    notes of the result.

    * ``merl``: MERL (Liu et al., ICML 2024) and MELP (Wang et al., ICML 2025, arXiv 2506.21803)
      train on one label table and test on another, take label columns by their position, put a
      softmax over classes that do not exclude each other, and leave a class without positives in
      the macro at 0.
    * ``helme``: the PTB-XL benchmark (Strodthoff et al., IEEE JBHI 2021, arXiv:2004.13701) cuts
      crops of 2.5 s, half overlapping, and takes the largest probability over a record; its
      interval comes from 100 resamples of records, 90 % wide, and rejects resamples that miss a
      class.

    The published splits end in fold 10. Here the train table's folds 1-7 train, its fold 8 chooses,
    and the validation table is the test.
    """

    name = "legacy"
    Config = LegacyConfig

    def measure(self, bundle: Bundle, task: Task, config: LegacyConfig, *, seed: int) -> Found:
        """Measures a model the published way; ``metrics`` hold the right way, conditions both."""
        from medts.evaluation import legacy

        return legacy.run(bundle, task, config, seed=seed)
