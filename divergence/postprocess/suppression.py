"""Non-maximum suppression: of boxes that overlap, the best stays."""

from __future__ import annotations

import numpy as np

from divergence.postprocess.tables import overlaps
from divergence.records import Array


def nms(boxes: Array, scores: Array, labels: Array | None, iou: float) -> Array:
    """Return the indices of the boxes that stay, best score first.

    boxes: (N, 4), corners x1 y1 x2 y2. labels: (N,), boxes of other classes do not count; None
    lets all count (class-agnostic). iou: a box goes where it overlaps a better one by more.
    The result is that of `torchvision.ops.nms`, equal scores in the order of their indices; class
    by class it has no offset of coordinates, which would round.

    >>> square = np.array([[0, 0, 10, 10], [1, 0, 10, 10], [20, 0, 30, 10]])
    >>> nms(square, np.array([0.8, 0.9, 0.7]), None, 0.5).tolist()
    [1, 2]
    """
    best_first = np.argsort(-scores, kind="stable")
    classes = [None] if labels is None else sorted(set(labels.tolist()))
    stays = np.zeros(len(boxes), dtype=bool)
    for one in classes:
        rows = best_first if labels is None else best_first[labels[best_first] == one]
        stays[_one_class(boxes, rows, iou)] = True
    return np.asarray(best_first[stays[best_first]])


def suppress(scores: Array, apart: Array, iou: float) -> Array:
    """Return which rows stay, given how much each overlaps each other, (N, N)."""
    stays = np.ones(len(scores), dtype=bool)
    done = np.zeros(len(scores), dtype=bool)
    for row in np.argsort(-scores, kind="stable"):
        done[row] = True
        if stays[row]:
            stays &= done | (apart[row] <= iou)
    return stays


def _one_class(boxes: Array, order: Array, iou: float) -> Array:
    """Suppress among the boxes of `order`, which begins with the best."""
    kept: list[int] = []
    while order.size:
        first, rest = int(order[0]), order[1:]
        kept.append(first)
        if rest.size:
            rest = rest[overlaps(boxes[first][None], boxes[rest])[0] <= iou]
        order = rest
    return np.array(kept, dtype=np.int64)
