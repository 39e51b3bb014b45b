"""postprocess.activation: a link function is missing, doubled, or another one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from divergence.postprocess import thresholds
from divergence.postprocess.columns import alike
from divergence.postprocess.functions import functions
from divergence.postprocess.relation import Change, Relation, same
from divergence.postprocess.slices import channel_axes
from divergence.postprocess.tables import as_tables
from divergence.records import Array, Evidence

CAUSE = "postprocess.activation"

_BOX, _OBJECTNESS = 4, 5
_MOST_COLUMNS = 256
# A bound shows in the greatest of the other side's values, of which so many are looked at: it
# leaves them this share of their spread.
_FEWEST_CUT, _SHARE_CUT, _FLAT = 6, 2e-3, 0.2


def relations(reference: Array, candidate: Array) -> Iterator[Relation]:
    """Yield each link function that one side may have and the other not.

    It may stand behind the whole output, or behind some columns (scores beside boxes) alone.
    """
    for side, other, value in (
        ("candidate", "reference", reference),
        ("reference", "candidate", candidate),
    ):
        for name, change in functions(value.shape):
            yield _relation(side, other, name, _looks_done(name, value), change)
        yield from _clamped(side, other, value, reference if side == "reference" else candidate)
    yield from thresholds.relations(reference, candidate)
    for axis, columns in _parts(reference, candidate):
        yield from _partial(reference, candidate, axis, columns)
    yield from _weighted(reference, candidate)


def _relation(
    side: str, other: str, name: str, doubled: bool, change: Change, where: str = ""
) -> Relation:
    """Return the relation "`side` applies `name`, `other` does not"."""
    having = "twice" if doubled else "yes"
    once_more = " once more" if doubled else ""
    at_reference = other == "reference"
    return Relation(
        CAUSE,
        f"the {side} applies {name}{once_more}{where}; the {other} does not",
        f"apply {name} to the {other}'s output{where}",
        on_reference=change if at_reference else same,
        on_candidate=same if at_reference else change,
        evidence=(
            Evidence(
                f"{name} at the end{where}",
                "no" if at_reference else having,
                having if at_reference else "no",
            ),
        ),
        remedy=f"Let both sides end with {name}, or neither.",
        parameters={"function": name, "side": side},
        of_labels=name.startswith("argmax"),
    )


def _parts(reference: Array, candidate: Array) -> Iterator[tuple[int, list[int]]]:
    """Yield axes with columns that some function may have changed while others stayed."""
    if reference.shape != candidate.shape:
        return
    for axis in channel_axes(reference.ndim):
        count = reference.shape[axis]
        if not _BOX <= count <= _MOST_COLUMNS or count == reference.size:
            continue
        changed = np.flatnonzero(~alike(reference, candidate, axis)).tolist()
        behind = (list(range(first, count)) for first in (_BOX, _OBJECTNESS) if first < count)
        seen: list[list[int]] = []
        for columns in (changed, *behind):
            if 0 < len(columns) < count and columns not in seen:
                seen.append(columns)
                yield axis, columns


def _partial(
    reference: Array, candidate: Array, axis: int, columns: list[int]
) -> Iterator[Relation]:
    where = f" on {_range(columns)} of axis {axis}"
    for side, other, value in (
        ("candidate", "reference", reference),
        ("reference", "candidate", candidate),
    ):
        part = value.take(columns, axis)
        for name, change in functions(part.shape, axis):
            if not name.startswith("argmax"):
                done = _looks_done(name, part)
                yield _relation(side, other, name, done, _within(change, axis, columns), where)


def _within(change: Change, axis: int, columns: list[int]) -> Change:
    """Return a change that is made to these columns alone."""

    def changed(value: Array) -> Array:
        result = np.moveaxis(value.astype(np.float64), axis, 0).copy()
        part = np.moveaxis(result[columns], 0, axis)
        result[columns] = np.moveaxis(change(part), axis, 0)
        return np.moveaxis(result, 0, axis)

    return changed


def _range(columns: list[int]) -> str:
    whole = columns == list(range(columns[0], columns[-1] + 1))
    return f"columns {columns[0]} to {columns[-1]}" if whole else f"columns {columns}"


def _weighted(reference: Array, candidate: Array) -> Iterator[Relation]:
    """Yield class scores that one side has multiplied by the objectness in front of them."""
    if reference.shape != candidate.shape:
        return
    for axis in channel_axes(reference.ndim):
        if not _OBJECTNESS < reference.shape[axis] <= _MOST_COLUMNS:
            continue
        where = f" on columns {_OBJECTNESS} and more of axis {axis}"
        for side, other in (("candidate", "reference"), ("reference", "candidate")):
            yield _relation(
                side, other, "a product with the objectness", False, _times(axis), where
            )


def _times(axis: int) -> Change:
    def changed(value: Array) -> Array:
        columns = np.moveaxis(value.astype(np.float64), axis, 0).copy()
        columns[_OBJECTNESS:] *= columns[_BOX]
        return np.moveaxis(columns, 0, axis)

    return changed


def _clamped(side: str, other: str, free: Array, cut: Array) -> Iterator[Relation]:
    """One side is cut off at a least or greatest value, where the other goes on."""
    if free.shape != cut.shape or not free.size or not np.isfinite(cut.astype(np.float64)).all():
        return
    if as_tables(free, cut) is not None:
        return  # boxes that are clipped are a matter of `clipping`
    low, high = bound(-free, -cut), bound(free, cut)
    least = None if low is None else -low
    if least is None and high is None:
        return
    shown = [f"{cut.min() if least is None else least:.6g}"]
    shown.append(f"{cut.max() if high is None else high:.6g}")
    name = "relu" if high is None and least == 0 else f"a clamp to {' .. '.join(shown)}"
    yield _relation(side, other, name, False, lambda value: np.clip(value, least, high))


def bound(free: Array, cut: Array) -> float | None:
    """Return the value that `cut` does not go beyond where `free` does; None where there is none.

    A file of another precision leaves values near the bound, on either side of it.
    """
    high = float(cut.max())
    if float(free.max()) > high and (cut == high).sum() > 1:
        return high
    count = max(_FEWEST_CUT, round(_SHARE_CUT * free.size))
    if free.size < 2 * count:
        return None
    beyond = np.argpartition(free.ravel(), -count)[-count:]
    ours, theirs = (v.ravel()[beyond].astype(np.float64) for v in (free, cut))
    if ours.std() == 0 or theirs.std() > _FLAT * ours.std():
        return None
    middle = float(np.median(theirs))
    whole = float(np.rint(middle))
    return whole if abs(whole - middle) <= theirs.std() else middle


def _looks_done(name: str, value: Array) -> bool:
    """Whether a value is in the range that the function gives: then another one doubles it."""
    if not name.startswith(("sigmoid", "softmax")) or "in place" in name or not value.size:
        return False
    return bool(value.min() >= 0 and value.max() <= 1)
