"""PyTorch: `torch.nn.functional.interpolate`, which torchvision calls for tensors."""

from __future__ import annotations

import numpy as np

from divergence.records import Array

ANTIALIAS: dict[str, tuple[bool, ...]] = {
    "nearest": (False, True),
    "bilinear": (False, True),
    "bicubic": (False, True),
    "area": (True, False),
}
# The kernels that PyTorch itself computes on bytes; area is computed on floats and rounded.
_ON_BYTES = ("nearest", "bilinear", "bicubic")


def resample(
    values: Array, size: tuple[int, int], kernel: str, antialias: bool, align_corners: bool
) -> Array:
    """Resize bytes (rounded to bytes) or float32; align_corners for bilinear and bicubic alone."""
    import torch

    as_bytes = values.dtype == np.uint8
    kept = values if as_bytes and kernel in _ON_BYTES else values.astype(np.float32)
    smooth = kernel in ("bilinear", "bicubic")
    resized = torch.nn.functional.interpolate(
        torch.from_numpy(np.ascontiguousarray(kept)).permute(2, 0, 1)[None],
        size=list(size),
        mode=kernel,
        align_corners=align_corners if smooth else None,
        antialias=antialias and smooth,
    )[0].permute(1, 2, 0)
    result: Array = resized.contiguous().numpy()
    if as_bytes and result.dtype != np.uint8:
        return np.clip(np.rint(result), 0, 255).astype(np.uint8)
    return result
