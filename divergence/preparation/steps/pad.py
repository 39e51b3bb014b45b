"""pad: a border around the picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from divergence.errors import InputError, SpecError
from divergence.preparation.picture import Picture
from divergence.preparation.steps.contract import Fields, numbers, plain
from divergence.preparation.steps.crop import parse_place

PLACES = ("center", "top-left", "bottom-right")


@dataclass(frozen=True, slots=True)
class Pad:
    """A border up to the size `to` (height, width); the picture must not be larger.

    value: one number, one for each channel, or "edge" (the outermost pixels repeated), in the
    units that the picture has at this step.
    at: where the picture stands: center (an odd pixel goes below and to the right, as in
    ultralytics' LetterBox), top-left (all border below and to the right), bottom-right, or
    [top, left] in pixels.
    """

    word: ClassVar[str] = "pad"
    to: tuple[int, int]
    value: tuple[float, ...] | str = (114.0,)
    at: str | tuple[int, int] = "center"

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read `{to, value, at}`."""
        fields = Fields(cls.word, value, ("to", "value", "at"))
        filling = fields.raw("value", 114)
        if isinstance(filling, str) and filling != "edge":
            raise SpecError(
                f"'pad.value' is a number, one for each channel, or edge, got {filling!r}."
            )
        return cls(
            to=fields.size("to"),
            value="edge" if filling == "edge" else numbers("pad.value", filling),
            at=parse_place("pad.at", fields.raw("at", "center"), PLACES),
        )

    def document(self) -> Any:
        """Return `{to, value, at}`."""
        value = self.value if isinstance(self.value, str) else plain(self.value)
        at = self.at if isinstance(self.at, str) else list(self.at)
        return {"to": list(self.to), "value": value, "at": at}

    def apply(self, picture: Picture) -> Picture:
        """Add the border.

        Raises:
            InputError: the picture is larger than `to`.
        """
        top, left = self.offset(picture.height, picture.width)
        bottom = self.to[0] - picture.height - top
        right = self.to[1] - picture.width - left
        if min(top, left, bottom, right) < 0:
            raise InputError(
                f"Step 'pad' cannot fit a picture of {picture.height} x {picture.width} at "
                f"({top}, {left}) into {self.to[0]} x {self.to[1]}; resize it first."
            )
        border = [(0, 0)] * picture.values.ndim
        border[picture.axes.index("H")] = (top, bottom)
        border[picture.axes.index("W")] = (left, right)
        values = np.pad(picture.values, border, mode="edge")
        if not isinstance(self.value, str):
            values = self._fill(picture, values, top, left)
        return replace(picture, values=values)

    def offset(self, height: int, width: int) -> tuple[int, int]:
        """Return where the picture's first row and column go."""
        if not isinstance(self.at, str):
            return self.at
        rows, columns = self.to[0] - height, self.to[1] - width
        if self.at == "top-left":
            return 0, 0
        return (rows, columns) if self.at == "bottom-right" else (rows // 2, columns // 2)

    def _fill(self, picture: Picture, padded: np.ndarray, top: int, left: int) -> np.ndarray:
        """Write the value over the border that `np.pad` made."""
        assert not isinstance(self.value, str)
        inside = [slice(None)] * padded.ndim
        inside[picture.axes.index("H")] = slice(top, top + picture.height)
        inside[picture.axes.index("W")] = slice(left, left + picture.width)
        filled = np.empty_like(padded)
        filled[...] = picture.per_channel(self.value, self.word).astype(padded.dtype)
        filled[tuple(inside)] = picture.values
        return filled
