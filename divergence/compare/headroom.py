"""How far values are from the end of float16's range: what a conversion would do to them."""

from __future__ import annotations

import math

from divergence.records import Floor

HALF_MAXIMUM = 65504.0  # IEEE 754 binary16


def headroom_bits(floor: Floor | None, dtype: str) -> float | None:
    """Return log2(65504 / greatest magnitude): how often the values may double in float16.

    Below zero they overflow. None where the magnitude is not known, or the type is no float.

    >>> headroom_bits(Floor(0.0, 0.0, 0.0, peak=16376.0), "float32")
    2.0
    """
    known = floor is not None and dtype.startswith(("float", "bfloat"))
    if not known or floor is None or not 0 < floor.peak < math.inf:
        return None
    return math.log2(HALF_MAXIMUM / floor.peak)
