"""Boxes of both sides in other units: which pairs of rows one map of x and of y fits."""

from __future__ import annotations

import numpy as np

from divergence.postprocess.forms import FORMS
from divergence.postprocess.tables import Table
from divergence.records import Array

Pairs = list[tuple[int, int]]

# A map is drawn through two pairs at a time, so often; a few wrong pairs among them do no harm.
_DRAWS = 200
# A pair fits where its corners are this near to where the map puts them, as a share of their range.
_NEAR = 0.01
# Fewer pairs than this fit a map by chance.
_FEWEST = 4


def in_one_frame(ours: Table, theirs: Table, pairs: Pairs) -> Pairs:
    """Return the pairs whose boxes agree on one gain and offset in x and in y; all where none do.

    The candidate's boxes may have another form (centre and size).
    """
    if len(pairs) < _FEWEST:
        return pairs
    first, second = (np.array([pair[side] for pair in pairs]) for side in (0, 1))
    before = ours.boxes[first].T
    fits = [_fitting(before, form.to_corners(theirs.boxes[second].T)) for form in FORMS.values()]
    best = max(fits, key=lambda fit: int(fit.sum()))
    return (
        [p for p, fit in zip(pairs, best, strict=True) if fit] if best.sum() >= _FEWEST else pairs
    )


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
