"""postprocess.nms: other boxes survive: another score or overlap threshold, or clipping."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from divergence.postprocess.relation import AGREE, Relation, scale
from divergence.records import Array, Evidence

CAUSE = "postprocess.nms"

COORDINATES = 4


def relations(reference: Array, candidate: Array) -> Iterator[Relation]:
    """Yield what makes the survivors differ, for tables of one detection a row."""
    ours, theirs = _table(reference), _table(candidate)
    if ours is None or theirs is None:
        return
    if ours.shape == theirs.shape:
        yield from _clipped(reference, candidate)
    common = _matched(ours, theirs)
    kept, lost = _split(ours, [i for i, _ in common])
    _, extra = _split(theirs, [j for _, j in common])
    if not len(common) or not (len(lost) or len(extra)):
        return
    rows = [i for i, _ in common], [j for _, j in common]
    how = _threshold(kept, lost, extra)
    yield Relation(
        CAUSE,
        f"{len(lost)} boxes survive in the reference alone and {len(extra)} in the candidate "
        f"alone, {len(common)} in both{how.get('explanation', '')}",
        "compare the boxes that both sides keep",
        on_reference=lambda value: value.reshape(ours.shape)[rows[0]],
        on_candidate=lambda value: value.reshape(theirs.shape)[rows[1]],
        evidence=(Evidence("boxes that survive", len(ours), len(theirs)),),
        remedy="Give both sides the same thresholds, class handling and clipping.",
        parameters={
            "both": len(common),
            "reference_only": len(lost),
            "candidate_only": len(extra),
            **{k: v for k, v in how.items() if k != "explanation"},
        },
    )


def _table(value: Array) -> Array | None:
    """Return rows of x1 y1 x2 y2 and more, without leading axes of one."""
    table = value.reshape(value.shape[-2:]) if value.ndim > 2 and value.size else value
    if table.ndim != 2 or table.shape[1] < COORDINATES + 1:
        return None
    return table.astype(np.float64)


def _matched(ours: Array, theirs: Array) -> list[tuple[int, int]]:
    """Pair equal rows, each once."""
    if ours.shape[1] != theirs.shape[1] or not len(ours) or not len(theirs):
        return []
    allowed = AGREE * np.maximum(np.abs(ours).max(0), np.abs(theirs).max(0)).clip(1e-12)
    taken: set[int] = set()
    pairs = []
    for i, row in enumerate(ours):
        near = np.flatnonzero((np.abs(theirs - row) <= allowed).all(1))
        free = next((int(j) for j in near if int(j) not in taken), None)
        if free is not None:
            taken.add(free)
            pairs.append((i, free))
    return pairs


def _split(table: Array, rows: list[int]) -> tuple[Array, Array]:
    chosen = np.zeros(len(table), dtype=bool)
    chosen[rows] = True
    return table[chosen], table[~chosen]


def _threshold(kept: Array, lost: Array, extra: Array) -> Mapping[str, Any]:
    """Say by which threshold the boxes of one side alone went."""
    alone = np.concatenate([lost, extra])
    if len(lost) and len(extra):
        return {}
    column = _score_column(np.concatenate([kept, alone]))
    if column is None:
        return {}
    scores, others = alone[:, column], kept[:, column]
    if scores.max() <= others.min():
        low, high = float(scores.max()), float(others.min())
        text = f"; the score threshold lies between {low:.4g} and {high:.4g} on the shorter side"
        return {"explanation": text, "score_threshold": [low, high]}
    overlaps = [_greatest_overlap(row, kept, column) for row in alone]
    if min(overlaps) > 0:
        text = f"; they overlap kept ones by {min(overlaps):.3g} and more"
        return {"explanation": text, "iou_threshold": float(min(overlaps))}
    return {}


def _score_column(table: Array) -> int | None:
    """Return the first column behind the coordinates that holds shares of one."""
    for column in range(COORDINATES, table.shape[1]):
        values = table[:, column]
        whole = np.array_equal(values, np.round(values))
        if values.min() >= 0 and values.max() <= 1 and not whole:
            return column
    return None


def _greatest_overlap(row: Array, kept: Array, column: int) -> float:
    """Return the greatest intersection over union with a kept box of a higher score."""
    better = kept[kept[:, column] >= row[column]]
    if not len(better):
        return 0.0
    low = np.maximum(better[:, :2], row[:2])
    high = np.minimum(better[:, 2:4], row[2:4])
    inner = (high - low).clip(0).prod(1)
    areas = (better[:, 2:4] - better[:, :2]).prod(1) + (row[2:4] - row[:2]).prod()
    return float((inner / np.maximum(areas - inner, 1e-12)).max())


def _clipped(reference: Array, candidate: Array) -> Iterator[Relation]:
    """One side's coordinates are cut at the border of the picture."""
    for side, inner, outer in (
        ("candidate", candidate, reference),
        ("reference", reference, candidate),
    ):
        boxes, free = inner[..., :COORDINATES], outer[..., :COORDINATES]
        high = [float(boxes[..., 0::2].max()), float(boxes[..., 1::2].max())]
        limits = np.array([high[0], high[1], high[0], high[1]])
        cut = np.clip(free.astype(np.float64), 0, limits)
        close = np.abs(cut - boxes).max(initial=0.0) <= AGREE * max(scale(boxes), 1e-12)
        if not close or np.array_equal(cut, free):
            continue

        def clip(value: Array, limits: Array = limits) -> Array:
            result = value.astype(np.float64)
            result[..., :COORDINATES] = np.clip(result[..., :COORDINATES], 0, limits)
            return result

        outside = int((free != cut).any(-1).sum())
        yield Relation(
            CAUSE,
            f"the {side} clips boxes to {high[0]:.6g} x {high[1]:.6g}; {outside} reach beyond",
            "clip the boxes of both sides",
            on_reference=clip,
            on_candidate=clip,
            evidence=(Evidence("boxes clipped", side == "reference", side == "candidate"),),
            remedy="Clip boxes to the picture on both sides, or on neither.",
            parameters={"clip": high, "side": side},
        )
        return
