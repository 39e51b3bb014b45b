"""Which columns of two outputs hold the same numbers, in whatever order."""

from __future__ import annotations

import numpy as np

from divergence.postprocess.residual import residual
from divergence.records import Array

# Columns that agree this well, sorted, hold the same numbers.
_ALIKE = 1e-2


def by_column(value: Array, axis: int) -> Array:
    """Return an array with a row for each column along `axis`."""
    return np.moveaxis(value, axis, 0).reshape(value.shape[axis], -1)


def alike(reference: Array, candidate: Array, axis: int) -> Array:
    """Return for each column along `axis` whether both sides hold the same numbers there."""
    ours, theirs = (np.sort(by_column(v, axis), axis=1) for v in (reference, candidate))
    return np.array([residual(a, b) <= _ALIKE for a, b in zip(ours, theirs, strict=True)])
