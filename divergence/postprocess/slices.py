"""Find the order in which the slices of one array stand in another."""

from __future__ import annotations

import numpy as np

from divergence.records import Array

# Channels are few; more slices than this along an axis are rows of results.
MOST_CHANNELS = 256


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


def matched_order(reference: Array, candidate: Array, axis: int) -> list[int] | None:
    """Return the order that makes the reference's slices the candidate's, None where none does.

    Slices are compared by fixed random projections, so equal ones may stand for each other.
    None also where the order is the present one.
    """
    ours, theirs = (_projected(value, axis) for value in (reference, candidate))
    if ours.shape != theirs.shape or len(ours) < 2:
        return None
    first, second = np.lexsort(ours.T[::-1]), np.lexsort(theirs.T[::-1])
    spread = float(np.abs(ours).max(initial=0.0)) or 1.0
    if np.abs(ours[first] - theirs[second]).max(initial=0.0) > 1e-3 * spread:
        return None
    order = np.empty(len(first), dtype=np.int64)
    order[second] = first
    return None if np.array_equal(order, np.arange(len(order))) else [int(i) for i in order]


def _projected(value: Array, axis: int) -> Array:
    """Return two projections of each slice along an axis, shape (slices, 2)."""
    rows = np.moveaxis(value, axis, 0).reshape(value.shape[axis], -1).astype(np.float64)
    weights = np.random.default_rng(0).standard_normal((rows.shape[1], 2))
    projected = np.asarray(np.nan_to_num(rows) @ weights)
    return np.asarray(projected / np.sqrt(max(rows.shape[1], 1)))
