"""A part of two large outputs that stands for the whole: the same rows of both."""

from __future__ import annotations

import math

import numpy as np

from divergence.records import Array

# Fewer elements are searched as they are.
LARGE = 2**17
# Axes longer than this are thinned, to about half of it: batches, channels and boxes are shorter.
_LONG = 256


def thinned(reference: Array, candidate: Array) -> tuple[Array, Array] | None:
    """Return both with each long axis thinned alike; None where they are small, or unlike.

    Elementwise functions, units, orders of axes and of channels show in a part; an order of rows
    and functions along a long axis do not.
    """
    if max(reference.size, candidate.size) < LARGE or reference.ndim != candidate.ndim:
        return None
    if sorted(reference.shape) != sorted(candidate.shape):
        return None
    return _part(reference), _part(candidate)


def _part(value: Array) -> Array:
    steps = (math.ceil(2 * size / _LONG) if size > _LONG else 1 for size in value.shape)
    return np.ascontiguousarray(value[tuple(slice(None, None, step) for step in steps)])
