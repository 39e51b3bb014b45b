"""What the comparison needs to know of an element type, extension types such as bfloat16 too."""

from __future__ import annotations

from functools import cache
from typing import Any

import ml_dtypes
import numpy as np

DType = np.dtype[Any]
_finfo: Any = ml_dtypes.finfo  # without type information
_iinfo: Any = ml_dtypes.iinfo


@cache
def dtype_named(name: str) -> DType:
    """Return the dtype called `name` in numpy's words, or by ml_dtypes ("bfloat16").

    >>> dtype_named("bfloat16").itemsize
    2
    """
    return np.dtype(getattr(ml_dtypes, name, name))


@cache
def is_float(dtype: DType) -> bool:
    """Whether elements are floating point numbers (complex ones are not)."""
    if dtype.kind == "V":
        return _extension_bits(dtype) is None
    return dtype.kind == "f"


@cache
def is_integer(dtype: DType) -> bool:
    """Whether elements are integers or booleans."""
    if dtype.kind == "V":
        return _extension_bits(dtype) is not None
    return dtype.kind in "iub"


@cache
def integer_range(dtype: DType) -> tuple[int, int]:
    """Return the least and the greatest number of an integer type.

    >>> integer_range(np.dtype("int8"))
    (-128, 127)
    """
    found = _iinfo(dtype)
    return int(found.min), int(found.max)


@cache
def is_number(dtype: DType) -> bool:
    """Whether elements can be subtracted: no text, no Python objects, no records."""
    try:
        return is_float(dtype) or is_integer(dtype)
    except ValueError:
        return False


@cache
def epsilon(dtype: DType) -> float:
    """Return the distance from 1 to the next greater number, 0 for integers.

    >>> epsilon(np.dtype("float16")) == 2.0**-10
    True
    """
    return float(_finfo(dtype).eps) if is_float(dtype) else 0.0


@cache
def coarser(first: DType, second: DType) -> DType:
    """Return the type with fewer digits: two values are judged by what it can tell apart.

    Floating point is coarser than integers, which are exact; of two integer types the narrower
    one is returned, of two equally fine ones the first.

    >>> coarser(np.dtype("float32"), np.dtype("float16"))
    dtype('float16')
    >>> coarser(np.dtype("int64"), np.dtype("float32"))
    dtype('float32')
    """
    return max(first, second, key=lambda dtype: (epsilon(dtype), -dtype.itemsize))


def _extension_bits(dtype: DType) -> int | None:
    """Return the width of an integer extension type (int4), None for a floating one."""
    try:
        return int(_iinfo(dtype).bits)
    except ValueError:
        _finfo(dtype)  # raises ValueError where it is neither
        return None
