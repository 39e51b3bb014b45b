"""gamma: a power curve."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from divergence.errors import SpecError
from divergence.preparation.picture import Picture
from divergence.preparation.steps.contract import Fields, plain
from divergence.records import Array


@dataclass(frozen=True, slots=True)
class Gamma:
    """`white * (value / white) ** power`; bytes are rounded to bytes again.

    white: the value that stays as it is: 255 for bytes, 1 after a scale to [0, 1].
    """

    word: ClassVar[str] = "gamma"
    power: float
    white: float = 255.0

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read a power, or `{power, white}`."""
        document = {"power": value} if not isinstance(value, dict) else value
        fields = Fields(cls.word, document, ("power", "white"))
        power, white = fields.number("power", 1.0), fields.number("white", 255.0)
        if power <= 0 or white <= 0:
            raise SpecError(f"'gamma' takes a power and a white above 0, got {power} and {white}.")
        return cls(power, white)

    def document(self) -> Any:
        """Return `{power, white}`."""
        return {"power": plain((self.power,)), "white": plain((self.white,))}

    def apply(self, picture: Picture) -> Picture:
        """Apply the curve; negative values, which have no power, count as 0."""
        values = picture.values
        if values.dtype != np.uint8:
            return replace(picture, values=self._curve(values).astype(np.float32))
        table = np.clip(np.rint(self._curve(np.arange(256))), 0, 255).astype(np.uint8)
        return replace(picture, values=table[values])

    def _curve(self, values: Array) -> Array:
        share = np.maximum(values.astype(np.float64), 0) / self.white
        return np.asarray(self.white * share**self.power)
