"""decode: from an image file's pixels to bytes in H, W, C."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from divergence.errors import InputError, SpecError
from divergence.preparation.picture import Picture
from divergence.preparation.steps.contract import Fields
from divergence.records import Array

if TYPE_CHECKING:
    from PIL import Image

MODES = ("RGB", "BGR", "L", "RGBA")


@dataclass(frozen=True, slots=True)
class Decode:
    """How an image becomes bytes.

    mode: RGB, BGR, L (one grey channel) or RGBA. A grey image fills three equal channels,
    a palette is looked up, transparency is dropped (not blended), CMYK is converted as Pillow
    does without a colour profile, of 16 bits the upper 8 are used; floating-point images are
    refused. Of an animation the first frame is used.
    exif: the picture is turned as its EXIF orientation says.
    """

    word: ClassVar[str] = "decode"
    mode: str = "RGB"
    exif: bool = True

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read `{mode, exif}`."""
        fields = Fields(cls.word, value if value is not None else {}, ("mode", "exif"))
        return cls(mode=fields.choice("mode", MODES, "RGB"), exif=fields.flag("exif", True))

    def document(self) -> Any:
        """Return `{mode, exif}`."""
        return {"mode": self.mode, "exif": self.exif}

    def open(self, image: Image.Image) -> Picture:
        """Return the image's bytes.

        Raises:
            InputError: truncated data, or a kind of image with no defined bytes.
        """
        from PIL import ImageOps

        try:
            turned = ImageOps.exif_transpose(image) if self.exif else image
            values = self._bytes(turned)
        except (OSError, SyntaxError, ValueError) as error:
            name = getattr(image, "filename", "") or "The image"
            raise InputError(f"{name} cannot be decoded: {error}.") from error
        return Picture(values, "HWC", self.mode)

    def apply(self, picture: Picture) -> Picture:
        """Refuse: a picture is decoded once, by the first step."""
        raise SpecError(f"Step 'decode' must come first, not on a picture of {picture.colours}.")

    def _bytes(self, image: Image.Image) -> Array:
        from PIL import Image

        if image.mode.startswith("I"):
            wide = np.asarray(image).astype(np.int64)
            if wide.min() < 0 or wide.max() > 0xFFFF:
                raise InputError(
                    f"The image holds 32-bit values ({wide.min()} to {wide.max()}); convert it to "
                    "8 or 16 bits first."
                )
            image = Image.fromarray((wide >> 8).astype(np.uint8))
        elif image.mode == "F":
            raise InputError(
                "The image holds floating-point values, which have no defined bytes; convert it "
                "to 8 bits first, or give prepared values as .npy."
            )
        values = np.array(image.convert("RGB" if self.mode == "BGR" else self.mode))
        if values.ndim == 2:
            values = values[:, :, np.newaxis]
        return np.ascontiguousarray(values[:, :, ::-1]) if self.mode == "BGR" else values
