"""dtype: the type of the elements."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from divergence.preparation.picture import Picture
from divergence.preparation.steps.contract import Fields, word

TYPES = ("float32", "float16", "float64", "uint8", "int8", "int32", "int64")
ROUNDINGS = ("nearest", "down")


@dataclass(frozen=True, slots=True)
class DType:
    """The type from here on; a whole-number type clips to its range.

    rounding: how a fraction becomes a whole number: "nearest" (halves to even), or "down"
    towards zero, as numpy's `astype` cuts it off.

    `dtype: uint8` between two steps is how a preparation that rounds to bytes is written, and
    `dtype: float32` before a resize keeps the resized values from being rounded.
    """

    word: ClassVar[str] = "dtype"
    name: str
    rounding: str = "nearest"

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read the type's name, or `{name, rounding}`."""
        if isinstance(value, str):
            return cls(word("dtype", value, TYPES))
        fields = Fields(cls.word, value, ("name", "rounding"))
        name = fields.choice("name", TYPES, "")
        return cls(name, fields.choice("rounding", ROUNDINGS, "nearest"))

    def document(self) -> Any:
        """Return the type's name, or `{name, rounding}` where it does not round to nearest."""
        if self.rounding == "nearest":
            return self.name
        return {"name": self.name, "rounding": self.rounding}

    def apply(self, picture: Picture) -> Picture:
        """Convert."""
        values, target = picture.values, np.dtype(self.name)
        if target.kind in "iu" and values.dtype != target:
            limits = np.iinfo(target)
            whole = np.rint(values) if self.rounding == "nearest" else np.trunc(values)
            values = np.clip(whole, limits.min, limits.max)
        return replace(picture, values=values.astype(target))
