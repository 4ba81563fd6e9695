"""Reads drawings back: paths as points in millimetres, words as they stand on the sheet."""

import re
from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np

SVG = "{http://www.w3.org/2000/svg}"


@dataclass
class Drawn:
    """An SVG that has been parsed."""

    root: ElementTree.Element

    @property
    def words(self) -> list[str]:
        return [each.text or "" for each in self.root.iter(f"{SVG}text")]

    def place(self, words: str) -> tuple[float, float]:
        """Where a text begins."""
        (found,) = [each for each in self.root.iter(f"{SVG}text") if each.text == words]
        return float(found.get("x", "nan")), float(found.get("y", "nan"))

    def of_class(self, name: str) -> list[ElementTree.Element]:
        return [each for each in self.root.iter() if name in (each.get("class") or "").split()]

    def channel(self, name: str) -> list[np.ndarray]:
        """Points of every line of a channel."""
        found = self.root.iter(f"{SVG}path")
        return [points(each.get("d", "")) for each in found if each.get("data-channel") == name]

    def series(self, group: int | None = None) -> list[ElementTree.Element]:
        found = self.of_class("series")
        return [each for each in found if group is None or each.get("data-group") == str(group)]


def read_svg(drawing: object) -> Drawn:
    return Drawn(ElementTree.fromstring(str(drawing)))


def points(d: str) -> np.ndarray:
    """Points of a path of absolute moves and relative lines; a row of NaN between pieces."""
    found: list[tuple[float, float]] = []
    for piece in re.findall(r"M[^M]*", d):
        start, _, steps = piece[1:].partition("l")
        move = np.array([numbers(start)])
        walked = np.array(numbers(steps)).reshape(-1, 2).cumsum(axis=0)
        found += [(np.nan, np.nan), *map(tuple, np.concatenate([move, move + walked]))]
    return np.array(found[1:])


def boxes(d: str) -> np.ndarray:
    """x, y, width and height of each box of a path."""
    pattern = r"M(\S+) (\S+?)h(\S+?)v(\S+?)h"
    return np.array([[float(n) for n in each] for each in re.findall(pattern, d)])


def numbers(words: str) -> list[float]:
    return [float(each) for each in re.findall(r"-?(?:\d+\.?\d*|\.\d+)", words)]
