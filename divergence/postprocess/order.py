"""postprocess.order: the same rows in another order; order.ties where only equal scores moved."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from divergence.postprocess.columns import alike
from divergence.postprocess.relation import Relation
from divergence.postprocess.slices import matched_order, meaning
from divergence.records import Array, Evidence

CAUSE, TIES = "postprocess.order", "order.ties"
_MOST_COLUMNS = 256
# An affine map is fitted to at least so many rows for each of its numbers, a few times, each
# time to the rows that it fitted best.
_ROWS_FOR_EACH, _FITS, _STAND_RIGHT = 3, 4, 0.8


def relations(reference: Array, candidate: Array) -> Iterator[Relation]:
    """Yield the order that makes the reference's rows the candidate's."""
    if reference.shape != candidate.shape:
        return
    for axis in range(reference.ndim):
        if meaning(reference.shape, axis) != "rows" or reference.shape[axis] < 2:
            continue
        order = matched_order(reference, candidate, axis)
        if order is None:
            order = _by_some_columns(reference, candidate, axis)
        if order is not None:
            yield _relation(reference, axis, order)


def _by_some_columns(reference: Array, candidate: Array, axis: int) -> list[int] | None:
    """Match rows by the columns that hold the same numbers, where others were changed too."""
    ours, theirs = (
        np.moveaxis(v, axis, 0).reshape(v.shape[axis], -1) for v in (reference, candidate)
    )
    if not 2 <= ours.shape[1] <= _MOST_COLUMNS:
        return None
    shared = np.flatnonzero(alike(ours, theirs, 1) & (ours.std(0) > 0))
    if not 0 < len(shared) < ours.shape[1]:
        return None
    order = matched_order(reference, candidate, axis, shared.tolist())
    return order and _settled(ours, theirs, shared, order)


def _settled(ours: Array, theirs: Array, shared: Array, order: list[int]) -> list[int]:
    """Return the order with rows that are nearly equal in the shared columns told by the others.

    The others of the candidate (boxes in other units or form) are an affine map of the
    reference's, which the rows that stand right show.
    """
    others = np.setdiff1d(np.arange(ours.shape[1]), shared)
    if len(ours) < _ROWS_FOR_EACH * (len(others) + 1):
        return order
    known = np.column_stack([ours[:, others], np.ones(len(ours))]).astype(np.float64)
    wanted = theirs[:, others].astype(np.float64)
    right = np.ones(len(order), dtype=bool)
    for _ in range(_FITS):
        change, *_ = np.linalg.lstsq(known[order][right], wanted[right], rcond=None)
        far = np.abs(known[order] @ change - wanted).max(axis=1)
        right = far <= np.quantile(far, _STAND_RIGHT)
    mapped = ours.astype(np.float64)
    mapped[:, others] = known @ change
    return matched_order(mapped, theirs, 0) or order


def _relation(reference: Array, axis: int, order: list[int]) -> Relation:
    moved = [place for place, number in enumerate(order) if place != number]
    tied = _only_ties(reference, axis, order, moved)
    text = f"both hold the same rows on axis {axis}; {len(moved)} of {len(order)} stand elsewhere"
    return Relation(
        TIES if tied else CAUSE,
        f"{text}, each among rows of an equal score" if tied else text,
        f"compare the rows of axis {axis} as sets",
        on_reference=partial(np.take, indices=order, axis=axis),
        evidence=(Evidence(f"rows of axis {axis} at another place", 0, len(moved)),),
        remedy="Break ties alike on both sides, for instance by the index, or accept either."
        if tied
        else "Compare results as sets, or sort both sides by the same key.",
        parameters={"axis": axis, "order": order},
    )


def _only_ties(reference: Array, axis: int, order: list[int], moved: list[int]) -> bool:
    """Whether some column descends (a list sorted by score) and rows moved among equals alone."""
    rows = np.moveaxis(reference, axis, 0).reshape(reference.shape[axis], -1)
    if not 2 <= rows.shape[1] <= _MOST_COLUMNS:
        return False
    places, numbers = np.array(moved), np.array(order)[moved]
    for column in rows.T.astype(np.float64):
        sorted_down = bool((np.diff(column) <= 0).all()) and column[0] > column[-1]
        if sorted_down and np.array_equal(column[places], column[numbers]):
            return True
    return False
