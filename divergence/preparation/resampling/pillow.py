"""Pillow: `Image.resize`. Every kernel but nearest widens with the reduction (antialiases)."""

from __future__ import annotations

import numpy as np

from divergence.records import Array

ANTIALIAS: dict[str, tuple[bool, ...]] = {
    "nearest": (False, True),
    "bilinear": (True,),
    "bicubic": (True,),
    "lanczos": (True,),
    "box": (True,),
}


def resample(
    values: Array, size: tuple[int, int], kernel: str, antialias: bool, align_corners: bool
) -> Array:
    """Resize bytes as one image (rounded to bytes), floats one channel at a time (mode F)."""
    from PIL import Image

    del antialias, align_corners  # settled by the kernel
    method = Image.Resampling[kernel.upper()]
    target = (size[1], size[0])
    if values.dtype == np.uint8 and values.shape[2] in (1, 3, 4):
        flat = values[:, :, 0] if values.shape[2] == 1 else values
        resized = np.array(Image.fromarray(flat).resize(target, method))
        return resized.reshape(*size, values.shape[2])
    planes = np.moveaxis(values.astype(np.float32), 2, 0)
    made = [np.array(Image.fromarray(plane).resize(target, method)) for plane in planes]
    return np.stack(made, axis=2)
