"""postprocess.nms where one side's boxes are cut at the border of the picture."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from divergence.postprocess.relation import Change, Relation
from divergence.postprocess.tables import COORDINATES, Table
from divergence.records import Array, Evidence

CAUSE = "postprocess.nms"


def clipped(ours: Table, theirs: Table) -> Iterator[Relation]:
    """Yield that one side clips its boxes to the picture, where the other's reach beyond."""
    for side, inner, outer in (("candidate", theirs, ours), ("reference", ours, theirs)):
        if not (len(inner.rows) and len(outer.rows)):
            return
        width, height = (float(inner.boxes[:, n::2].max()) for n in (0, 1))
        limits = np.array([width, height, width, height])
        cut = np.clip(outer.boxes, 0, limits)
        outside = int((outer.boxes != cut).any(1).sum())
        if outside and inner.boxes.min() >= 0:
            yield _relation(side, limits, outside, _clip(ours.first, limits))


def _clip(first: int, limits: Array) -> Change:
    def clip(value: Array) -> Array:
        result = value.astype(np.float64)
        corners = result[..., first : first + COORDINATES]
        result[..., first : first + COORDINATES] = np.clip(corners, 0, limits)
        return result

    return clip


def _relation(side: str, limits: Array, outside: int, clip: Change) -> Relation:
    width, height = limits[:2].tolist()
    return Relation(
        CAUSE,
        f"the {side} clips boxes to {width:.6g} x {height:.6g}; {outside} reach beyond",
        "clip the boxes of both sides",
        on_reference=clip,
        on_candidate=clip,
        evidence=(Evidence("boxes clipped", side == "reference", side == "candidate"),),
        remedy="Clip boxes to the picture on both sides, or on neither.",
        parameters={"clip": [width, height], "side": side},
    )
