"""What tolerances a pair needs: with it a run is judged again without its values.

An element passes where error <= atol + rtol * |reference|, so at a given rtol a pair needs

    atol >= max(error - rtol * |reference|)

which is convex and falls as rtol rises. Kept at a few rtol, it answers at those exactly and
between them by the chord, which is never too small.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from divergence.compare.tolerance import RTOLS


def together(found: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    """Return what all blocks need."""
    return tuple(max(column) for column in zip(*found, strict=True))


def needed_atol(rtol: float, max_abs: float, needed: Sequence[float]) -> float:
    """Return the least atol with which a pair surely passes at `rtol`.

    max_abs, needed: as in `records.Metrics`; where `needed` is empty, max_abs is the answer.

    >>> needed_atol(1e-3, 0.5, (0.4, 0.1, 0.0)), needed_atol(0.5, 0.5, (0.4, 0.1, 0.0))
    (0.1, 0.0)
    >>> round(needed_atol(5.5e-3, 0.5, (0.4, 0.1, 0.0)), 6)
    0.05
    """
    curve = [(0.0, max_abs), *zip(RTOLS[: len(needed)], needed, strict=False)]
    place = bisect_right([at for at, _ in curve], rtol) - 1
    if place == len(curve) - 1:
        return curve[-1][1]
    (left, before), (right, after) = curve[place : place + 2]
    return before + (after - before) * (rtol - left) / (right - left)
