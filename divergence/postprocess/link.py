"""postprocess.activation: a link function is missing, doubled, or another one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from divergence.postprocess.columns import alike
from divergence.postprocess.functions import functions
from divergence.postprocess.relation import Change, Relation, same
from divergence.records import Array, Evidence

CAUSE = "postprocess.activation"

_BOX, _OBJECTNESS = 4, 5
_MOST_COLUMNS = 256


def relations(reference: Array, candidate: Array) -> Iterator[Relation]:
    """Yield each link function that one side may have and the other not.

    It may stand behind the whole output, or behind some columns (scores beside boxes) alone.
    """
    for side, other, value in (
        ("candidate", "reference", reference),
        ("reference", "candidate", candidate),
    ):
        for name, change in functions(value.ndim):
            yield _relation(side, other, name, _looks_done(name, value), change)
        yield from _clamped(side, other, value, reference if side == "reference" else candidate)
    for axis, columns in _parts(reference, candidate):
        yield from _partial(reference, candidate, axis, columns)


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
    )


def _parts(reference: Array, candidate: Array) -> Iterator[tuple[int, list[int]]]:
    """Yield axes with columns that some function may have changed while others stayed."""
    if reference.shape != candidate.shape:
        return
    for axis in range(reference.ndim - 1, -1, -1):
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
        for name, change in functions(value.ndim, axis):
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


def _clamped(side: str, other: str, free: Array, cut: Array) -> Iterator[Relation]:
    """One side is cut off at its own least or greatest value, which several elements have."""
    if free.shape != cut.shape or not free.size or not np.isfinite(cut.astype(np.float64)).all():
        return
    low, high = cut.min(), cut.max()
    least = low if free.min() < low and (cut == low).sum() > 1 else None
    most = high if free.max() > high and (cut == high).sum() > 1 else None
    if least is None and most is None:
        return
    name = "relu" if most is None and least == 0 else f"a clamp to {low:.6g} .. {high:.6g}"
    yield _relation(side, other, name, False, lambda value: np.clip(value, least, most))


def _looks_done(name: str, value: Array) -> bool:
    """Whether a value is in the range that the function gives: then another one doubles it."""
    if not name.startswith(("sigmoid", "softmax")) or not value.size:
        return False
    return bool(value.min() >= 0 and value.max() <= 1)
