"""What both sides are thought to start from: an image, or the reference's own tensor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from divergence.preparation.inference.readings import Reading
from divergence.preparation.inference.recipe import Parts, Recipe, Trial
from divergence.preparation.inference.scaling import KNOWN, Scaling
from divergence.preparation.inference.side import Side, Source, tone_of
from divergence.preparation.picture import Picture, open_image
from divergence.preparation.steps import Decode
from divergence.records import Array

if TYPE_CHECKING:
    from PIL import Image

# The turn that each value of the EXIF orientation asks for.
_EXIF_TAG = 0x0112
_EXIF_TURNS = {
    2: "flip_left_right",
    3: "rotate_180",
    4: "flip_top_bottom",
    5: "transpose",
    6: "rotate_270",
    7: "transverse",
    8: "rotate_90",
}
# Bytes brought back from a tensor are whole to within this, if the normalisation is the right one.
_WHOLE = 0.02


def from_image(image: Path | str | Image.Image, channels: int) -> Source:
    """Return the image's bytes, with as many channels as the tensor has."""
    opened = open_image(image)
    exif = _EXIF_TURNS.get(opened.getexif().get(_EXIF_TAG, 1))
    mode = {1: "L", 4: "RGBA"}.get(channels, "RGB")
    return Source(Decode(mode).open(opened), exif)


def from_tensor(tensor: Array, reading: Reading, scaling: Scaling | None = None) -> Side:
    """Return a tensor as its own source: the bytes that it was normalised from, as they stand.

    scaling: the normalisation where it is known; guessed otherwise.
    """
    planes = reading.planes(tensor)
    order = tuple(range(len(planes)))
    scaling = scaling or guess_scaling(planes)
    tone = tone_of(scaling, order)
    values = np.moveaxis(tone.undo(planes), 0, 2).astype(np.float32)
    colours = {1: "L", 4: "RGBA"}.get(len(planes), "RGB")
    trial = Trial(Parts(()), tone, rms=0.0, worst=0.0, exact=True, certain=True)
    recipe = Recipe(None, trial, reading, str(tensor.dtype))
    return Side(recipe, scaling, Source(Picture(values, "HWC", colours)))


def guess_scaling(planes: Array) -> Scaling:
    """Return the normalisation in wide use that makes bytes of the planes again.

    Preferred is one under which all values are whole numbers of 0 to 255; among others, the one
    that fills that range best.
    """
    channels = len(planes)
    best, fill = _scaling(1 / 255, KNOWN[0], channels), -1.0
    for factor, pair in [(1.0, KNOWN[0]), *((1 / 255, pair) for pair in KNOWN)]:
        scaling = _scaling(factor, pair, channels)
        values = tone_of(scaling, tuple(range(channels))).undo(planes)
        low, high = float(values.min()), float(values.max())
        if low < -0.5 or high > 255.5:
            continue
        sample = values.ravel()[:: max(1, values.size // 20_000)]
        whole = float(np.abs(sample - np.rint(sample)).mean()) < _WHOLE and high > 2
        filled = (high - low) / 255 + (1.0 if whole else 0.0)
        if filled > fill + 1e-6:
            best, fill = scaling, filled
    return best


def _scaling(
    factor: float, pair: tuple[tuple[float, ...], tuple[float, ...]], channels: int
) -> Scaling:
    mean, std = (tuple(float(v) for v in np.resize(numbers, channels)) for numbers in pair)
    return Scaling(factor, mean, std)
