"""Contract tests of objectives, as functions that any package can call on its own.

Axes: B windows in the batch, K classes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from medts.core.errors import MedtsError
from medts.core.labels import LabelSet
from medts.models.base import Encoder
from medts.models.heads import build_head
from medts.models.settings.base import EncoderSettings
from medts.models.settings.heads import HeadConfig
from medts.objectives.base import Objective, TrainingParts
from medts.objectives.settings.base import ObjectiveSettings, check_fit
from medts.tensors.batch import Batch, Losses, StreamBatch
from medts.testing.batches import change, make_batch, overwrite

_N_WINDOWS = 6

LABEL_SETS = tuple(
    LabelSet(
        name=f"made-up/{kind}",
        classes=("A", "B", "C"),
        kind=kind,
        phrases={letter: (f"class {letter}",) for letter in "ABC"},
    )
    for kind in ("single", "multi", "number")
)
"""One label set of each kind."""


@dataclass(frozen=True)
class Case:
    """An objective with an encoder that it can train.

    Args:
        settings: Of the objective.
        encoder: Settings of the encoder.
        build_head: Makes a head for a label set; a small MLP if none.
        label_set: What the batch is labelled with.
    """

    settings: ObjectiveSettings
    encoder: EncoderSettings
    build_head: Callable[[Encoder, LabelSet], nn.Module] | None = None
    label_set: LabelSet = LABEL_SETS[0]

    def build(self, *, seed: int = 0) -> Objective:
        """Builds encoder, head and objective, with norms that have seen a batch."""
        torch.manual_seed(seed)
        encoder = self.encoder.build()
        head, targets = None, ()
        if self.settings.learns_from == "labels":
            make_head = self.build_head or _build_head
            head = make_head(encoder, self.label_set)
            targets = ((self.label_set, torch.tensor([0.5, 0.3, 0.2])),)
        parts = TrainingParts(encoder, head, targets)  # pyright: ignore[reportArgumentType]
        return self.settings.build(parts).train()

    def batch(self, *, seed: int = 0) -> Batch:
        """Makes windows with a report and labels each."""
        batch = make_batch(self.encoder, _N_WINDOWS, seed=seed)
        target = torch.eye(3).repeat(_N_WINDOWS // 3, 1)
        if self.label_set.kind == "multi":
            target[0] = 1.0
        return replace(
            batch,
            target=target,
            is_labelled=torch.ones(_N_WINDOWS, dtype=torch.bool),
            label_set=self.label_set,
        )


Contract = Callable[[Case], None]


def check_objective(
    settings: ObjectiveSettings,
    encoder_settings: EncoderSettings | None = None,
    *,
    build_head: Callable[[Encoder, LabelSet], nn.Module] | None = None,
) -> None:
    """Holds an objective to all contracts, for every kind of label set that it learns.

    Args:
        settings: Of the objective.
        encoder_settings: What it trains; the first registered encoder that fits, if none.
        build_head: Makes a head for a label set, for objectives that need one of their own kind.

    Raises:
        AssertionError: If a promise is broken; all that are broken are named.
    """
    broken = []
    for case in cases_of(settings, encoder_settings, build_head=build_head):
        for name, contract in OBJECTIVE_CONTRACTS.items():
            try:
                contract(case)
            except AssertionError as error:
                broken.append(f"{name} ({case.label_set.kind}): {error}")
    assert not broken, f"objective {settings.kind!r} breaks {len(broken)} contracts:\n" + "\n".join(
        broken
    )


def cases_of(
    settings: ObjectiveSettings,
    encoder_settings: EncoderSettings | None = None,
    *,
    build_head: Callable[[Encoder, LabelSet], nn.Module] | None = None,
) -> tuple[Case, ...]:
    """Returns what an objective is tried on: every kind of label set that it learns.

    Raises:
        AssertionError: If no encoder is given and none that is registered fits.
    """
    encoder = encoder_settings or find_encoder(settings)
    label_sets = LABEL_SETS[:1]
    if settings.learns_from == "labels":
        label_sets = tuple(each for each in LABEL_SETS if each.kind in settings.label_kinds)
    return tuple(Case(settings, encoder, build_head, each) for each in label_sets)


def find_encoder(settings: ObjectiveSettings) -> EncoderSettings:
    """Returns small settings of the first registered encoder that an objective can train.

    Raises:
        AssertionError: If there is none.
    """
    for each in EncoderSettings.registry().values():
        tiny = each.tiny()
        try:
            check_fit(tiny, settings)
        except MedtsError:
            continue
        if tiny.reads_signal or settings.needs:
            return tiny
    raise AssertionError(
        f"no encoder fits {settings.kind!r} in its smallest form: give encoder_settings"
    )


def settings_are_a_value(case: Case) -> None:
    """Settings survive JSON, every field has a sentence, and the pair is accepted."""
    settings = case.settings
    again = type(settings).model_validate_json(settings.model_dump_json())
    assert again == settings, f"settings come back from JSON as {again!r}, not {settings!r}"
    silent = [name for name, each in type(settings).model_fields.items() if not each.description]
    assert not silent, f"fields without a sentence under them: {', '.join(silent)}"
    assert ObjectiveSettings.find(settings.kind) is type(settings), "not found under its kind"
    check_fit(case.encoder, settings)


def an_encoder_that_lacks_something_is_refused(case: Case) -> None:
    """An encoder without the abilities that are needed is refused, from settings and network."""
    if not case.settings.needs:
        return
    other = next(
        tiny
        for each in EncoderSettings.registry().values()
        if not case.settings.needs <= (tiny := each.tiny()).abilities()
    )
    for name, attempt in (
        ("check_fit", lambda: check_fit(other, case.settings)),
        ("build", lambda: replace(case, encoder=other).build()),
    ):
        try:
            attempt()
        except MedtsError as error:
            remedy = error.remedy
        else:
            raise AssertionError(f"{name} accepts {other.kind!r}, which lacks what is needed")
        assert remedy, f"{name} refuses {other.kind!r} without a remedy"


def the_loss_is_a_finite_number(case: Case) -> None:
    """The loss is one finite number whose gradient reaches the encoder."""
    objective = case.build()
    losses = objective(case.batch())
    _is_number(losses)
    if not any(each.requires_grad for each in objective.encoder.parameters()):
        return
    losses.total.backward()
    reached = [each for each in objective.encoder.parameters() if _has_gradient(each)]
    assert reached, "no gradient reaches the encoder"


def gradients_reach_everything_thrown_away(case: Case) -> None:
    """Every trained parameter beside encoder and head gets a gradient, and the head as a whole."""
    objective = case.build()
    objective(case.batch()).total.backward()
    trained = {name: each for name, each in objective.named_parameters() if each.requires_grad}
    silent = [name for name, each in trained.items() if not _has_gradient(each)]
    thrown_away = [name for name in silent if not name.startswith(("encoder.", "head."))]
    assert not thrown_away, f"no gradient reaches {', '.join(thrown_away)}"
    of_head = [each for name, each in trained.items() if name.startswith("head.")]
    assert not of_head or any(map(_has_gradient, of_head)), "no gradient reaches the head"


def a_batch_with_nothing_to_learn_scores_zero(case: Case) -> None:
    """With a part missing the loss is a number, with everything missing zero; or it is refused."""
    batch = case.batch()
    silent = change(batch, _without_signal)
    no_reports = (None,) * len(batch)
    no_labels = torch.zeros(len(batch), dtype=torch.bool)
    poorer = {
        "labels": replace(batch, is_labelled=no_labels),
        "reports": replace(batch, text=no_reports),
        "signals": silent,
        "anything": replace(silent, text=no_reports, is_labelled=no_labels),
    }
    for is_training in (True, False):
        for name, each in poorer.items():
            objective = case.build().train(is_training)
            try:
                losses, remedy = objective(each), None
            except MedtsError as error:
                losses, remedy = None, error.remedy
            if losses is None:
                assert remedy, f"a batch without {name} is refused without a remedy"
                continue
            _is_number(losses)
            total = float(losses.total.detach())
            assert name != "anything" or total == 0.0, f"an empty batch scores {total:g}, not 0"


def evaluation_repeats(case: Case) -> None:
    """Out of training the same batch and the same seed give the same loss, and change nothing."""
    objective, batch = case.build().eval(), case.batch()
    before = {name: value.clone() for name, value in objective.state_dict().items()}
    found = []
    with torch.no_grad():
        for _ in range(2):
            torch.manual_seed(4)
            losses, prediction = objective.validate(batch)
            found.append((losses.total, None if prediction is None else prediction.logits))
    (first, logits), (second, again) = found
    assert torch.equal(first, second), f"validation scores {first:g} and then {second:g}"
    if logits is not None and again is not None:
        assert torch.equal(logits, again), "predictions of one batch differ"
    changed = [
        name
        for name, value in objective.state_dict().items()
        if not torch.equal(value, before[name])
    ]
    assert not changed, f"validation changes {', '.join(changed)}"


def saving_and_loading_gives_the_same(case: Case) -> None:
    """State saved and loaded into a new objective gives the same loss, bit for bit."""
    objective, batch = case.build(), case.batch()
    optimizer = torch.optim.SGD(
        [each for each in objective.parameters() if each.requires_grad], lr=1e-3
    )
    objective(batch).total.backward()
    optimizer.step()
    objective.after_step()
    other = case.build(seed=1)
    other.load_state_dict(objective.state_dict())
    totals = []
    with torch.no_grad():
        for each in (objective, other):
            torch.manual_seed(4)
            totals.append(each.eval().validate(batch)[0].total)
    assert torch.equal(*totals), (
        f"scores {totals[0]:g}, and {totals[1]:g} once saved and loaded: something is not in its "
        "state"
    )


def gaps_carry_nothing(case: Case) -> None:
    """Values of samples that were not recorded in one channel change neither loss nor gradient."""
    totals = []
    for scale in (0.0, 1e3):
        objective = case.build()
        batch = change(case.batch(), _with_gap)
        torch.manual_seed(5)
        losses = objective(overwrite(batch, lambda stream: ~stream.is_recorded, scale=scale))
        _is_number(losses)
        if losses.total.requires_grad:
            losses.total.backward()
        slopes = [each.grad for each in objective.parameters() if each.grad is not None]
        assert all(each.isfinite().all() for each in slopes), "a gradient is not finite"
        totals.append((losses.total.detach(), *slopes))
    assert all(map(torch.equal, *totals)), "values in a gap of one channel change the loss"


def a_step_can_be_taken(case: Case) -> None:
    """After a step of the optimiser, and `Objective.after_step`, the loss is still a number."""
    objective, batch = case.build(), case.batch()
    trained = [each for each in objective.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-3)
    for _ in range(3):
        optimizer.zero_grad()
        losses = objective(batch)
        losses.total.backward()
        optimizer.step()
        objective.after_step()
    _is_number(objective(batch))


def _with_gap(stream: StreamBatch) -> StreamBatch:
    is_kept, n_samples = torch.ones_like(stream.is_recorded), stream.signal.shape[-1]
    is_kept[:, 0, n_samples // 4 : n_samples // 2] = False
    return stream.keep(is_kept)


def _without_signal(stream: StreamBatch) -> StreamBatch:
    return stream.keep(torch.zeros_like(stream.is_recorded))


def _build_head(encoder: Encoder, label_set: LabelSet) -> nn.Module:
    return build_head(HeadConfig(hidden=8), dim=encoder.dim, label_set=label_set)


def _is_number(losses: Losses) -> None:
    shape = tuple(losses.total.shape)
    assert shape == (), f"the loss has the shape {shape}, and is not one number"
    assert losses.total.isfinite(), f"the loss is {float(losses.total.detach())}"
    attached = [name for name, part in losses.parts.items() if part.requires_grad]
    assert not attached, f"parts that keep a gradient: {', '.join(attached)}"


def _has_gradient(parameter: Tensor) -> bool:
    return parameter.grad is not None and bool(parameter.grad.any())


OBJECTIVE_CONTRACTS: dict[str, Contract] = {
    each.__name__: each
    for each in (
        settings_are_a_value,
        an_encoder_that_lacks_something_is_refused,
        the_loss_is_a_finite_number,
        gradients_reach_everything_thrown_away,
        a_batch_with_nothing_to_learn_scores_zero,
        evaluation_repeats,
        saving_and_loading_gives_the_same,
        gaps_carry_nothing,
        a_step_can_be_taken,
    )
}
"""What an objective promises."""
