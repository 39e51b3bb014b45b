"""What the axes of an output mean, and in which order the slices of one stand in another."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from divergence.records import Array

# Channels are few; more slices than this along an axis are rows of results.
MOST_CHANNELS = 256
# Numbers that stand for a slice while slices are compared.
_FEATURES = 8
# Slices further apart than this share of the spread are no partners.
_NEAR = 0.03


def meaning(shape: tuple[int, ...], axis: int) -> str:
    """Return "channels" or "rows": what the slices along an axis usually are.

    The last axis of a table and the first after the batch of a map hold channels, unless they
    are long; everything else, and the one axis of a list, holds rows.
    """
    if len(shape) == 1 or shape[axis] > MOST_CHANNELS:
        return "rows"
    is_map = len(shape) >= 3 and axis == 1 and shape[1] < shape[-1]
    is_table = axis == len(shape) - 1 and not (len(shape) >= 3 and shape[1] < shape[-1])
    return "channels" if is_map or is_table else "rows"


def channel_axes(ndim: int) -> list[int]:
    """Return the axes along which coordinates and scores may stand, the last first.

    >>> channel_axes(4), channel_axes(2)
    ([3, 1], [1, 0])
    """
    return list(dict.fromkeys((ndim - 1, 1 if ndim > 2 else 0))) if ndim else []


def column_axis(shape: tuple[int, ...]) -> int | None:
    """Return the axis along which the channels of a map or the columns of a table stand.

    >>> column_axis((1, 84, 8400)), column_axis((300, 6)), column_axis((1, 1000))
    (1, 1, None)
    """
    axes = [a for a in range(len(shape)) if meaning(shape, a) == "channels" and shape[a] > 1]
    return axes[-1] if axes else None


def matched_order(
    reference: Array, candidate: Array, axis: int, columns: Sequence[int] | None = None
) -> list[int] | None:
    """Return the order that makes the reference's slices the candidate's, None where none does.

    columns: compare these places of the flattened slices alone. Slices are compared by fixed
    random projections, so equal ones may stand for each other. None also where the order is the
    present one.
    """
    ours, theirs = (_slices(value, axis, columns) for value in (reference, candidate))
    if ours.shape != theirs.shape or len(ours) < 2:
        return None
    ours, theirs = _projected(ours, theirs)
    order = _nearest(ours, theirs)
    return None if order is None or order == list(range(len(order))) else order


def _slices(value: Array, axis: int, columns: Sequence[int] | None) -> Array:
    rows = np.moveaxis(value, axis, 0).reshape(value.shape[axis], -1).astype(np.float64)
    rows = np.nan_to_num(rows)
    return rows if columns is None else rows[:, list(columns)]


def _projected(ours: Array, theirs: Array) -> tuple[Array, Array]:
    """Return a few numbers for each slice, with the columns at one scale, spread about 1."""
    spread = np.maximum(ours.std(0), theirs.std(0))
    weights = np.random.default_rng(0).standard_normal((ours.shape[1], _FEATURES))
    weights /= np.where(spread > 0, spread, np.inf)[:, None]
    weights /= math.sqrt(max(int((spread > 0).sum()), 1))
    return ours @ weights, theirs @ weights


def _nearest(ours: Array, theirs: Array) -> list[int] | None:
    """Give each of `theirs` the nearest of `ours`, each once; None where one has none near."""
    by_first = np.argsort(ours[:, 0], kind="stable")
    keys = ours[by_first, 0]
    allowed = _NEAR * np.maximum(np.abs(theirs).max(1), 1)
    low = np.searchsorted(keys, theirs[:, 0] - allowed, "left")
    high = np.searchsorted(keys, theirs[:, 0] + allowed, "right")
    if (low == high).any():
        return None
    free = np.ones(len(ours), dtype=bool)
    order = []
    for row, bound, start, stop in zip(theirs, allowed, low, high, strict=True):
        near = by_first[start:stop]
        near = near[free[near]]
        if not near.size:
            return None
        apart = np.abs(ours[near] - row).max(1)
        best = int(apart.argmin())
        if apart[best] > bound:
            return None
        free[near[best]] = False
        order.append(int(near[best]))
    return order
