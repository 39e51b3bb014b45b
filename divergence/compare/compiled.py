"""The loops over two arrays, compiled by numba: an element is read once for many figures.

In numpy each figure is a pass of its own over memory; a compiled loop keeps them in registers and
takes a tenth of the time (`tests/benchmarks/bench_metrics.py`). A loop is compiled when it first
meets a type, and kept on disk: only the first run after an installation waits for it.

All take flat arrays of one length, float32 or float64: the reference, the candidate, and either
None or the errors where those cannot be had by subtracting in float64. Where an element is not
finite, the sums are not either, and the rest has no meaning. The greatest of numbers that are not
negative is found by their bits, which are in the same order and need no care for NaN.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numba import njit


def compiled(function: Any, **options: Any) -> Any:
    """Return the function compiled, kept on disk where there is a place that may be written."""
    options |= {"nogil": True, "error_model": "numpy"}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # neither this folder nor the user's cache
        return njit(**options)(function)


# Sums may be taken in any order, several at a time; NaN and infinities stay what they are.
_sums: Any = partial(compiled, fastmath={"reassoc", "contract", "nsz"})


# Elements whose greatest error is known, so that its place is soon found.
STRETCH = 4096


@_sums
def sums(
    reference: Any, candidate: Any, errors: Any
) -> tuple[float, float, float, float, float, float, int, int]:
    """Return the sums of r^2, c^2, e^2, r c and e, the greatest e, how many r != c, and a place.

    The place is where the first stretch with the greatest error starts.
    """
    reference_squared = candidate_squared = error_squared = product = total = 0.0
    greatest = np.int64(0)
    mismatched: Any = 0
    place = 0
    for start in range(0, reference.size, STRETCH):
        ours, theirs = reference[start : start + STRETCH], candidate[start : start + STRETCH]
        # Sums of their own: into those above a loop would not add several at a time.
        rr = cc = ee = rc = te = 0.0
        top = np.int64(0)
        apart: Any = 0
        for i in range(ours.size):
            r, c = np.float64(ours[i]), np.float64(theirs[i])
            e = abs(r - c) if errors is None else errors[start + i]
            rr += r * r
            cc += c * c
            ee += e * e
            rc += r * c
            te += e
            top = max(top, np.float64(e).view(np.int64))
            apart += r != c
        reference_squared += rr
        candidate_squared += cc
        error_squared += ee
        product += rc
        total += te
        mismatched += apart
        if top > greatest:
            greatest, place = top, start
    return (
        reference_squared,
        candidate_squared,
        error_squared,
        product,
        total,
        np.int64(greatest).view(np.float64),
        mismatched,
        place,
    )


@compiled
def first_of(reference: Any, candidate: Any, errors: Any, start: int, error: float) -> int:
    """Return the first position from `start` on with this error, -1 where there is none."""
    for i in range(start, reference.size):
        r = np.float64(reference[i])
        e = abs(r - np.float64(candidate[i])) if errors is None else errors[i]
        if e == error:
            return int(i)
    return -1


@compiled
def relations(
    reference: Any,
    candidate: Any,
    errors: Any,
    rtol: float,
    atol: float,
    rtols: tuple[float, float, float],
) -> tuple[float, int, float, float, float]:
    """Return the greatest e / |r|, how many e > atol + rtol |r|, the greatest e - rtols |r|.

    The first is NaN where r is always zero, the last three are 0 where none is above.
    """
    relative = np.int64(-1)  # the bits of a NaN
    first = second = third = np.int64(0)
    count: Any = 0
    for i in range(reference.size):
        r = np.float64(reference[i])
        e = abs(r - np.float64(candidate[i])) if errors is None else errors[i]
        r = abs(r)
        bits = np.float64(e / r).view(np.int64)
        relative = max(relative, bits if r != 0 else np.int64(-1))
        count += e > atol + rtol * r
        first = max(first, np.float64(e - rtols[0] * r).view(np.int64))
        second = max(second, np.float64(e - rtols[1] * r).view(np.int64))
        third = max(third, np.float64(e - rtols[2] * r).view(np.int64))
    return (
        np.int64(relative).view(np.float64),
        int(count),
        np.int64(first).view(np.float64),
        np.int64(second).view(np.float64),
        np.int64(third).view(np.float64),
    )


@compiled
def greatest_magnitude(values: Any) -> float:
    """Return the greatest |x|, 0 of none."""
    greatest = np.int64(0)
    for i in range(values.size):
        greatest = max(greatest, np.float64(abs(values[i])).view(np.int64))
    return np.int64(greatest).view(np.float64)


@compiled
def greatest_distance(reference: Any, candidate: Any, lowest: int) -> int:
    """Return how many floats lie between two at most, from their bits as integers.

    lowest: the least of that integer type. Magnitudes of negative numbers, sign and all, count
    up from there: taken from it they are integers in the order of the numbers, and both zeros
    are 0.
    """
    greatest = np.uint64(0)
    for i in range(reference.size):
        r, c = np.int64(reference[i]), np.int64(candidate[i])
        r = r if r >= 0 else lowest - r
        c = c if c >= 0 else lowest - c
        greatest = max(greatest, np.uint64(max(r, c)) - np.uint64(min(r, c)))
    return int(greatest)
