"""How finely a tensor's values are written, which may be coarser than its type."""

from __future__ import annotations

import numpy as np

from divergence.records import Array

_FLOAT32 = float(np.finfo(np.float32).eps)
_FLOAT16 = float(np.finfo(np.float16).eps)
_BFLOAT16 = 2.0**-7


def epsilon(tensor: Array) -> float:
    """Return the relative step between neighbouring values, 0 for whole numbers.

    A float32 tensor that was in float16 or bfloat16 on its way has the steps of that type.

    >>> epsilon(np.float32([0.1, 2.5]).astype(np.float16).astype(np.float32)) == 2.0**-10
    True
    """
    if tensor.dtype.kind != "f":
        return 0.0
    own = float(np.finfo(tensor.dtype).eps)
    if own > _FLOAT32 or _whole(tensor):
        return max(own, _FLOAT32)
    values = tensor.astype(np.float32)
    if np.array_equal(_as_float16(values), values, equal_nan=True):
        return _FLOAT16
    if not np.any(np.ascontiguousarray(values).view(np.uint32) & 0xFFFF):
        return _BFLOAT16
    return _FLOAT32


def _whole(tensor: Array) -> bool:
    """Say whether all values are whole numbers: those of bytes are exact in any type."""
    return bool(np.array_equal(tensor, np.rint(tensor)))


def _as_float16(values: Array) -> Array:
    with np.errstate(over="ignore"):
        return values.astype(np.float16).astype(np.float32)
