"""The libraries that resize pictures, one a file, with the same three names in each.

`KERNELS` are the kernels it has, `ANTIALIAS` says per kernel which values of `antialias` it
can do (the default first), and `resample(values, size, kernel, antialias, align_corners)` takes
and returns H, W, C: bytes stay bytes, rounded as the library rounds; floats stay float32.
"""

from divergence.preparation.resampling import opencv, pillow, torch
from divergence.preparation.resampling.contract import Library

LIBRARIES: dict[str, Library] = {"pillow": pillow, "opencv": opencv, "torch": torch}

__all__ = ["LIBRARIES", "Library"]
