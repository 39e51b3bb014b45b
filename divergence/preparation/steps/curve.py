"""curve: values looked up on a line through points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np

from divergence.errors import SpecError
from divergence.preparation.picture import Picture
from divergence.preparation.steps.contract import Fields, number, plain

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Curve:
    """Each value replaced by what a line through `points` (value, new value) says.

    Values outside the points take the nearest point's. Bytes are rounded to bytes again.
    """

    word: ClassVar[str] = "curve"
    points: tuple[Point, ...]

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read `{points: [[value, new value], ...]}`, values rising."""
        given = Fields(cls.word, value, ("points",)).raw("points")
        if not isinstance(given, Sequence) or isinstance(given, str) or len(given) < 2:
            raise SpecError(f"'curve.points' is a list of two pairs or more, got {given!r}.")
        if not all(isinstance(pair, Sequence) and len(pair) == 2 for pair in given):
            raise SpecError(f"'curve.points' is a list of [value, new value], got {given!r}.")
        points = tuple((number("curve.points", a), number("curve.points", b)) for a, b in given)
        if any(b[0] <= a[0] for a, b in pairwise(points)):
            raise SpecError(f"'curve.points' rises from value to value, got {given!r}.")
        return cls(points)

    def document(self) -> Any:
        """Return `{points}`."""
        return {"points": [[plain((a,)), plain((b,))] for a, b in self.points]}

    def apply(self, picture: Picture) -> Picture:
        """Look the values up."""
        places, heights = zip(*self.points, strict=True)
        made = np.interp(picture.values.astype(np.float64), places, heights)
        if picture.values.dtype == np.uint8:
            return replace(picture, values=np.clip(np.rint(made), 0, 255).astype(np.uint8))
        return replace(picture, values=made.astype(np.float32))
