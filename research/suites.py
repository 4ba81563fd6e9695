"""Suites: which methods are compared on which corpora, with how many labels, how often.

A suite is a value; `research.running` runs it, `research.tables` has those of the papers. Every
cell of its table is one `Job`, independent of all others and with a key of its own, by which the
ledger holds its result.
"""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import Field, model_validator

from medts.core.config import Config

Kind = Literal[
    "finetune", "probe", "features", "minirocket", "multirocket", "evaluate", "late_fusion"
]


class Taught(Config):
    """What a model learns before it meets the question: label sets of the same or other corpora."""

    label_sets: tuple[str, ...] = Field(min_length=1)
    """Full names; several are learnt jointly, by a recipe with a matching head."""

    train_folds: tuple[str, ...]
    """Folds that train; a corpus takes those that it has."""

    val_folds: tuple[str, ...]
    """Folds on which epoch and operating points are chosen."""

    spares_question: bool = False
    """True leaves out the label sets of the question's own corpus: one dataset is left out."""

    def sets_for(self, question: "Question") -> tuple[str, ...]:
        """Returns the label sets that are learnt before the question."""
        own = f"{question.corpus}/"
        return tuple(
            name for name in self.label_sets if not (self.spares_question and name.startswith(own))
        )


class Question(Config):
    """One block of a table: a label set, and the folds that train, choose and test."""

    corpus: str
    """Name of the corpus."""

    label_set: str
    """Full name of the label set."""

    train_folds: tuple[str, ...]
    """Folds that train."""

    val_folds: tuple[str, ...]
    """Folds on which everything is chosen."""

    test_folds: tuple[str, ...]
    """Folds that are measured on."""

    n_rounds: int = Field(default=0, ge=0)
    """Rounds of cross-validation over the training folds, in which each is tested once: a round's
    folds test, the next round's choose, all others train. None keeps to the folds named."""

    @model_validator(mode="after")
    def _rounds_have_three_parts(self) -> "Question":
        if self.n_rounds and not 3 <= self.n_rounds <= len(self.train_folds):
            raise ValueError(f"{self.n_rounds} rounds of {len(self.train_folds)} folds")
        return self

    def rounds(self) -> tuple["Question", ...]:
        """Returns the question once for every round, with the folds of that round.

        >>> q = Question(
        ...     corpus="c",
        ...     label_set="c/s",
        ...     train_folds=tuple("123456"),
        ...     val_folds=(),
        ...     test_folds=(),
        ...     n_rounds=3,
        ... )
        >>> [(each.train_folds, each.val_folds, each.test_folds) for each in q.rounds()][2]
        (('3', '4'), ('1', '2'), ('5', '6'))
        """
        if not self.n_rounds:
            return (self,)
        parts = np.array_split(np.array(self.train_folds), self.n_rounds)
        folds: list[tuple[str, ...]] = [tuple(part.tolist()) for part in parts]
        rounds = []
        for i, test in enumerate(folds):
            val = folds[(i + 1) % self.n_rounds]
            train = tuple(fold for fold in self.train_folds if fold not in (*test, *val))
            rounds.append(self.but(test_folds=test, val_folds=val, train_folds=train))
        return tuple(rounds)


class Start(Config):
    """Pretraining: the run without labels whose encoder a method starts from.

    It is made once for all jobs that share it, and sees training folds only.
    """

    recipe: str
    """Recipe of `medts train` that learns without labels."""

    overrides: dict[str, Any] = Field(default_factory=dict)
    """Settings that differ from the recipe's, by dotted path."""

    folds_of: Question | None = None
    """Corpus and folds that it reads, where they are not the question's."""

    is_on_all: bool = False
    """True reads the question's training folds of every corpus at hand and folds named ``train``,
    False those of the question's corpus alone."""

    is_per_seed: bool = False
    """True pretrains once for every seed, False once for all."""

    report_lm: str = ""
    """Recipe of `medts train` that adapts the language model to reports first."""


class Method(Config):
    """One row of a table: how a prediction comes about."""

    name: str
    """Name in the table."""

    kind: Kind = "finetune"
    """``finetune``: a recipe, all weights. ``probe``: logistic regression on a frozen encoder.
    ``features``, ``minirocket``, ``multirocket``: logistic regression on values that are not
    trained. ``evaluate``: a protocol on a model that learnt something else. ``late_fusion``: the
    probabilities of several rows combined."""

    recipe: str = ""
    """Recipe of `medts train`; of an untrained encoder, where its shape is from."""

    overrides: dict[str, Any] = Field(default_factory=dict)
    """Settings that differ from the recipe's, by dotted path; those of ``training`` come before
    the suite's budget."""

    reads: str = ""
    """Recipe whose streams and windows are read, in place of the recipe's own."""

    start: Start | None = None
    """Pretraining; none starts from random weights."""

    taught: Taught | None = None
    """What the recipe learns, where that is not the question itself."""

    tested_on: str = ""
    """Recipe whose streams and windows the model reads once it was taught something else."""

    protocol: str = ""
    """Protocol of `medts evaluate`. Of ``evaluate`` it gives the numbers; of ``finetune`` its
    conditions stand beside them."""

    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of the protocol, or of the probe."""

    fused: tuple["Method", ...] = ()
    """Rows whose probabilities ``late_fusion`` combines."""

    is_kept: bool = False
    """True keeps the models that it trains, for a row of ``late_fusion`` to take."""

    keeps_rate: bool = False
    """True keeps the recipe's own learning rate in a suite that tunes it."""

    shuffle_labels: bool = False
    """Trains on permuted labels: must end at chance."""

    is_control: bool = False
    """Shows what is reached without what the method is credited for."""


class Key(NamedTuple):
    """What tells one result of a suite from another."""

    label_set: str
    method: str
    label_fraction: float
    draw: int
    seed: int
    rate_factor: float | None


class Job(Config):
    """One cell: a method, a question, so many labels, one random sample of them, one seed."""

    suite: str
    """Suite it belongs to."""

    method: Method
    """How the prediction comes about."""

    question: Question
    """What is predicted, on which folds."""

    label_fraction: float = 1.0
    """Share of the training records with labels, or their number where above 1."""

    label_unit: Literal["records", "shots"] = "records"
    """What ``label_fraction`` counts: training records, or examples of each class."""

    draw: int = 0
    """Number of the random sample of those records; its seed."""

    seed: int = 0
    """Seed of initial weights and batches."""

    rate_factor: float | None = None
    """Multiple of the recipe's learning rate that this tuning trial tries; none: the best one."""

    minutes: float = 8.0
    """Time budget of its training."""

    epochs_ratio: float = 1.0
    """Share of the recipe's epochs and least updates, for suites that have to be quick."""

    min_updates: int = 0
    """Updates of a recipe that does not state how many it needs, at least; an epoch of a small
    corpus has few."""

    @property
    def key(self) -> "Key":
        """What tells it from all other jobs of its suite."""
        return Key(
            self.question.label_set,
            self.method.name,
            self.label_fraction,
            self.draw,
            self.seed,
            self.rate_factor,
        )

    @property
    def name(self) -> str:
        """The key in one readable word, for files and for ``--only``."""
        what = "tune" if self.rate_factor is not None else f"{self.label_fraction:g}"
        factor = "" if self.rate_factor is None else f"-x{self.rate_factor:g}"
        corpus = self.question.label_set.replace("/", "-")
        return f"{self.method.name}-{corpus}-{what}-d{self.draw}-s{self.seed}{factor}"

    @property
    def is_trained(self) -> bool:
        """True where there is a learning rate to tune."""
        method = self.method
        return method.kind == "finetune" and not (method.is_control or method.keeps_rate)


class Suite(Config):
    """A table: methods × questions × label fractions × samples × seeds."""

    name: str = ""
    """Name for the command line: that of its function."""

    sentence: str = ""
    """What it is for: the first line of its function's docstring."""

    methods: tuple[Method, ...]
    """Rows."""

    questions: tuple[Question, ...]
    """Blocks; those whose corpus is not at hand are skipped and listed."""

    label_fractions: tuple[float, ...] = (1.0,)
    """Shares of the training records with labels, or their numbers where above 1."""

    label_unit: Literal["records", "shots"] = "records"
    """What these count: training records, or examples of each class."""

    draws: int = Field(default=1, ge=1)
    """Draws of those records; with all labels there is one."""

    seeds: int = Field(default=1, ge=1)
    """Seeds of every such sample."""

    rate_factors: tuple[float, ...] = ()
    """Tuning trials: multiples of a recipe's learning rate, once, with all labels, seed 0."""

    reference: str = ""
    """Method that the others are compared with."""

    metric: str = "macro_auroc"
    """Score of the table, over all classes; methods are compared where it is macro AUROC."""

    beside: str = "macro_f1"
    """Score that stands beside it."""

    minutes_per_job: float = 8.0
    """Time budget of a job's training."""

    epochs_ratio: float = 1.0
    """Share of the recipes' epochs and least updates."""

    min_updates: int = 0
    """Updates of recipes that do not state how many they need, at least."""

    def jobs(self) -> Iterator[Job]:
        """Lists every job: method by method its tuning and first cells, then the repetitions.

        A table that runs out of time is thus whole before it is deep.
        """
        first = [(0, 0)]
        others = [(d, s) for d in range(self.draws) for s in range(self.seeds) if d or s]
        for question in self.questions:
            for method in self.methods:
                yield from self.trials(method, question)
                yield from self._cells(method, question, first)
        for run in others:
            for question in self.questions:
                for method in self.methods:
                    yield from self._cells(method, question, [run])

    def trials(self, method: Method, question: Question) -> Iterator[Job]:
        """Lists the tuning trials of a method: all labels, one seed, several learning rates."""
        for factor in self.rate_factors:
            job = self._job(method, question, 1.0, 0, 0)
            if job.is_trained:
                yield job.but(rate_factor=factor)

    def _cells(
        self, method: Method, question: Question, runs: list[tuple[int, int]]
    ) -> Iterator[Job]:
        for draw, seed in runs:
            for fraction in self.label_fractions:
                is_all = fraction == 1.0 and self.label_unit == "records"
                is_new = not is_all or draw == 0  # all labels are one sample
                is_enough = not method.shuffle_labels or (draw, seed) == (0, 0)
                if is_new and is_enough:
                    yield self._job(method, question, fraction, draw, seed)

    def _job(
        self, method: Method, question: Question, fraction: float, draw: int, seed: int
    ) -> Job:
        return Job(
            suite=self.name,
            method=method,
            question=question,
            label_fraction=fraction,
            label_unit=self.label_unit,
            draw=draw,
            seed=seed,
            minutes=self.minutes_per_job,
            epochs_ratio=self.epochs_ratio,
            min_updates=self.min_updates,
        )


def labels_in_words(label_fraction: float, unit: str = "records") -> str:
    """Returns how many labels a cell has, in words.

    >>> labels_in_words(0.1), labels_in_words(52), labels_in_words(1)
    ('10 % of the labels', '52 labels', 'all labels')
    >>> labels_in_words(5, "shots"), labels_in_words(0)
    ('5 shots a class', 'no labels')
    """
    if unit == "shots":
        return f"{label_fraction:g} shots a class"
    if label_fraction == 1:
        return "all labels"
    if label_fraction == 0:
        return "no labels"
    if label_fraction < 1:
        return f"{100 * label_fraction:g} % of the labels"
    return f"{label_fraction:g} labels"
