"""Controls of text leakage."""

from typing import Literal

from pydantic import Field

from medts.core.config import Config
from medts.evaluation.protocols.base import Bundle, Found, Protocol, Task

TextControl = Literal["text_only", "signal_only", "empty_text", "shuffled_text", "redacted_text"]


class TextControlsConfig(Config):
    """Which controls are measured."""

    controls: tuple[TextControl, ...] = Field(
        default=("text_only", "signal_only", "empty_text", "shuffled_text", "redacted_text"),
        min_length=1,
    )
    """What is hidden or exchanged, one control after the other."""


class TextControls(Protocol):
    """Text controls (label leakage through reports): text only, signal only, shuffled, redacted.

    A report describes the same recording as the label does, and may simply state it. The same
    model, at the same thresholds, meets the same test records with the signal hidden (`text_only`),
    with the report hidden (`signal_only`) or empty (`empty_text`), with the report of another
    record (`shuffled_text`), and without the sentences that name a class (`redacted_text`). Every
    control is a condition with its paired difference to the full score, and stands among the
    result's controls.

    A change is made to a batch, before the encoder: any model that reads ``Batch.text`` can be
    measured. A model trained on redacted reports is a run of its own: see
    `medts.core.reports.ReportSettings`.
    """

    name = "text_controls"
    Config = TextControlsConfig

    def measure(
        self, bundle: Bundle, task: Task, config: TextControlsConfig, *, seed: int
    ) -> Found:
        """Scores the test records as they are and under every control."""
        from medts.evaluation import text_controls

        return text_controls.run(bundle, task, config, seed=seed)
