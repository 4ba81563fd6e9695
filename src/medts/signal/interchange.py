"""Electrode interchange (lead reversal) and inverted leads, found by reconstructing each lead.

The eight independent leads of an ECG see one heart, so each can be estimated from the seven others
by linear regression, after Kors and van Herpen (J. Electrocardiol. 34 Suppl:147, 2001). If all
leads agree with their estimates much better once two electrodes are thought exchanged, or one lead
turned, that is what is stated. A right-leg electrode on an arm leaves lead II or III flat
(Batchvarov et al., Europace 9:1081, 2007). Left arm against left leg cannot be told, nor V5
against V6: what results is again a usual ECG.

Axes: C leads, P samples of a beat, N hypotheses.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
from jaxtyping import Float

from medts.core.montage import CHEST_LEADS

LEADS = ("I", "II", *CHEST_LEADS)
"""The independent leads of the twelve."""

MARGIN = 0.8
"""By how much the eight correlations must rise together."""

_FLAT = {"right arm": ("II", 0.15), "left arm": ("III", 0.05)}
"""Lead that a right leg exchanged with an arm leaves flat; its least share of the largest."""

_MOMENTS = (
    (0.4744, 0.3078, -0.3697, -0.0794, 0.2380, 0.5154, 0.5835, 0.4878),
    (0.3078, 0.4471, -0.2696, -0.0557, 0.2985, 0.5667, 0.5848, 0.4750),
    (-0.3697, -0.2696, 0.6614, 0.7261, 0.3060, -0.2024, -0.4461, -0.4454),
    (-0.0794, -0.0557, 0.7261, 1.5959, 1.1918, 0.4860, -0.0101, -0.1924),
    (0.2380, 0.2985, 0.3060, 1.1918, 1.4996, 1.1241, 0.6023, 0.2786),
    (0.5154, 0.5667, -0.2024, 0.4860, 1.1241, 1.4435, 1.1249, 0.7390),
    (0.5835, 0.5848, -0.4461, -0.0101, 0.6023, 1.1249, 1.1537, 0.8632),
    (0.4878, 0.4750, -0.4454, -0.1924, 0.2786, 0.7390, 0.8632, 0.7244),
)
"""Covariance of `LEADS` over the median beats of 762 PTB-XL records (folds 1-5)."""


@dataclass(frozen=True)
class Interchange:
    """What seems to be wrong with the electrodes of an ECG; by default nothing.

    Args:
        limb: Exchanged electrodes of the limbs, such as ``right arm and left arm``.
        chest: Exchanged electrodes of the chest, such as ``V1 and V2``.
        inverted: The lead that is upside down.
    """

    limb: str = ""
    chest: str = ""
    inverted: str = ""

    @property
    def words(self) -> str:
        """The exchange as a sentence; empty where there is none."""
        if self.limb or self.chest:
            return f"electrodes seem to be exchanged: {self.limb or self.chest}"
        return ""


def find_interchange(beat: Mapping[str, Float[np.ndarray, "P"]]) -> Interchange:
    """Finds exchanged electrodes or one inverted lead; neither where a lead is missing.

    Args:
        beat: Median beat of each usable lead by its name.
    """
    if any(lead not in beat for lead in LEADS):
        return Interchange()
    signal = np.stack([beat[lead] - np.median(beat[lead]) for lead in LEADS])
    third = signal[1] - signal[0]
    size = {"I": _size(signal[0]), "II": _size(signal[1]), "III": _size(third)}
    # Exchanged electrodes leave III = II - I as it is, an inverted lead does not.
    recorded = beat.get("III", third)
    is_whole = _size(recorded - np.median(recorded) - third) < 0.2 * max(
        size["III"], 0.2 * max(size.values())
    )
    for place, (lead, least) in _FLAT.items():
        if is_whole and size[lead] < least * max(size.values()):
            return Interchange(limb=f"{place} and right leg")
    found, matrices = _hypotheses()
    moments = matrices @ (signal @ signal.T) @ matrices.transpose(0, 2, 1)
    agreement = _agreement(moments)
    for number, each in enumerate(found):
        if not is_whole if each.limb else is_whole and each.inverted in ("I", "II"):
            agreement[number] = -np.inf
    best = int(np.argmax(agreement))
    return found[best] if agreement[best] > agreement[0] + MARGIN else Interchange()


@cache
def _hypotheses() -> tuple[list[Interchange], Float[np.ndarray, "N 8 8"]]:
    """Returns what may have happened, nothing first, and the matrices that undo it."""
    found, matrices = [Interchange()], [np.eye(8)]
    # Potentials of right arm, left arm and left leg against the right arm, in terms of I and II.
    potential = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    for words, order in (
        ("right arm and left arm", (1, 0, 2)),
        ("right arm and left leg", (2, 1, 0)),
        ("right arm, left arm and left leg", (1, 2, 0)),
        ("right arm, left arm and left leg", (2, 0, 1)),
    ):
        moved = potential[list(order)]
        matrix = np.eye(8)
        matrix[:2, :2] = np.linalg.inv(moved[1:] - moved[0])
        found.append(Interchange(limb=words))
        matrices.append(matrix)
    for pair in combinations(range(2, 8), 2):
        matrix = np.eye(8)
        matrix[list(pair)] = matrix[list(pair[::-1])]
        found.append(Interchange(chest=" and ".join(LEADS[row] for row in pair)))
        matrices.append(matrix)
    for row, lead in enumerate(LEADS):
        matrix = np.eye(8)
        matrix[row, row] = -1.0
        found.append(Interchange(inverted=lead))
        matrices.append(matrix)
    return found, np.stack(matrices)


def _agreement(moments: Float[np.ndarray, "N 8 8"]) -> Float[np.ndarray, "N"]:
    """Sums the correlations of all leads with their estimates, given the products of leads."""
    weights = _weights()
    product = np.einsum("ij,nji->ni", weights, moments)
    power = np.einsum("ij,njk,ik->ni", weights, moments, weights)
    own = np.diagonal(moments, axis1=1, axis2=2)
    return (product / np.sqrt(np.maximum(own * power, 1e-24))).sum(axis=1)


@cache
def _weights() -> Float[np.ndarray, "8 8"]:
    """Returns the ridge regression of each lead on the others; zero for the lead itself."""
    moments, weights = np.array(_MOMENTS), np.zeros((8, 8))
    for row in range(8):
        others = np.arange(8) != row
        between = moments[np.ix_(others, others)]
        ridge = 1e-3 * np.trace(between) / 7 * np.eye(7)
        weights[row, others] = np.linalg.solve(between + ridge, moments[others, row])
    return weights


def _size(values: Float[np.ndarray, "P"]) -> float:
    return float(np.sqrt((values**2).mean()))
