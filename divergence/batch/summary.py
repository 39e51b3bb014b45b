"""From the rows of all inputs to what is said of the set."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from divergence.batch.records import Row
from divergence.postprocess.detections import f1
from divergence.records import InputSet, Unread


def worst_of(rows: Sequence[Row]) -> Row | None:
    """Return the row with the greatest difference; None where nothing was compared."""
    compared = [row for row in rows if row.state == "compared"]
    return max(compared, key=lambda row: row.difference or 0.0, default=None)


def summarise(rows: Sequence[Row]) -> InputSet:
    """Return the agreement over the rows, of which one at least was compared."""
    worst = worst_of(rows)
    assert worst is not None
    compared = [row for row in rows if row.state == "compared"]
    labelled = [row for row in compared if row.label is not None]
    counted = [row for row in compared if row.matched_boxes is not None]
    ours, theirs, both = (
        sum(getattr(row, name) or 0 for row in counted)
        for name in ("reference_boxes", "candidate_boxes", "matched_boxes")
    )
    return InputSet(
        inputs=len(rows),
        compared=len(compared),
        unread=tuple(Unread(r.input, r.reason) for r in rows if r.state != "compared"),
        worst=worst.input,
        greatest_difference=worst.difference or 0.0,
        max_abs=max(row.max_abs or 0.0 for row in compared),
        top1=_mean(row.top1 for row in compared),
        top5=_mean(row.top5 for row in compared),
        precision=both / theirs if theirs else None,
        recall=both / ours if ours else None,
        f1=f1(both, ours, theirs) if ours or theirs else None,
        psnr_db=_mean(row.psnr_db for row in compared),
        psnr_db_least=min((r.psnr_db for r in compared if r.psnr_db is not None), default=None),
        ssim=_mean(row.ssim for row in compared),
        labelled=len(labelled),
        reference_accuracy=_mean(row.reference_class == row.label for row in labelled),
        candidate_accuracy=_mean(row.candidate_class == row.label for row in labelled),
    )


def _mean(figures: Iterable[float | None]) -> float | None:
    """Return the mean of what has a figure; inf where one is, for pictures that are equal."""
    known = [float(figure) for figure in figures if figure is not None]
    return math.fsum(known) / len(known) if known else None
