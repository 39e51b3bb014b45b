"""How far two outputs are apart, by a measure that no column of a table can hide in."""

from __future__ import annotations

import numpy as np

from divergence.diagnose.distance import errors
from divergence.postprocess.slices import column_axis
from divergence.records import Array

# Rounding of float32 through a post-processing: below it there is nothing to explain.
ROUNDING = 1e-5
# A float16 file differs by about 2**-11 of each value, and more behind an exponential.
SAME = 2e-3
# A few elements may be this much further off than the root mean square of all.
_OUTLIER = 10.0
# Columns with fewer rows say too little about their own scale.
_FEWEST_ROWS = 16
# A column's scale is at least this share of the whole array's.
_LEAST_SHARE = 0.02
# Shares of one may go beyond it in a file of another precision.
_MOST_SHARE = 1.01


def residual(reference: Array, candidate: Array) -> float:
    """Return the difference as a share of the scale, in the worst column; 0 where equal.

    The greater of the root mean square error and a tenth of the greatest error, each in units of
    the column's greatest magnitude, so that scores beside pixels count as much as these. inf for
    other shapes or where one side alone is not finite.
    """
    error = errors(reference, candidate)
    if error is None:
        return float("inf")
    if not error.any():
        return 0.0
    columns, ours, theirs = (_columns(v) for v in (error, reference, candidate))
    shares = columns / _scales(ours, theirs)[:, None]
    typical = np.sqrt(np.mean(shares**2, axis=1))
    return float(np.maximum(typical, shares.max(axis=1) / _OUTLIER).max())


def scale(value: Array) -> float:
    """Return the greatest finite magnitude."""
    magnitude = np.abs(value.astype(np.float64))
    return float(magnitude[np.isfinite(magnitude)].max(initial=0.0))


def _columns(value: Array) -> Array:
    """Return one row for each column of a table, or a single one for the whole."""
    axis = column_axis(value.shape)
    if axis is None or value.size // value.shape[axis] < _FEWEST_ROWS:
        return value.astype(np.float64).reshape(1, -1)
    return np.moveaxis(value, axis, 0).reshape(value.shape[axis], -1).astype(np.float64)


def _scales(ours: Array, theirs: Array) -> Array:
    """Return the scale of each column; those that hold shares of one have one in common."""
    both = np.where(np.isfinite(ours), ours, 0), np.where(np.isfinite(theirs), theirs, 0)
    low = np.minimum(both[0].min(1), both[1].min(1))
    high = np.maximum(both[0].max(1), both[1].max(1))
    own = np.maximum(np.abs(low), np.abs(high))
    shares = (low >= 0) & (high <= _MOST_SHARE)
    scales = np.maximum(own, _LEAST_SHARE * own.max(initial=0.0))
    scales[shares] = own[shares].max(initial=0.0)
    return np.asarray(np.maximum(scales, 1e-12))
