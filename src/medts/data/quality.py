"""Signal quality as columns of a store's index."""

from typing import Any

import pyarrow as pa

from medts.signal.quality import Quality

QUALITY_FIELDS = (
    ("is_usable", pa.bool_()),
    ("quality", pa.map_(pa.string(), pa.list_(pa.string()))),
    ("quality_warnings", pa.list_(pa.string())),
)
"""Columns of the index: the verdict; the findings of each channel, ``not_judged`` among them; and
what a reader must know, in words."""


def quality_columns(quality: Quality) -> dict[str, Any]:
    """Returns what the index holds of the quality of one record."""
    findings = {channel: list(found) for channel, found in quality.findings.items()}
    findings |= {channel: ["not_judged"] for channel in quality.not_judged}
    return {
        "is_usable": quality.is_usable,
        "quality": list(findings.items()),
        "quality_warnings": [*quality.warnings(), *quality.words_not_judged()],
    }
