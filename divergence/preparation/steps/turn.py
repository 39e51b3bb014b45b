"""turn: the picture flipped or turned by quarter turns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from divergence.preparation.picture import Picture
from divergence.preparation.steps.contract import word
from divergence.records import Array

# Pillow's names (Image.Transpose): rotations are counter-clockwise.
TURNS = (
    "flip_left_right",
    "flip_top_bottom",
    "rotate_90",
    "rotate_180",
    "rotate_270",
    "transpose",
    "transverse",
)


@dataclass(frozen=True, slots=True)
class Turn:
    """A flip, a turn by quarter turns counter-clockwise, or a flip at a diagonal."""

    word: ClassVar[str] = "turn"
    way: str

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read one of Pillow's names for transpositions."""
        return cls(word("turn", value, TURNS))

    def document(self) -> Any:
        """Return the name."""
        return self.way

    def apply(self, picture: Picture) -> Picture:
        """Turn the picture."""
        plain = picture.arranged("CHW")
        turned = replace(plain, values=turn_planes(plain.values, self.way))
        return turned.arranged(picture.axes)


def turn_planes(planes: Array, way: str) -> Array:
    """Return planes (..., H, W) turned.

    >>> turn_planes(np.array([[1, 2], [3, 4]]), "rotate_90").tolist()
    [[2, 4], [1, 3]]
    """
    if way.startswith("rotate"):
        return np.rot90(planes, int(way.removeprefix("rotate_")) // 90, axes=(-2, -1))
    if way == "flip_left_right":
        return planes[..., ::-1]
    if way == "flip_top_bottom":
        return planes[..., ::-1, :]
    swapped = np.swapaxes(planes, -2, -1)
    return swapped if way == "transpose" else swapped[..., ::-1, ::-1]


def inverse(way: str) -> str:
    """Return the turn that undoes `way`."""
    return {"rotate_90": "rotate_270", "rotate_270": "rotate_90"}.get(way, way)
