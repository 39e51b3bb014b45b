"""jpeg: the picture compressed and decoded again."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from divergence.errors import InputError, SpecError
from divergence.preparation.picture import Picture
from divergence.preparation.steps.contract import Fields


@dataclass(frozen=True, slots=True)
class Jpeg:
    """Compressed as JPEG by Pillow with this quality (1..100), colours halved, and decoded."""

    word: ClassVar[str] = "jpeg"
    quality: int = 75

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read `{quality}`."""
        fields = Fields(cls.word, value if value is not None else {}, ("quality",))
        quality = fields.number("quality", 75)
        if not 1 <= quality <= 100 or quality != int(quality):
            raise SpecError(f"'jpeg.quality' is a whole number of 1 to 100, got {quality}.")
        return cls(int(quality))

    def document(self) -> Any:
        """Return `{quality}`."""
        return {"quality": self.quality}

    def apply(self, picture: Picture) -> Picture:
        """Compress and decode.

        Raises:
            InputError: the picture does not hold bytes any more.
        """
        from PIL import Image

        if picture.values.dtype != np.uint8:
            raise InputError(
                "Step 'jpeg' compresses bytes; put it before the steps that make other numbers, "
                f"got {picture.values.dtype}."
            )
        plain = picture.arranged("HWC")
        flat = plain.values[:, :, 0] if plain.channels == 1 else plain.values
        buffer = io.BytesIO()
        Image.fromarray(flat).save(buffer, "JPEG", quality=self.quality)
        decoded = np.array(Image.open(buffer)).reshape(plain.values.shape)
        return replace(plain, values=decoded).arranged(picture.axes)
