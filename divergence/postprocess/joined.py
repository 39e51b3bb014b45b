"""Detections that a model gives as several arrays: joined to one table of rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from divergence.records import Array

_COORDINATES = 4
# Boxes alone, or with their scores behind them.
_WIDTHS = (_COORDINATES, _COORDINATES + 1)


def joined(named: Mapping[str, Array]) -> Array | None:
    """Return rows x1 y1 x2 y2 score label, float64; None where the arrays are no detections.

    They are where one has four or five columns, and the others one number for each of its rows:
    a score, or a label of whole numbers. A single whole number counts the rows that are filled.
    """
    wide = [value for value in named.values() if _is_boxes(value)]
    if len(wide) != 1 or len(named) < 2:
        return None
    boxes = wide[0].reshape(-1, wide[0].shape[-1])
    others = [value for value in named.values() if value is not wide[0]]
    count = next((value for value in others if _is_count(value, len(boxes))), None)
    columns = [value for value in others if value is not count]
    labels = [value for value in columns if value.dtype.kind in "iu"]
    scores = [value for value in columns if value.dtype.kind == "f"]
    wanted = int(boxes.shape[1] == _COORDINATES)
    fits = len(scores) == wanted and len(labels) <= 1 and len(columns) == len(scores + labels)
    if not fits or not columns or any(value.size != len(boxes) for value in columns):
        return None
    table = [boxes, *(value.reshape(-1, 1) for value in (*scores, *labels))]
    rows = len(boxes) if count is None else int(count.ravel()[0])
    return np.concatenate([column.astype(np.float64) for column in table], axis=1)[:rows]


def _is_boxes(value: Array) -> bool:
    """Whether these are rows of four or five numbers, of one picture."""
    batch = value.shape[:-2]
    return (
        value.ndim >= 2
        and value.dtype.kind == "f"
        and value.shape[-1] in _WIDTHS
        and all(size == 1 for size in batch)
    )


def _is_count(value: Array, rows: int) -> bool:
    one = value.size == 1 and value.dtype.kind in "iu" and rows != 1
    return one and 0 <= int(value.ravel()[0]) <= rows
