"""How far the detections of both sides agree: boxes matched by overlap and class."""

from __future__ import annotations

import numpy as np

from divergence.postprocess.tables import overlaps
from divergence.records import Array, Detections, ScoreCut

# The overlap from which two boxes are one object: that of PASCAL VOC and of COCO's AP50.
IOU = 0.5
# The score from which a detection is shown by most tools (ultralytics' `conf`).
THRESHOLD = 0.25
_CUTS = tuple(round(0.05 * n, 2) for n in range(20))
_BINS = 20


def agreement(reference: Array, candidate: Array, picture: str = "") -> Detections:
    """Return how far two tables x1 y1 x2 y2 score label agree, at `THRESHOLD` and at others.

    A candidate's box is right where the reference has one of the same class with an overlap of
    `IOU` and more that no better box took. Both sides are cut at the same score.
    """
    edges = np.linspace(0, 1, _BINS + 1)
    counts = [np.histogram(side[:, 4].clip(0, 1), edges)[0] for side in (reference, candidate)]
    return Detections(
        iou=IOU,
        at=cut(reference, candidate, THRESHOLD),
        cuts=tuple(cut(reference, candidate, threshold) for threshold in _CUTS),
        edges=tuple(edges.tolist()),
        reference_scores=tuple(counts[0].tolist()),
        candidate_scores=tuple(counts[1].tolist()),
        picture=picture,
    )


def cut(reference: Array, candidate: Array, threshold: float) -> ScoreCut:
    """Return the agreement of what scores `threshold` and more on each side."""
    ours, theirs = (side[side[:, 4] >= threshold] for side in (reference, candidate))
    matched = len(matches(ours, theirs))
    return ScoreCut(
        threshold=threshold,
        reference=len(ours),
        candidate=len(theirs),
        matched=matched,
        precision=matched / len(theirs) if len(theirs) else float("nan"),
        recall=matched / len(ours) if len(ours) else float("nan"),
        f1=f1(matched, len(ours), len(theirs)),
    )


def f1(matched: int, reference: int, candidate: int) -> float:
    """Return the harmonic mean of precision and recall; NaN where neither side has any.

    >>> f1(3, 4, 6)
    0.6
    """
    total = reference + candidate
    return 2 * matched / total if total else float("nan")


def matches(reference: Array, candidate: Array) -> list[tuple[int, int]]:
    """Pair rows of both tables, the candidate's best first, each with the best that is free."""
    if not len(reference) or not len(candidate):
        return []
    overlap = overlaps(reference[:, :4], candidate[:, :4])
    overlap[reference[:, 5][:, None] != candidate[:, 5][None]] = 0
    pairs = []
    for column in np.argsort(-candidate[:, 4], kind="stable").tolist():
        row = int(overlap[:, column].argmax())
        if overlap[row, column] >= IOU:
            pairs.append((row, column))
            overlap[row] = 0
    return pairs
