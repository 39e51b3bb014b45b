"""dtype: the type of the elements."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from divergence.preparation.picture import Picture
from divergence.preparation.steps.contract import word

TYPES = ("float32", "float16", "float64", "uint8", "int8", "int32", "int64")


@dataclass(frozen=True, slots=True)
class DType:
    """The type from here on; numbers with a fraction are rounded (halves to even) and clipped.

    `dtype: uint8` between two steps is how a preparation that rounds to bytes is written, and
    `dtype: float32` before a resize keeps the resized values from being rounded.
    """

    word: ClassVar[str] = "dtype"
    name: str

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read the type's name."""
        return cls(word("dtype", value, TYPES))

    def document(self) -> Any:
        """Return the type's name."""
        return self.name

    def apply(self, picture: Picture) -> Picture:
        """Convert."""
        values, target = picture.values, np.dtype(self.name)
        if target.kind in "iu":
            limits = np.iinfo(target)
            values = np.clip(np.rint(values), limits.min, limits.max)
        return replace(picture, values=values.astype(target))
