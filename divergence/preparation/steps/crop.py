"""crop: a window of the picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from divergence.errors import InputError, SpecError
from divergence.preparation.picture import Picture
from divergence.preparation.steps.contract import Fields, number, plain, word

PLACES = ("center", "center-floor", "top-left")


@dataclass(frozen=True, slots=True)
class Crop:
    """A window of `size` (height, width), or a square that is a share of the shorter side.

    size: pixels; the picture must not be smaller, unless `outside` says what stands there.
    share: 0 < share <= 1. The window is a square of ceil(share * shorter side): what timm
    calls `crop_pct`, so that after `resize: {shortest: floor(S / share)}` it is S x S exactly.
    at: center, center-floor, top-left, or [top, left] in pixels. In the centre, the offset is
    round((length - size) / 2), halves to even, as torchvision's CenterCrop has it;
    center-floor: (length - size) // 2, as transformers has it.
    outside: the value of what the window shows beyond the picture, in the units that the picture
    has at this step. An odd pixel of it goes below and to the right, as in torchvision;
    center-floor: above and to the left.
    """

    word: ClassVar[str] = "crop"
    size: tuple[int, int] | None = None
    share: float | None = None
    at: str | tuple[int, int] = "center"
    outside: float | None = None

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read `{size | share, at, outside}`."""
        fields = Fields(cls.word, value, ("size", "share", "at", "outside"))
        place = parse_place("crop.at", fields.raw("at", "center"), PLACES)
        if fields.exactly_one("size", "share") == "size":
            outside = fields.number("outside", 0) if fields.has("outside") else None
            return cls(size=fields.size("size"), at=place, outside=outside)
        if fields.has("outside"):
            raise SpecError("'crop.outside' stands beside size: a share is never larger than 1.")
        share = number("crop.share", fields.raw("share"))
        if not 0 < share <= 1:
            raise SpecError(f"'crop.share' is above 0 and at most 1, got {share}.")
        return cls(share=share, at=place)

    def document(self) -> Any:
        """Return `{size | share, at}`, and `outside` where set."""
        at = self.at if isinstance(self.at, str) else list(self.at)
        if self.size is not None:
            beyond = {} if self.outside is None else {"outside": plain((self.outside,))}
            return {"size": list(self.size), "at": at, **beyond}
        return {"share": self.share, "at": at}

    def apply(self, picture: Picture) -> Picture:
        """Cut the window out.

        Raises:
            InputError: the window reaches beyond the picture.
        """
        size = self.window(picture.height, picture.width)
        start = self.offset(picture.height, picture.width)
        window: list[slice] = [slice(None)] * picture.values.ndim
        border = [(0, 0)] * picture.values.ndim
        for axis, first, length in zip("HW", start, size, strict=True):
            place = picture.axes.index(axis)
            there = picture.values.shape[place]
            window[place] = slice(max(0, first), first + length)
            border[place] = (max(0, -first), min(length, max(0, first + length - there)))
        if not np.any(border):
            return replace(picture, values=picture.values[tuple(window)])
        if self.outside is None:
            raise InputError(
                f"Step 'crop' takes {size[0]} x {size[1]} at {start} from a picture of "
                f"{picture.height} x {picture.width}; resize or pad it first, crop less, or say "
                "what stands there (outside: 0)."
            )
        inside = picture.values[tuple(window)]
        return replace(picture, values=np.pad(inside, border, constant_values=self.outside))

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
        """Return the window's top and left, below 0 where it begins outside of the picture."""
        if not isinstance(self.at, str):
            return self.at
        if self.at == "top-left":
            return 0, 0
        rows, columns = self.window(height, width)
        middle = _floored if self.at == "center-floor" else _rounded
        down, right = middle(height - rows), middle(width - columns)
        return (down, right) if self.outside is not None else (max(0, down), max(0, right))


def _rounded(spare: int) -> int:
    return round(spare / 2) if spare >= 0 else -(-spare // 2)


def _floored(spare: int) -> int:
    return spare // 2


def parse_place(name: str, value: object, places: Sequence[str]) -> str | tuple[int, int]:
    """Return a place by its name, or as (top, left) in pixels."""
    if isinstance(value, str):
        return word(name, value, places)
    pixels = list(value) if isinstance(value, Sequence) else []
    if len(pixels) != 2 or not all(isinstance(item, int) and item >= 0 for item in pixels):
        raise SpecError(f"'{name}' is {', '.join(places)} or [top, left] in pixels, got {value!r}.")
    return pixels[0], pixels[1]
