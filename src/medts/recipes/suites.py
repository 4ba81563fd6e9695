"""Suites: which methods are compared on which corpora, with how many labels, how often.

A suite is a value; `medts.recipes.bench` runs it. Every cell of its table is one `Job`, which knows
nothing of the others and has a name of its own, so it can be run anywhere and never twice.
"""

import hashlib
from collections.abc import Callable, Iterator
from typing import Literal

from pydantic import Field

from medts.core.config import Config
from medts.core.errors import unknown_name

Kind = Literal["finetune", "probe", "features", "minirocket", "multirocket"]


class Method(Config):
    """One row of a table: how a prediction comes about."""

    name: str
    """Name in the table."""

    kind: Kind
    """``finetune``: a recipe, all weights. ``probe``: logistic regression on a frozen encoder.
    ``features``, ``minirocket``, ``multirocket``: logistic regression on values that nobody
    trained."""

    recipe: str = ""
    """Recipe of `medts finetune`; for a probe of an untrained encoder, where its shape is from."""

    pretraining: str = ""
    """Recipe of `medts pretrain` whose encoder is the start; it sees training folds only."""

    is_pretrained_on_all: bool = False
    """True pretrains on every corpus at hand, False on that of the question alone."""

    pretraining_minutes: float | None = None
    """Time budget of pretraining, which is done once; none: that of a job."""

    shuffle_labels: bool = False
    """Trains on permuted labels: must end at chance."""

    is_control: bool = False
    """Knows nothing that a method could be credited for."""


class Question(Config):
    """One block of a table: what is asked of which folds of a corpus."""

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


class Job(Config):
    """One cell: a method, a question, so many labels, one draw of them, one seed."""

    suite: str
    """Suite it belongs to."""

    method: Method
    """How the prediction comes about."""

    question: Question
    """What is asked."""

    label_fraction: float = 1.0
    """Share of the training records with labels, or their number where above 1."""

    draw: int = 0
    """Number of the draw of those records."""

    seed: int = 0
    """Seed of initial weights and batches."""

    rate_factor: float | None = None
    """Multiple of the recipe's learning rate that this tuning trial tries; none: the best one."""

    minutes: float = 10.0
    """Time budget of its training."""

    epochs_ratio: float = 1.0
    """Share of the recipe's epochs, for suites that have to be quick."""

    @property
    def name(self) -> str:
        """Readable, and different for every other job."""
        what = "tune" if self.rate_factor is not None else f"{self.label_fraction:g}"
        settings = self.model_dump_json(exclude_defaults=True)  # a new field renames no old job
        digest = hashlib.sha256(settings.encode()).hexdigest()[:8]
        corpus = self.question.label_set.replace("/", "-")
        return f"{self.method.name}-{corpus}-{what}-d{self.draw}-s{self.seed}-{digest}"

    @property
    def is_trained(self) -> bool:
        """True where there is a learning rate to tune."""
        return self.method.kind == "finetune" and not self.method.is_control


class Suite(Config):
    """A table: methods × questions × label fractions × draws × seeds."""

    name: str
    """Name for the command line."""

    sentence: str
    """What it is for."""

    methods: tuple[Method, ...]
    """Rows."""

    questions: tuple[Question, ...]
    """Blocks; those whose corpus is not at hand are skipped and listed."""

    label_fractions: tuple[float, ...] = (1.0,)
    """Shares of the training records with labels, or their numbers where above 1."""

    draws: int = Field(default=1, ge=1)
    """Draws of those records; with all labels there is one."""

    seeds: int = Field(default=1, ge=1)
    """Seeds of every draw."""

    rate_factors: tuple[float, ...] = ()
    """Tuning trials: multiples of a recipe's learning rate, once, with all labels, seed 0."""

    reference: str = ""
    """Method that the others are compared with."""

    minutes_per_job: float = 10.0
    """Time budget of a job."""

    epochs_ratio: float = 1.0
    """Share of the recipes' epochs."""

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
                is_new_draw = fraction != 1.0 or draw == 0  # all labels can be drawn only once
                is_enough = not method.shuffle_labels or (draw, seed) == (0, 0)
                if is_new_draw and is_enough:
                    yield self._job(method, question, fraction, draw, seed)

    def _job(
        self, method: Method, question: Question, fraction: float, draw: int, seed: int
    ) -> Job:
        return Job(
            suite=self.name,
            method=method,
            question=question,
            label_fraction=fraction,
            draw=draw,
            seed=seed,
            minutes=self.minutes_per_job,
            epochs_ratio=self.epochs_ratio,
        )


def labels_in_words(label_fraction: float) -> str:
    """Says how many labels a cell has.

    >>> labels_in_words(0.1), labels_in_words(52), labels_in_words(1)
    ('10 % of the labels', '52 labels', 'all labels')
    """
    if label_fraction == 1:
        return "all labels"
    if label_fraction < 1:
        return f"{100 * label_fraction:g} % of the labels"
    return f"{label_fraction:g} labels"


def _tuned(*recipes: str) -> tuple[Method, ...]:
    return tuple(Method(name=name, kind="finetune", recipe=name) for name in recipes)


_FOLDS_1_TO_7 = tuple(str(fold) for fold in range(1, 8))


def smoke() -> Suite:
    """Every kind of method once, on synthetic records; under three minutes on two cores."""
    return Suite(
        name="smoke",
        sentence=smoke.__doc__ or "",
        methods=(
            Method(name="xresnet1d_test", kind="finetune", recipe="xresnet1d_test"),
            Method(name="features", kind="features"),
            Method(name="random_encoder", kind="probe", recipe="xresnet1d_test", is_control=True),
            Method(
                name="label_shuffle",
                kind="finetune",
                recipe="xresnet1d_test",
                shuffle_labels=True,
                is_control=True,
            ),
        ),
        questions=(
            Question(
                corpus="synthetic",
                label_set="synthetic/findings",
                train_folds=_FOLDS_1_TO_7,
                val_folds=("8",),
                test_folds=("9", "10"),
            ),
        ),
        label_fractions=(0.25, 1.0),
        draws=2,
        reference="xresnet1d_test",
        minutes_per_job=1.0,
    )


def ecg_small() -> Suite:
    """The baselines on the ECG corpora at hand, with a tenth and all of the labels."""
    return Suite(
        name="ecg-small",
        sentence=ecg_small.__doc__ or "",
        methods=(
            *_tuned("xresnet1d"),
            Method(name="features", kind="features"),
            Method(name="minirocket", kind="minirocket"),
            Method(name="random_encoder", kind="probe", recipe="xresnet1d", is_control=True),
            Method(
                name="label_shuffle",
                kind="finetune",
                recipe="xresnet1d",
                shuffle_labels=True,
                is_control=True,
            ),
            *_tuned("dlinear", "s4_small", "transformer_small", "patchtst_small"),
            *(
                Method(name=name, kind="finetune", recipe="xresnet1d", pretraining=name)
                for name in ("simclr", "vicreg", "cmsc")
            ),
            *_tuned("xresnet1d101", "s4"),
        ),
        questions=(_ptb_xl("super"),),
        label_fractions=(1.0, 0.1),
        draws=2,
        seeds=3,
        rate_factors=(1.0, 0.3, 3.0, 0.1),
        reference="xresnet1d",
    )


def _ptb_xl(label_set: str) -> Question:
    return Question(
        corpus="ptb-xl",
        label_set=f"ptb-xl/{label_set}",
        train_folds=_FOLDS_1_TO_7,
        val_folds=("8",),
        test_folds=("9",),
    )


_ECG_NAT = Method(
    name="ecg_nat",
    kind="finetune",
    recipe="ecg_nat",
    pretraining="ecg_nat",
    is_pretrained_on_all=True,
    pretraining_minutes=90.0,
)


def ecg_nat() -> Suite:
    """ECG-NAT with few labels: pretrained or not, one loss or two, against a convolutional net."""
    return Suite(
        name="ecg-nat",
        sentence=ecg_nat.__doc__ or "",
        methods=(
            _ECG_NAT,
            _ECG_NAT.but(name="ecg_nat_cross_entropy", recipe="ecg_nat_cross_entropy"),
            _ECG_NAT.but(name="ecg_nat_probed", kind="probe"),
            *_tuned("ecg_nat_scratch", "ecg_nat_scratch_cross_entropy"),
            Method(name="random_encoder", kind="probe", recipe="ecg_nat", is_control=True),
            *_tuned("xresnet1d101", "s4_small"),
        ),
        questions=(_ptb_xl("super"), _ptb_xl("rhythm"), _ptb_xl("super-single")),
        label_fractions=(105, 52, 170, 1.0),
        draws=3,
        reference="ecg_nat",
        minutes_per_job=10.0,
    )


def ecg_nat_ablations() -> Suite:
    """What each part of ECG-NAT is worth, with 105 labels."""
    return Suite(
        name="ecg-nat-ablations",
        sentence=ecg_nat_ablations.__doc__ or "",
        methods=(
            _ECG_NAT,
            _ECG_NAT.but(name="one_corpus", is_pretrained_on_all=False),
            _ECG_NAT.but(name="ecg_nat_cross_entropy", recipe="ecg_nat_cross_entropy"),
            *_tuned(
                "ecg_nat_scratch",
                "ecg_nat_full_attention",
                "ecg_nat_convolution",
                "ecg_nat_kernels_7",
                "ecg_nat_kernels_31",
                "ecg_nat_single_scale",
            ),
        ),
        questions=(_ptb_xl("super"),),
        label_fractions=(105,),
        draws=3,
        reference="ecg_nat",
        minutes_per_job=10.0,
    )


SUITES: dict[str, Callable[[], Suite]] = {
    "ecg-nat": ecg_nat,
    "ecg-nat-ablations": ecg_nat_ablations,
    "ecg-small": ecg_small,
    "smoke": smoke,
}


def find_suite(name: str) -> Suite:
    """Returns a suite by name.

    Raises:
        UnknownNameError: If there is none; the nearest is suggested.
    """
    if name not in SUITES:
        raise unknown_name("suite", name, SUITES)
    return SUITES[name]()
