"""Boxes of both sides in other units: which pairs of rows one map of x and of y fits."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from divergence.postprocess.forms import FORMS, Form
from divergence.postprocess.tables import Table
from divergence.records import Array

Pairs = list[tuple[int, int]]

# A map is drawn through two pairs at a time, so often; a few wrong pairs among them do no harm.
_DRAWS = 200
# A pair fits where its corners are this near to where the map puts them, as a share of their range.
_NEAR = 0.01
# Fewer pairs than this fit a map by chance.
_FEWEST = 4


def in_one_frame(ours: Table, theirs: Table, pairs: Pairs) -> tuple[Table, Table, Pairs]:
    """Return both tables with corners in the reference's units, and the pairs that agree there.

    Pairs agree on one gain and offset in x and in y, where one side's boxes may have another form
    (centre and size). Where too few do, all is returned as it was.
    """
    if len(pairs) < _FEWEST:
        return ours, theirs, pairs
    first, second = (list(rows) for rows in zip(*pairs, strict=True))
    sides = [(_in_corners(ours, one), _in_corners(theirs, other)) for one, other in _forms()]
    fits = [_fitting(a.boxes[first].T, b.boxes[second].T) for a, b in sides]
    best = max(range(len(fits)), key=lambda number: int(fits[number].sum()))
    kept = [pair for pair, fit in zip(pairs, fits[best], strict=True) if fit]
    if len(kept) < _FEWEST:
        return ours, theirs, pairs
    return sides[best][0], _moved(*sides[best], kept), kept


def _forms() -> Iterator[tuple[Form, Form]]:
    """Yield what the boxes of both sides may be; corners on one side at least, both first."""
    corners = FORMS["xyxy"]
    yield from ((corners, form) for form in FORMS.values())
    yield from ((form, corners) for form in FORMS.values() if form is not corners)


def _in_corners(table: Table, form: Form) -> Table:
    return table.with_boxes(form.to_corners(table.boxes.T).T)


def _moved(ours: Table, theirs: Table, pairs: Pairs) -> Table:
    """Return the candidate's table in the units in which these pairs are the reference's boxes."""
    first, second = (list(rows) for rows in zip(*pairs, strict=True))
    boxes = theirs.boxes.copy()
    for n in (0, 1):
        line = np.polyfit(theirs.boxes[second, n::2].ravel(), ours.boxes[first, n::2].ravel(), 1)
        boxes[:, n::2] = np.polyval(line, boxes[:, n::2])
    return theirs.with_boxes(boxes)


def _fitting(before: Array, after: Array) -> Array:
    """Return which boxes (4, N) the best of the maps drawn brings from `before` to `after`."""
    rng = np.random.default_rng(0)
    allowed = _NEAR * max(float(np.ptp(after)), 1e-12)
    best = np.zeros(before.shape[1], dtype=bool)
    for _ in range(_DRAWS):
        i, j = rng.choice(before.shape[1], 2, replace=False)
        fit = np.logical_and(*(_on_line(before[n::2], after[n::2], i, j, allowed) for n in (0, 1)))
        best = fit if fit.sum() > best.sum() else best
    return best


def _on_line(before: Array, after: Array, i: int, j: int, allowed: float) -> Array:
    """Return which pairs lie on the line through the corners of the pairs i and j."""
    a, b = before[:, [i, j]].ravel(), after[:, [i, j]].ravel()
    spread = a - a.mean()
    energy = float(spread @ spread)
    if not energy:
        return np.zeros(before.shape[1], dtype=bool)
    gain = float(spread @ (b - b.mean())) / energy
    moved = gain * (before - a.mean()) + b.mean()
    return np.asarray((np.abs(moved - after) <= allowed).all(axis=0))
