"""The picture that passes from step to step, and how one is opened."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from divergence.errors import InputError
from divergence.records import Array

if TYPE_CHECKING:
    from PIL import Image

# Pillow itself warns above this (a file of a few kilobytes can claim any size) and refuses
# twice as much; here one bound holds, with one message.
MAX_PIXELS = 89_478_485


@dataclass(frozen=True, slots=True)
class Picture:
    """Values on their way from a decoded image to a model's input.

    values: bytes after decoding, in the order of `axes`.
    axes: one letter for each axis, out of N, C, H, W; "HWC" until a layout step.
    colours: what the channels hold: "RGB", "BGR", "L", "RGBA".
    """

    values: Array
    axes: str = "HWC"
    colours: str = "RGB"

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.values.shape[self.axes.index("H")])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.values.shape[self.axes.index("W")])

    @property
    def channels(self) -> int:
        """Channels."""
        return int(self.values.shape[self.axes.index("C")])

    def arranged(self, axes: str) -> Picture:
        """Return the picture with its axes in another order; N is added or dropped as asked.

        >>> Picture(np.zeros((4, 5, 3))).arranged("NCHW").values.shape
        (1, 3, 4, 5)
        """
        values, have = self.values, self.axes
        if "N" in have and "N" not in axes:
            values, have = values.take(0, axis=have.index("N")), have.replace("N", "")
        if "N" in axes and "N" not in have:
            values, have = values[np.newaxis], "N" + have
        values = values.transpose([have.index(axis) for axis in axes])
        return replace(self, values=np.ascontiguousarray(values), axes=axes)

    def per_channel(self, numbers: tuple[float, ...], step: str) -> Array:
        """Return one number, or one for each channel, in a shape that broadcasts over `values`.

        Raises:
            InputError: neither one number nor one for each channel.
        """
        if len(numbers) not in (1, self.channels):
            raise InputError(
                f"Step '{step}' has {len(numbers)} numbers for a picture of {self.channels} "
                "channels; give one number or one for each channel."
            )
        shape = [1] * self.values.ndim
        shape[self.axes.index("C")] = len(numbers)
        return np.asarray(numbers, dtype=np.float64).reshape(shape)


def open_image(source: Path | str | Image.Image) -> Image.Image:
    """Return the first frame of an image file, or of a Pillow image, without decoding it yet.

    Raises:
        InputError: no such file, not an image, empty, or larger than `MAX_PIXELS`.
    """
    from PIL import Image, UnidentifiedImageError

    if isinstance(source, Image.Image):
        return _bounded(source, "The image")
    path = Path(source).expanduser()
    if not path.is_file():
        raise InputError(f"There is no image file '{source}'.")
    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None  # the size is checked below, before a pixel is decoded
    try:
        with Image.open(path) as header:
            _bounded(header, f"'{source}'")
        # From memory, so that no file stays open behind an image that is decoded later.
        image = Image.open(io.BytesIO(path.read_bytes()))
    except UnidentifiedImageError:
        raise InputError(
            f"'{source}' is not an image that Pillow can read; give a JPEG, PNG, WebP, TIFF or "
            "BMP file, or prepared values as .npy."
        ) from None
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(f"'{source}' cannot be read as an image: {error}.") from error
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    image.filename = str(source)
    return image


def image_notes(image: Image.Image) -> tuple[str, ...]:
    """Return what a reader of the report should know about the image before it is prepared."""
    frames = int(getattr(image, "n_frames", 1))
    notes = []
    if frames > 1:
        notes.append(f"the image has {frames} frames; the first is used")
    if image.mode.startswith("I"):
        notes.append("the image has 16 bits a channel; the upper 8 are used")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        notes.append("the image is partly transparent; transparency is dropped, not blended")
    return tuple(notes)


def _bounded(image: Image.Image, name: str) -> Image.Image:
    width, height = image.size
    if width == 0 or height == 0:
        raise InputError(f"{name} is empty: {width} x {height} pixels.")
    if width * height > MAX_PIXELS:
        raise InputError(
            f"{name} has {width} x {height} pixels, more than the {MAX_PIXELS:,} that are read; "
            "give a smaller image, or prepared values as .npy."
        )
    return image
