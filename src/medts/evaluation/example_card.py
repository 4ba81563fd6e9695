"""One example record of a report: its drawing, and what the model said beside what is true.

A bar is a predicted probability, the upright tick on it the threshold at which it becomes a
statement. Words, not colour alone, tell what was found, missed or a false alarm.
"""

from dataclasses import dataclass

from medts.core.records import Record
from medts.evaluation.drawing import draw_record, figure_svg
from medts.evaluation.page import text

_N_SHOWN = 8


@dataclass(frozen=True)
class Example:
    """A record with its prediction.

    Args:
        record: As it was recorded.
        probability: Of each class.
        labels: Classes that hold.
        thresholds: Operating points; with none, the most probable class is the statement.
    """

    record: Record
    probability: dict[str, float]
    labels: tuple[str, ...]
    thresholds: dict[str, float]


def example_card(example: Example) -> str:
    """Returns the markup of one example."""
    record = example.record
    facts = [record.record_id, *(f"{name} {value}" for name, value in _person(record).items())]
    drawing = figure_svg(draw_record(record))
    aside = f"<h4>Labels</h4><p>{text(', '.join(example.labels) or 'none of the set')}</p>"
    if record.report:
        aside += f"<h4>Report</h4><blockquote>{text(record.report)}</blockquote>"
    return (
        f'<div class="example"><h3>{text(" · ".join(facts))}</h3>\n'
        f'<div class="drawing">{drawing}</div>\n'
        f'<div class="reading"><div><h4>Predicted probability, with threshold</h4>'
        f"{_bars(example)}</div><div>{aside}</div></div></div>\n"
    )


def _person(record: Record) -> dict[str, str]:
    known = {name: record.facts.get(name) for name in ("age", "sex")}
    return {
        name: f"{value:g}" if isinstance(value, float) else str(value)
        for name, value in known.items()
        if value is not None
    }


def _bars(example: Example) -> str:
    """Returns the likeliest classes and whatever is labelled or stated; the rest folded away."""
    ranked = sorted(example.probability, key=lambda name: -example.probability[name])
    shown = [
        name
        for i, name in enumerate(ranked)
        if i < _N_SHOWN or name in example.labels or _is_stated(example, name)
    ]
    rest = [name for name in ranked if name not in shown]
    markup = f'<ul class="bars">{"".join(_bar(example, name) for name in shown)}</ul>'
    if rest:
        bars = "".join(_bar(example, name) for name in rest)
        markup += (
            f"<details><summary>{len(rest)} more classes, none labelled or stated</summary>"
            f'<ul class="bars">{bars}</ul></details>'
        )
    return markup


def _bar(example: Example, name: str) -> str:
    share = example.probability[name]
    is_stated, is_labelled = _is_stated(example, name), name in example.labels
    classes = " ".join(["is-stated"] * is_stated + ["is-labelled"] * is_labelled)
    tick = ""
    if name in example.thresholds:
        cut = example.thresholds[name]
        tick = (
            f'<span class="tick" style="left:{100 * cut:.1f}%" title="threshold {cut:.3f}"></span>'
        )
    verdict = {
        (True, True): '<span class="verdict found">found</span>',
        (True, False): '<span class="verdict false-alarm">false alarm</span>',
        (False, True): '<span class="verdict missed">missed</span>',
        (False, False): '<span class="verdict"></span>',
    }[is_stated, is_labelled]
    return (
        f'<li class="{classes}"><span class="name" title="{text(name)}">{text(name)}</span>'
        f'<span class="track"><span class="fill" style="width:{100 * share:.1f}%"></span>{tick}'
        f'</span><span class="number">{share:.3f}</span>{verdict}</li>'
    )


def _is_stated(example: Example, name: str) -> bool:
    if not example.thresholds:
        return name == max(example.probability, key=example.probability.__getitem__)
    return name in example.thresholds and example.probability[name] >= example.thresholds[name]
