"""Settings of report preprocessing, applied in `medts.data.reports`.

They are part of a model's preprocessing and travel with its weights.
"""

from collections.abc import Sequence

from pydantic import Field

from medts.core.config import Config
from medts.core.labels import LabelSet


class ReportSettings(Config):
    """Cleaning, translation, de-identification and redaction of the reports of a corpus."""

    translate: bool = True
    """Whether German and Swedish phrases of the lexicon are put into English."""

    hides_persons: bool = True
    """Whether names, dates and identifying numbers are masked; they are counted anyway."""

    min_words: int = Field(default=1, ge=1)
    """Fewest words of a report that is kept; MELP and MERL keep MIMIC-IV-ECG's from 4 on."""

    max_words: int = Field(default=1000, ge=1)
    """Most words of a report that are read; a longer one is cut and counted."""

    keep_unknown: bool = True
    """Whether reports in a language that is not recognised are kept, as they are."""

    is_redacted: bool = False
    """Whether sentences that name a class of what is learnt are removed, denied or not: what is
    then read in a report was not simply stated there."""

    hidden_classes_of: tuple[LabelSet, ...] = ()
    """The label sets whose classes are not to be named; filled in where a model is trained."""

    stands_in: str = ""
    """Constant text in place of every report, or of none: a control, which has all of a model that
    reads reports but their content. Empty leaves reports as they are."""

    def hiding(self, label_sets: Sequence[LabelSet]) -> "ReportSettings":
        """Returns the settings for a model that learns some label sets, besides those known."""
        if not self.is_redacted:
            return self
        names = {each.name for each in label_sets}
        kept = [each for each in self.hidden_classes_of if each.name not in names]
        return self.but(hidden_classes_of=(*kept, *label_sets))
