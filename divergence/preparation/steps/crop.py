"""crop: a window of the picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from divergence.errors import InputError, SpecError
from divergence.preparation.picture import Picture
from divergence.preparation.steps.contract import Fields, number, word

PLACES = ("center", "top-left")


@dataclass(frozen=True, slots=True)
class Crop:
    """A window of `size` (height, width), or a square that is a share of the shorter side.

    size: pixels; the picture must not be smaller.
    share: 0 < share <= 1. The window is a square of ceil(share * shorter side): what timm
    calls `crop_pct`, so that after `resize: {shortest: floor(S / share)}` it is S x S exactly.
    at: center, top-left, or [top, left] in pixels. In the centre, the offset is
    round((length - size) / 2), halves to even, as torchvision's CenterCrop has it.
    """

    word: ClassVar[str] = "crop"
    size: tuple[int, int] | None = None
    share: float | None = None
    at: str | tuple[int, int] = "center"

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read `{size | share, at}`."""
        fields = Fields(cls.word, value, ("size", "share", "at"))
        place = parse_place("crop.at", fields.raw("at", "center"), PLACES)
        if fields.exactly_one("size", "share") == "size":
            return cls(size=fields.size("size"), at=place)
        share = number("crop.share", fields.raw("share"))
        if not 0 < share <= 1:
            raise SpecError(f"'crop.share' is above 0 and at most 1, got {share}.")
        return cls(share=share, at=place)

    def document(self) -> Any:
        """Return `{size | share, at}`."""
        at = self.at if isinstance(self.at, str) else list(self.at)
        if self.size is not None:
            return {"size": list(self.size), "at": at}
        return {"share": self.share, "at": at}

    def apply(self, picture: Picture) -> Picture:
        """Cut the window out.

        Raises:
            InputError: the window reaches beyond the picture.
        """
        height, width = self.window(picture.height, picture.width)
        top, left = self.offset(picture.height, picture.width)
        if top + height > picture.height or left + width > picture.width:
            raise InputError(
                f"Step 'crop' takes {height} x {width} at ({top}, {left}) from a picture of "
                f"{picture.height} x {picture.width}; resize or pad it first, or crop less."
            )
        window = [slice(None)] * picture.values.ndim
        window[picture.axes.index("H")] = slice(top, top + height)
        window[picture.axes.index("W")] = slice(left, left + width)
        return replace(picture, values=picture.values[tuple(window)])

    def window(self, height: int, width: int) -> tuple[int, int]:
        """Return the window's height and width for a picture of this size.

        >>> Crop(share=0.9).window(248, 300), Crop(share=0.875).window(256, 256)
        ((224, 224), (224, 224))
        """
        if self.size is not None:
            return self.size
        assert self.share is not None
        # 256 * 0.875 may come out a hair above 224 for other shares: no extra pixel for that.
        side = max(1, math.ceil(self.share * min(height, width) - 1e-6))
        return side, side

    def offset(self, height: int, width: int) -> tuple[int, int]:
        """Return the window's top and left."""
        if not isinstance(self.at, str):
            return self.at
        if self.at == "top-left":
            return 0, 0
        rows, columns = self.window(height, width)
        return max(0, round((height - rows) / 2)), max(0, round((width - columns) / 2))


def parse_place(name: str, value: object, places: Sequence[str]) -> str | tuple[int, int]:
    """Return a place by its name, or as (top, left) in pixels."""
    if isinstance(value, str):
        return word(name, value, places)
    pixels = list(value) if isinstance(value, Sequence) else []
    if len(pixels) != 2 or not all(isinstance(item, int) and item >= 0 for item in pixels):
        raise SpecError(f"'{name}' is {', '.join(places)} or [top, left] in pixels, got {value!r}.")
    return pixels[0], pixels[1]
