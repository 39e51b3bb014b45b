"""scale: (value + offset) * factor."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from divergence.preparation.picture import Picture
from divergence.preparation.steps.contract import Fields, plain


@dataclass(frozen=True, slots=True)
class Scale:
    """`(value + offset) * factor`, for all elements alike; the result is float32.

    Computed in float64 and rounded once, so that a factor of 1/255 gives what dividing by 255
    in float32 gives.
    """

    word: ClassVar[str] = "scale"
    factor: float = 1.0
    offset: float = 0.0

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read `{factor, offset}`."""
        fields = Fields(cls.word, value, ("factor", "offset"))
        return cls(factor=fields.number("factor", 1.0), offset=fields.number("offset", 0.0))

    def document(self) -> Any:
        """Return `{factor, offset}`."""
        return {"factor": plain((self.factor,)), "offset": plain((self.offset,))}

    def apply(self, picture: Picture) -> Picture:
        """Scale the values."""
        scaled = (picture.values.astype(np.float64) + self.offset) * self.factor
        return replace(picture, values=scaled.astype(np.float32))
