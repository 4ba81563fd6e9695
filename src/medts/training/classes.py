"""Classes without a positive training record: warned of at the start, never stated."""

from collections.abc import Mapping


def without_records(prevalence: Mapping[str, float]) -> tuple[str, ...]:
    """Returns the classes that hold in no training record, in their order.

    Args:
        prevalence: Share of the training records in which each class holds.

    >>> without_records({"SR": 0.5, "AFIB": 0.0})
    ('AFIB',)
    """
    return tuple(name for name, share in prevalence.items() if not share > 0)


def without_records_note(label_set: str, prevalence: Mapping[str, float]) -> str:
    """Returns a sentence that names the classes without a training record; empty if all have one.

    Args:
        label_set: Full name of the label set.
        prevalence: Share of the training records in which each class holds.
    """
    names = without_records(prevalence)
    if not names:
        return ""
    return (
        f"{label_set}: no training record has {', '.join(names)}; the model cannot learn "
        f"{'it' if len(names) == 1 else 'them'} and will never state "
        f"{'it' if len(names) == 1 else 'them'}"
    )
