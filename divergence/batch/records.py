"""The nouns of a run over many inputs."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

# compared: both sides ran; unreadable: the input cannot be read or does not fit; failed: a side
# failed on it, or its worker died twice.
State = Literal["compared", "unreadable", "failed"]


@dataclass(frozen=True, slots=True)
class Row:
    """What was found for one input; None where a figure has no meaning.

    input: as it is named in tables. difference: of the outputs, as a share of their scale, in the
    worst column (`postprocess.residual`); inf for other shapes or one-sided NaN. max_abs,
    mean_abs: over all outputs. cosine: of the first.
    top1, top5: labels of both sides' best classes agree: the first; the share of five in common.
    reference_class, candidate_class: the best classes. label: given by the user.
    reference_boxes, candidate_boxes, matched_boxes: detections behind the post-processing.
    psnr_db, ssim: of an output that is a picture, against the reference's range.
    """

    input: str
    state: State
    reason: str = ""
    difference: float | None = None
    max_abs: float | None = None
    mean_abs: float | None = None
    cosine: float | None = None
    top1: bool | None = None
    top5: float | None = None
    reference_class: int | None = None
    candidate_class: int | None = None
    label: int | None = None
    reference_boxes: int | None = None
    candidate_boxes: int | None = None
    matched_boxes: int | None = None
    psnr_db: float | None = None
    ssim: float | None = None


COLUMNS = tuple(field.name for field in fields(Row))


@dataclass(frozen=True, slots=True)
class Item:
    """One input of the set: its name in tables, and what `Sides.case` reads."""

    name: str
    inputs: Any
