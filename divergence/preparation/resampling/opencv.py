"""OpenCV: `cv2.resize`. No kernel but area (which averages) antialiases."""

from __future__ import annotations

import numpy as np

from divergence.errors import InputError
from divergence.records import Array

ANTIALIAS: dict[str, tuple[bool, ...]] = {
    "nearest": (False, True),
    "bilinear": (False,),
    "bicubic": (False,),
    "lanczos": (False,),
    "area": (True, False),
}


def resample(
    values: Array, size: tuple[int, int], kernel: str, antialias: bool, align_corners: bool
) -> Array:
    """Resize bytes (OpenCV rounds to bytes) or float32.

    Raises:
        InputError: OpenCV is not installed.
    """
    del antialias, align_corners  # settled by the kernel
    try:
        import cv2
    except ImportError:
        raise InputError(
            "This preparation resizes with OpenCV, which is not installed; "
            "`pip install opencv-python-headless`, or choose `library: pillow`."
        ) from None
    method = {
        "nearest": cv2.INTER_NEAREST,
        "bilinear": cv2.INTER_LINEAR,
        "bicubic": cv2.INTER_CUBIC,
        "lanczos": cv2.INTER_LANCZOS4,
        "area": cv2.INTER_AREA,
    }[kernel]
    if values.dtype != np.uint8:
        values = values.astype(np.float32)
    contiguous = np.ascontiguousarray(values)
    resized = np.asarray(cv2.resize(contiguous, (size[1], size[0]), interpolation=method))
    return resized.reshape(*size, values.shape[2])
