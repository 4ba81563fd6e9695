"""What the metrics and controls are called on a page, and what each means in a sentence.

The definitions are those of `medts.metrics.scores`, said for a reader who does not read code.
"""

from typing import Literal

METRIC_NAMES = {
    "macro_auroc": "Macro AUROC",
    "macro_auprc": "Macro AUPRC",
    "macro_f1": "Macro F1",
    "balanced_accuracy": "Balanced accuracy",
    "accuracy": "Accuracy",
    "exact_match": "Exact match",
    "brier": "Brier score",
    "ece": "Calibration error",
    "share_kept": "Share kept",
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "f1": "F1",
    "r2": "R²",
    "mae": "MAE",
    "rmse": "RMSE",
    "pearson_r": "Pearson r",
    "limit_low": "Lower limit",
    "limit_high": "Upper limit",
}

_DEFINITIONS = {
    "macro_auroc": (
        "Chance that a record with the class gets a higher probability than one without it, "
        "averaged over classes; 0.5 is guessing."
    ),
    "macro_auprc": (
        "Precision averaged over the recall gained as the threshold falls, averaged over classes; "
        "guessing gives the share of positives."
    ),
    "macro_f1": (
        "Harmonic mean of precision and sensitivity at the decision, averaged over classes."
    ),
    "brier": "Mean squared distance between probabilities and truth; smaller is better.",
    "r2": (
        "Coefficient of determination: share of the variance that predictions explain; "
        "0 is predicting the mean of the test records, below 0 is worse than that."
    ),
    "mae": "Mean absolute error, in the unit of the number; smaller is better.",
    "rmse": "Root of the mean squared error, which large errors dominate; smaller is better.",
    "pearson_r": "Correlation of predicted and true values; blind to bias and scale.",
    "bias": "Mean of predicted minus true.",
    "ece": "Mean gap between predicted probability and observed frequency; smaller is better.",
}

_SINGLE = {
    "accuracy": "Share of records whose most probable class is the labelled one.",
    "balanced_accuracy": "Mean over classes of the sensitivity, the most probable class deciding.",
}

_MULTI = {
    "accuracy": (
        "Share of all (record, class) decisions at the thresholds that are right; with rare "
        "classes it is high even when nothing is ever found."
    ),
    "balanced_accuracy": "Mean over classes of (sensitivity + specificity) / 2 at the thresholds.",
    "exact_match": "Share of records for which every class is decided rightly.",
}

_CONTROLS = {
    "majority": ("Majority", "Answers with the class frequencies of the training records."),
    "label_shuffle": ("Shuffled labels", "The model's own scores against permuted labels."),
    "training_mean": ("Training mean", "Predicts the mean of the training records."),
    "age_and_sex": ("Age and sex", "Least squares on age and sex, fitted on training records."),
    "age": ("Age", "Least squares on age, fitted on training records."),
    "sex": ("Sex", "Least squares on sex, fitted on training records."),
    "shuffled_targets": (
        "Shuffled targets",
        "The model's own predictions against permuted targets; the interval holds 95 % of them.",
    ),
    "random_encoder": ("Untrained encoder", "The same architecture with random weights."),
    "shuffled_training": (
        "Trained on shuffled labels",
        "The same recipe trained on permuted labels; it must end at chance.",
    ),
    "simple_features": (
        "Simple features",
        "Rates, intervals and amplitudes with logistic regression.",
    ),
    "text_only": ("Text only", "The report without the signal."),
    "signal_only": ("Signal only", "The signal without the report."),
    "empty_text": ("Empty text", "The signal beside a report without a word."),
    "shuffled_text": ("Shuffled text", "Every record beside another record's report."),
    "redacted_text": ("Redacted text", "Reports without the words that name a class."),
}


def metric_name(metric: str) -> str:
    """Returns what a metric is called on a page.

    >>> metric_name("macro_auroc"), metric_name("recall_at_5")
    ('Macro AUROC', 'Recall at 5')
    """
    return METRIC_NAMES.get(metric, words_of(metric))


def metric_definition(metric: str, kind: Literal["single", "multi"]) -> str:
    """Returns what a metric means for a kind of label set; empty where nothing is written."""
    special = _SINGLE if kind == "single" else _MULTI
    return special.get(metric, _DEFINITIONS.get(metric, ""))


def control_name(control: str) -> str:
    """Returns what a control is called on a page."""
    return _CONTROLS[control][0] if control in _CONTROLS else words_of(control)


def control_definition(control: str) -> str:
    """Returns what a control does; empty where nothing is written."""
    return _CONTROLS[control][1] if control in _CONTROLS else ""


def words_of(name: str) -> str:
    """Returns a name with an underscore as words with a capital."""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]
