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


@_sums
def sums(
    reference: Any, candidate: Any, errors: Any
) -> tuple[float, float, float, float, float, float, int]:
    """Return the sums of r^2, c^2, e^2, r c and e, the greatest e, and how many r != c."""
    reference_squared = candidate_squared = error_squared = product = total = 0.0
    greatest = np.int64(0)
    mismatched: Any = 0
    for i in range(reference.size):
        r, c = np.float64(reference[i]), np.float64(candidate[i])
        e = abs(r - c) if errors is None else errors[i]
        reference_squared += r * r
        candidate_squared += c * c
        error_squared += e * e
        product += r * c
        total += e
        greatest = max(greatest, np.float64(e).view(np.int64))
        mismatched += r != c
    return (
        reference_squared,
        candidate_squared,
        error_squared,
        product,
        total,
        np.int64(greatest).view(np.float64),
        mismatched,
    )


@compiled
def greatest_relative(reference: Any, candidate: Any, errors: Any) -> float:
    """Return the greatest e / |r| where r is not zero; NaN where it always is."""
    greatest = np.int64(-1)  # the bits of a NaN
    for i in range(reference.size):
        r = np.float64(reference[i])
        e = abs(r - np.float64(candidate[i])) if errors is None else errors[i]
        bits = np.float64(e / abs(r)).view(np.int64)
        greatest = max(greatest, bits if r != 0 else np.int64(-1))
    return np.int64(greatest).view(np.float64)


@compiled
def first_of(reference: Any, candidate: Any, errors: Any, error: float) -> int:
    """Return the first position with this error, -1 where there is none."""
    start, step = 0, 512
    while start < reference.size:  # a stretch is counted in one go, and searched if it holds one
        end = min(start + step, reference.size)
        held: Any = 0
        for i in range(start, end):
            r = np.float64(reference[i])
            e = abs(r - np.float64(candidate[i])) if errors is None else errors[i]
            held += e == error
        step = step if not held else step // 2
        start = start if held else end
        if held and step == 0:
            return int(start)
    return -1


@compiled
def count_beyond(reference: Any, candidate: Any, errors: Any, rtol: float, atol: float) -> int:
    """Return how many e > atol + rtol |r|."""
    count: Any = 0
    for i in range(reference.size):
        r = np.float64(reference[i])
        e = abs(r - np.float64(candidate[i])) if errors is None else errors[i]
        count += e > atol + rtol * abs(r)
    return int(count)


@compiled
def greatest_excesses(
    reference: Any, candidate: Any, errors: Any, rtols: tuple[float, float, float]
) -> tuple[float, float, float]:
    """Return for each rtol the greatest e - rtol |r|, 0 where none is above."""
    first = second = third = np.int64(0)
    for i in range(reference.size):
        r = np.float64(reference[i])
        e = abs(r - np.float64(candidate[i])) if errors is None else errors[i]
        first = max(first, np.float64(e - rtols[0] * abs(r)).view(np.int64))
        second = max(second, np.float64(e - rtols[1] * abs(r)).view(np.int64))
        third = max(third, np.float64(e - rtols[2] * abs(r)).view(np.int64))
    return (
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
