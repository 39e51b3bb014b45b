"""Tables of detections, one a row: where coordinates, score and label stand."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from divergence.records import Array

COORDINATES = 4
# Images of a batch are numbered in front of the coordinates by some exports.
_OFFSETS = (0, 1)
_FEWEST, _MOST = 5, 64
# A few boxes may be empty or turned inside out; more, and these are no corners.
_CORNERS = 0.95
# A file of another precision may go beyond 1.
_MOST_SCORE = 1.01


@dataclass(frozen=True, slots=True)
class Table:
    """Detections of one output.

    rows: (N, columns), float64. first: column of x1, or of what else the four numbers of a box
    begin with. score, label: columns, None where there is none.
    """

    rows: Array
    first: int
    score: int | None
    label: int | None

    @property
    def boxes(self) -> Array:
        """Corners x1 y1 x2 y2, (N, 4)."""
        return self.rows[:, self.first : self.first + COORDINATES]

    def with_boxes(self, boxes: Array) -> Table:
        """Return the table with other boxes, (N, 4)."""
        rows = self.rows.copy()
        rows[:, self.first : self.first + COORDINATES] = boxes
        return replace(self, rows=rows)

    @property
    def has_corners(self) -> bool:
        """Whether the boxes can be corners; another form is seldom ordered like that."""
        x1, y1, x2, y2 = self.boxes.T
        return not len(self.rows) or bool(((x2 >= x1) & (y2 >= y1)).mean() >= _CORNERS)

    @property
    def scores(self) -> Array:
        """One number for each row; ones where the table has none."""
        return np.ones(len(self.rows)) if self.score is None else self.rows[:, self.score]

    @property
    def labels(self) -> Array:
        """One number for each row; zeros where the table has none."""
        return np.zeros(len(self.rows)) if self.label is None else self.rows[:, self.label]


def as_tables(reference: Array, candidate: Array) -> tuple[Table, Table] | None:
    """Return both outputs as tables with the same columns, None where they are no detections.

    What the columns mean is read from both sides together; one may be empty, or have its boxes
    in another form than corners.
    """
    ours, theirs = _two_axes(reference), _two_axes(candidate)
    if ours is None or theirs is None or ours.shape[1] != theirs.shape[1]:
        return None
    together = np.concatenate([ours, theirs])
    if not len(together) or not np.isfinite(together).all():
        return None
    for first in _OFFSETS:
        behind = range(first + COORDINATES, together.shape[1])
        score = next((c for c in behind if _is_score(together[:, c])), None)
        label = next((c for c in behind if c != score and _is_label(together[:, c])), None)
        tables = Table(ours, first, score, label), Table(theirs, first, score, label)
        if score is not None and any(len(table.rows) and table.has_corners for table in tables):
            return tables
    return None


def _two_axes(value: Array) -> Array | None:
    """Return rows of columns, without leading axes of one."""
    if value.ndim < 2 or value.dtype.kind not in "fiu":
        return None
    if any(size != 1 for size in value.shape[:-2]):
        return None
    rows, columns = value.shape[-2:]
    return value.reshape(rows, columns).astype(np.float64) if _FEWEST <= columns <= _MOST else None


def _is_score(values: Array) -> bool:
    """Whether a column holds shares of one, and not only 0 and 1."""
    whole = np.array_equal(values, np.round(values))
    return bool(values.min() >= 0 and values.max() <= _MOST_SCORE) and not whole


def _is_label(values: Array) -> bool:
    return bool(np.array_equal(values, np.round(values)) and values.min() >= -1)


def overlaps(boxes: Array, others: Array) -> Array:
    """Return intersection over union, (len(boxes), len(others)), of corners x1 y1 x2 y2."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    inner = (high - low).clip(0).prod(2)
    areas = (boxes[:, 2:] - boxes[:, :2]).clip(0).prod(1)[:, None]
    areas = areas + (others[:, 2:] - others[:, :2]).clip(0).prod(1)[None]
    return np.asarray(inner / np.maximum(areas - inner, 1e-12))
