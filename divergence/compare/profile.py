"""Where and how two values differ, reduced to what a reader can take in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from divergence.compare.alignment import AlignmentError
from divergence.compare.measure import comparable
from divergence.records import Array, Profile

BINS = 40  # of a histogram
STRETCHES = 96  # along one axis
PIXELS = 48  # along each side of a picture
SAMPLE = 2**20  # elements that a histogram is made of; more would not change how it looks

Float64 = NDArray[np.float64]


def profile(reference: Array, candidate: Array) -> Profile | None:
    """Return the profile of two values of one shape; None where they cannot be subtracted.

    >>> profile(np.zeros((1, 3, 2, 2)), np.eye(2) * np.ones((1, 3, 2, 2))).picture
    ((1.0, 0.0), (0.0, 1.0))
    """
    try:
        ours, theirs = comparable(reference, candidate)
    except AlignmentError:
        return None
    if not ours.size:
        return None
    ours, theirs = ours.astype(np.float64), theirs.astype(np.float64)
    with np.errstate(invalid="ignore"):  # inf - inf, where both agree
        error = np.where(ours == theirs, 0.0, np.abs(ours - theirs))
    error = np.where(np.isnan(error), np.where(np.isnan(ours) & np.isnan(theirs), 0, np.inf), error)
    edges, counts = _histograms(ours, theirs)
    return Profile(
        shape=tuple(ours.shape),
        edges=edges,
        reference_counts=counts[0],
        candidate_counts=counts[1],
        along=tuple((axis, _along(error, axis)) for axis in _axes(error.shape)),
        picture=_picture(error),
    )


def _histograms(*values: Float64) -> tuple[tuple[float, ...], list[tuple[int, ...]]]:
    """Return the edges and, for each value, how many of its finite elements lie between them."""
    drawn = []
    for value in values:
        flat = value.ravel()[:: 1 + value.size // SAMPLE]
        drawn.append(flat[np.isfinite(flat)])
    edges = np.histogram_bin_edges(np.concatenate(drawn), BINS)
    counts = [np.histogram(flat, edges)[0] for flat in drawn]
    return _figures(edges), [tuple(map(int, count)) for count in counts]


def _axes(shape: tuple[int, ...]) -> list[int]:
    first = 1 if len(shape) > 1 else 0  # a batch says nothing about where
    return [axis for axis in range(first, len(shape)) if shape[axis] > 1]


def _along(error: Float64, axis: int) -> tuple[float, ...]:
    others = tuple(other for other in range(error.ndim) if other != axis)
    return _figures(_greatest(error.max(axis=others), 0, STRETCHES))


def _picture(error: Float64) -> tuple[tuple[float, ...], ...]:
    if error.ndim < 2 or min(error.shape[-2:]) < 2:
        return ()
    flat = error.reshape(-1, *error.shape[-2:]).max(axis=0)
    small = _greatest(_greatest(flat, 0, PIXELS), 1, PIXELS)
    return tuple(_figures(row) for row in small)


def _greatest(values: Float64, axis: int, count: int) -> Float64:
    """Return the greatest of each of at most `count` stretches along an axis."""
    size = values.shape[axis]
    starts = np.unique(np.linspace(0, size, min(size, count), endpoint=False).astype(int))
    greatest: Float64 = np.maximum.reduceat(values, starts, axis=axis)
    return greatest


def _figures(values: Float64) -> tuple[float, ...]:
    """Return numbers of four digits: enough to draw, short enough to keep."""
    return tuple(float(f"{value:.4g}") for value in values)
