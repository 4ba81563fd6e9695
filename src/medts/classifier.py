"""Classifier and Regressor: a recipe behind the interface of scikit-learn.

Records, a store or arrays go through the same split, loop and bundle as the command line; nothing
is a second implementation. Validation records are taken from the training data by subject.

Axes: n records, C channels, T samples in time, K classes or numbers.
"""

import tempfile
import warnings
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import accuracy_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.utils.validation import check_is_fitted

from medts.core.errors import ConfigError
from medts.core.labels import LabelSet
from medts.core.montage import guess_modality
from medts.core.records import Record, Stream
from medts.data.in_memory import RecordsInMemory
from medts.data.recordings import Recordings
from medts.data.splits import Split
from medts.inference.predictor import load
from medts.inference.stored import predict_store
from medts.recipes import find_recipe
from medts.targets import NAME, Targets, indicator, read_classes, read_numbers
from medts.training.recipe import Recipe
from medts.training.train import train

_Own = TypeVar("_Own", bound="Estimator")
"""The class that is fitted; `typing.Self` is refused by the hook that checks shapes."""


class Estimator(BaseEstimator, ABC):
    """What `Classifier` and `Regressor` share: how a recipe is fitted.

    Args:
        recipe: Name of a recipe, or a recipe.
        sampling_rate: Of arrays, Hz.
        channels: Of arrays: one name per row.
        unit: Of arrays, such as ``mV``.
        validation_ratio: Share of subjects that choose the epoch and the thresholds.
        folder: Where the run is kept; a temporary folder if none.
        seed: Of everything random.
    """

    def __init__(
        self,
        recipe: str | Recipe = "xresnet1d",
        *,
        sampling_rate: float | None = None,
        channels: Sequence[str] | None = None,
        unit: str | None = None,
        validation_ratio: float = 0.2,
        folder: str | Path | None = None,
        seed: int = 0,
    ) -> None:
        self.recipe = recipe
        self.sampling_rate = sampling_rate
        self.channels = channels
        self.unit = unit
        self.validation_ratio = validation_ratio
        self.folder = folder
        self.seed = seed

    @abstractmethod
    def _targets(self, y: Any) -> Targets:
        """Reads y."""

    @abstractmethod
    def _of_store(self, label_set: LabelSet) -> None:
        """Takes the label set of a store, or refuses one of the other kind."""

    @abstractmethod
    def predict(self, X: Any) -> np.ndarray:
        """Predicts records, arrays, or all records of a store."""

    def fit(
        self: "_Own",
        X: Any,
        y: Any = None,
        *,
        groups: Sequence[Any] | None = None,
        label_set: str | None = None,
        train_folds: Sequence[str] = ("train",),
        val_folds: Sequence[str] = ("validation",),
        sampling_rate: float | None = None,
        channels: Sequence[str] | None = None,
        unit: str | None = None,
    ) -> "_Own":
        """Trains on records, on arrays, or on folds of a store.

        Args:
            X: Records, an array ``(n, C, T)``, or a `Store`.
            y: For a `Classifier` one class per record; or rows of zeros and ones, or lists of
                labels, where several may hold. For a `Regressor` numbers ``(n,)`` or
                ``(n, K)``, NaN where one is missing. Lists, arrays, DataFrames, sparse matrices
                and tensors are read. Not given for a store.
            groups: Subject of each record; the records' own subjects if not given.
            label_set: Label set of a store.
            train_folds: Folds of a store that train.
            val_folds: Folds of a store that choose.
            sampling_rate: Of arrays, Hz; in place of the constructor's.
            channels: Of arrays; in place of the constructor's.
            unit: Of arrays; in place of the constructor's.

        Raises:
            MedtsError: If data and labels do not fit each other or the recipe.
        """
        given = {"sampling_rate": sampling_rate, "channels": channels, "unit": unit}
        self._hints = {k: getattr(self, k) if v is None else v for k, v in given.items()}
        recipe = find_recipe(self.recipe) if isinstance(self.recipe, str) else self.recipe
        if isinstance(X, Recordings):
            if label_set is None:
                raise ConfigError(
                    "a store needs label_set=", remedy=f"It has {', '.join(X.label_sets)}"
                )
            self._of_store(X.label_set(label_set))
            data, split = X, Split(train=tuple(train_folds), validation=tuple(val_folds))
        else:
            data, label_set = self._held(self._records(X), y, groups), NAME
            split = Split(train=("train",), validation=("validation",))
        with tempfile.TemporaryDirectory() as temporary:
            bundle = train(
                recipe,
                data,
                labels=label_set,
                split=split,
                out=Path(temporary if self.folder is None else self.folder),
                seed=self.seed,
                show_progress=False,
            )
            self.predictor_ = load(bundle)
        return self

    def _scores(self, X: Any) -> np.ndarray:
        """Returns probabilities or numbers, a row for each record."""
        check_is_fitted(self, "predictor_")
        model = self.predictor_
        if isinstance(X, Recordings):
            return predict_store(model.bundle, X, list(range(len(X))))
        has_numbers = model.manifest.labels.resolve().has_numbers
        return (model.predict_values if has_numbers else model.predict_proba)(self._records(X))

    def _records(self, X: Any) -> list[Record]:
        if isinstance(X, Record):
            return [X]
        if not isinstance(X, np.ndarray):
            records = list(X)
            if all(isinstance(each, Record) for each in records):
                return records
            X = np.asarray(records)
        missing = [name for name, value in self._hints.items() if value is None]
        if X.ndim != 3 or missing:
            what = f"needs {', '.join(missing)}" if missing else f"has shape {X.shape}"
            raise ConfigError(
                f"an array {what}",
                field="X",
                remedy="Give (n, C, T) with sampling_rate=, channels= and unit=, or records",
            )
        modality = guess_modality(self._hints["channels"][0])
        return [
            Record(
                record_id=f"{number:06d}",
                streams={
                    modality: Stream(
                        signal=np.asarray(signal, dtype=np.float32),
                        channels=tuple(self._hints["channels"]),
                        sampling_rate=float(self._hints["sampling_rate"]),
                        modality=modality,
                        unit=self._hints["unit"],
                    )
                },
            )
            for number, signal in enumerate(X)
        ]

    def _held(self, records: list[Record], y: Any, groups: Sequence[Any] | None) -> RecordsInMemory:
        """Returns records with their labels, and with validation subjects apart."""
        if not records:
            raise ConfigError("no records", field="X")
        if y is None:
            raise ConfigError(f"{len(records)} records but no labels", field="y")
        targets = self._targets(y)
        if len(targets.labels) != len(records):
            raise ConfigError(f"{len(records)} records but {len(targets.labels)} labels", field="y")
        if groups is not None and len(groups) != len(records):
            raise ConfigError(f"{len(records)} records but {len(groups)} groups", field="groups")
        if groups is None:
            groups = [each.subject_id or number for number, each in enumerate(records)]
        subjects = [str(group) for group in groups]
        owned = [
            replace(record, subject_id=subject)
            for record, subject in zip(records, subjects, strict=True)
        ]
        folds = self._folds(subjects, targets)
        return RecordsInMemory(
            owned, folds=folds, label_set=targets.label_set, labels=targets.labels
        )

    def _folds(self, subjects: list[str], targets: Targets) -> list[str]:
        """Holds out validation subjects, stratified by the rarest class of each record."""
        n_people = len(set(subjects))
        if n_people < 2:
            raise ConfigError(
                "validation needs subjects of its own, and there is only one",
                field="groups",
                remedy="Give records of at least two subjects",
            )
        strata = [""] * len(subjects)
        n_with = Counter(name for names in targets.labels for name in names)
        if not targets.label_set.has_numbers and max(n_with.values(), default=0) > 1:
            strata = [min(names, key=n_with.__getitem__, default="") for names in targets.labels]
        most = max(Counter(strata).values())
        n_splits = min(n_people, most, max(2, round(1 / self.validation_ratio)))
        splitter = StratifiedGroupKFold(n_splits, shuffle=True, random_state=self.seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a class rarer than folds is no error
            _, chosen = next(splitter.split(subjects, strata, subjects))
        is_validation = np.zeros(len(subjects), dtype=bool)
        is_validation[chosen] = True
        return np.where(is_validation, "validation", "train").tolist()


class Classifier(ClassifierMixin, Estimator):
    """Fits a recipe of classification and predicts, as estimators of scikit-learn do.

    >>> model = medts.Classifier("xresnet1d", sampling_rate=500, channels=leads, unit="mV")
    ... # doctest: +SKIP
    >>> model.fit(signals, labels, groups=subjects).predict_proba(others)  # doctest: +SKIP

    Args and `fit` are those of `Estimator`.
    """

    @property
    def classes_(self) -> np.ndarray:
        """Classes in the order of `predict_proba`, as the caller wrote them."""
        check_is_fitted(self, "predictor_")
        return np.array(self._values)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Returns the probability of each class, in the order of ``classes_``."""
        return self._scores(X)

    def predict(self, X: Any) -> np.ndarray:
        """Returns the likeliest class, or rows of zeros and ones where several may hold."""
        probability = self.predict_proba(X)
        bundle = self.predictor_.bundle
        if bundle.label_set.kind == "single":
            return self.classes_[probability.argmax(axis=1)]
        found = bundle.thresholds()
        thresholds = [found.get(name, np.inf) for name in bundle.label_set.classes]
        return (probability >= np.array(thresholds)).astype(int)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy; where several labels may hold, the share of records with all of them right."""
        predicted = self.predict(X)
        if predicted.ndim == 1:
            y, predicted = [label for (label,) in read_classes(y).labels], predicted.astype(str)
        else:
            y = indicator(y, self._values)
        return float(accuracy_score(y, predicted, sample_weight=sample_weight))

    def _of_store(self, label_set: LabelSet) -> None:
        if label_set.has_numbers:
            raise ConfigError(
                f"{label_set.name} has numbers", field="label_set", remedy="Use Regressor"
            )
        self._values = list(label_set.classes)

    def _targets(self, y: Any) -> Targets:
        targets = read_classes(y)
        self._values = targets.values
        return targets


class Regressor(RegressorMixin, Estimator):
    """Fits a recipe of regression and predicts numbers, as estimators of scikit-learn do.

    `score` is R². Training scales targets by their mean and standard deviation; predictions are
    in the unit of ``y``.

    >>> model = medts.Regressor("xresnet1d", sampling_rate=500, channels=leads, unit="mV")
    ... # doctest: +SKIP
    >>> model.fit(signals, ages, groups=subjects).predict(others)  # doctest: +SKIP

    Args and `fit` are those of `Estimator`.
    """

    def predict(self, X: Any) -> np.ndarray:
        """Returns numbers: ``(n,)`` where ``y`` was one number per record, else ``(n, K)``."""
        values = self._scores(X)
        return values[:, 0] if self._is_flat else values

    def _of_store(self, label_set: LabelSet) -> None:
        if not label_set.has_numbers:
            raise ConfigError(
                f"{label_set.name} has classes", field="label_set", remedy="Use Classifier"
            )
        self._is_flat = len(label_set) == 1

    def _targets(self, y: Any) -> Targets:
        targets = read_numbers(y)
        self._is_flat = targets.is_flat
        return targets
