"""What is left of a weight behind a transposition, a cast, a quantisation or a folded gain."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from divergence.records import Array, Weight

Floats = NDArray[np.float64]

_CHANNELS = 48  # channels of a weight that are looked at
_TINY = 1e-12


def load(weight: Weight) -> Floats:
    """Return the values in float64."""
    return np.asarray(weight.load(), dtype=np.float64)


@cache
def sampled(count: int) -> NDArray[np.int64]:
    """Return at most 48 of `count` channels, evenly spread; not to be modified.

    >>> sampled(3).tolist(), len(sampled(1000))
    ([0, 1, 2], 48)
    """
    if count <= _CHANNELS:
        return np.arange(count)
    return np.linspace(0, count - 1, _CHANNELS).astype(np.int64)


def rows(array: Array, axis: int) -> Floats:
    """Return a (sampled channels, elements of each) matrix; `axis` holds the channels.

    What is not finite counts as nothing.
    """
    # By index, which reads the rows alone; `take` first copies an array that lies askew.
    chosen = np.moveaxis(array, axis, 0)[sampled(array.shape[axis])]
    matrix = np.asarray(chosen, dtype=np.float64, order="C").reshape(len(chosen), -1)
    return matrix if math.isfinite(matrix.sum()) else np.where(np.isfinite(matrix), matrix, 0.0)


def norms(matrix: Floats) -> Floats:
    """Return the root mean square of each row."""
    squares = np.einsum("ij,ij->i", matrix, matrix)
    return np.asarray(np.sqrt(squares / max(1, matrix.shape[1])), dtype=np.float64)


def moments(matrix: Floats) -> Floats:
    """Return (rows, 4) statistics that neither a row's scale nor its order changes.

    Mean, mean of magnitudes, third and fourth moment, of the row divided by its root mean
    square: equal for a convolution and the same one with a batch norm folded in, whatever
    the layout of the kernel. A negative gain turns the first and third.
    """
    rms = norms(matrix)[:, None]
    unit = matrix / np.where(rms > 0, rms, 1.0)
    square = unit * unit
    sums: tuple[Floats, ...] = (
        unit.sum(axis=1),
        np.abs(unit).sum(axis=1),
        np.einsum("ij,ij->i", square, unit),
        np.einsum("ij,ij->i", square, square),
    )
    return np.asarray(np.stack(sums, axis=1) / max(1, matrix.shape[1]))


def signature(statistics: Floats) -> Floats:
    """Return (rows, 4) moments as one vector of length 1: its product with another is how alike.

    Each column is taken without its mean, so that what all weights share counts for nothing.
    """
    if statistics.shape[0] > 2:
        statistics = statistics - statistics.mean(axis=0)
    length = np.linalg.norm(statistics, axis=0)
    known = length > _TINY
    columns = statistics[:, known] / length[known]
    vector = np.zeros_like(statistics)
    vector[:, known] = columns / np.sqrt(max(1, int(known.sum())))
    return vector.reshape(-1)
