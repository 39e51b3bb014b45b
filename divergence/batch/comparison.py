"""One input through both sides: what the outputs say, as the user of such a model knows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from divergence.batch.pictures import psnr_db, ssim
from divergence.batch.records import Row
from divergence.diagnose.distance import distance
from divergence.postprocess.detections import THRESHOLD, cut
from divergence.postprocess.residual import residual
from divergence.postprocess.state import Outputs, as_table
from divergence.records import Array

_BEST = 5
# Pictures have one, three or four channels and more than a few pixels a side.
_CHANNELS, _LEAST_SIDE = (1, 3, 4), 8


def compare_outputs(name: str, ours: Mapping[str, Array], theirs: Mapping[str, Array]) -> Row:
    """Return the row of the raw outputs, paired by name."""
    shared = [(ours[key], theirs[key]) for key in ours if key in theirs]
    if not shared:
        return Row(name, "failed", "no output of one side goes with one of the other")
    first = shared[0]
    return Row(
        name,
        "compared",
        difference=max(residual(a, b) for a, b in shared),
        max_abs=max(distance(a, b) for a, b in shared),
        mean_abs=_mean_abs(shared),
        cosine=_cosine(*first),
    )


def compare_answers(row: Row, ours: Outputs, theirs: Outputs) -> Row:
    """Return the row with the figures that the kind of answer has."""
    if ours.are_detections and theirs.are_detections:
        at = cut(as_table(ours.values), as_table(theirs.values), THRESHOLD)
        return replace(
            row,
            reference_boxes=at.reference,
            candidate_boxes=at.candidate,
            matched_boxes=at.matched,
        )
    a, b = (next(iter(side.values.values())) for side in (ours, theirs))
    if a.shape != b.shape:
        return row
    if is_classes(a):
        return replace(row, **_classes(a, b))
    if is_picture(a):
        return replace(row, psnr_db=psnr_db(a, b), ssim=ssim(a, b))
    return row


def is_classes(value: Array) -> bool:
    """Whether an output holds one number for each class, of one input."""
    flat = value.size == value.shape[-1] if value.ndim else False
    return flat and value.ndim <= 2 and value.size > 1 and value.dtype.kind == "f"


def is_picture(value: Array) -> bool:
    """Whether an output is a picture: (1, C, H, W) of one, three or four channels."""
    if value.ndim != 4 or len(value) != 1 or value.dtype.kind != "f":
        return False
    return value.shape[1] in _CHANNELS and min(value.shape[2:]) >= _LEAST_SIDE


def _classes(ours: Array, theirs: Array) -> dict[str, Any]:
    first, second = (
        np.argsort(-v.ravel().astype(np.float64), kind="stable") for v in (ours, theirs)
    )
    count = min(_BEST, len(first))
    return {
        "top1": bool(first[0] == second[0]),
        "top5": len(set(first[:count]) & set(second[:count])) / count,
        "reference_class": int(first[0]),
        "candidate_class": int(second[0]),
    }


def _mean_abs(shared: list[tuple[Array, Array]]) -> float:
    """Return the mean over all elements of all outputs of like shape; inf where one has none."""
    if any(a.shape != b.shape for a, b in shared):
        return float("inf")
    total = sum(float(np.abs(a.astype(np.float64) - b).sum()) for a, b in shared)
    return total / max(sum(a.size for a, _ in shared), 1)


def _cosine(ours: Array, theirs: Array) -> float | None:
    if ours.shape != theirs.shape:
        return None
    a, b = (v.astype(np.float64).ravel() for v in (ours, theirs))
    scale = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / scale if scale else None
