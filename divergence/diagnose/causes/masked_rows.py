"""attention.masked_rows: rows that are masked altogether become NaN on one side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from divergence.diagnose.builder import Builder, Place, insert
from divergence.diagnose.suspect import Hypothesis, Suspect
from divergence.records import Evidence

CAUSE = "attention.masked_rows"


def propose(suspect: Suspect) -> Sequence[Hypothesis] | str:
    """Put zeros where rows of a softmax are NaN: behind it, or behind what should have done so."""
    ours, theirs = _nans(suspect.expected), _nans(suspect.produced)
    if ours == theirs:
        return "both sides have NaN at as many places"
    if not _masked(suspect):
        return "no softmax in the segment, and it is fed none that gives NaN"
    softmaxes = suspect.region.node("Softmax")
    places = [node.output[0] for node in softmaxes or suspect.region.nodes]
    return [_hypothesis(suspect, place, ours, theirs) for place in places]


def _masked(suspect: Suspect) -> bool:
    """Whether there is a softmax, or NaN comes in, and infinite logits are where it comes from."""
    return bool(suspect.region.node("Softmax")) or any(map(_nans, suspect.feeds.values()))


def _nans(value: np.ndarray) -> int:
    return int(np.isnan(value.astype(np.float64)).sum()) if value.dtype.kind in "fV" else 0


def _hypothesis(suspect: Suspect, value: str, ours: int, theirs: int) -> Hypothesis:
    def zero(builder: Builder, source: str) -> str:
        return builder.node("Where", builder.node("IsNaN", source), 0.0, source)

    return Hypothesis(
        edit=insert(Place(value), zero, suspect.dtype, f"give fully masked rows of {value} zeros"),
        explanation=(
            f"rows that are masked altogether become NaN at {value} ({theirs} NaN against {ours})"
        ),
        evidence=(Evidence("NaN at the end of the segment", ours, theirs),),
        remedy="Mask with a large negative number instead of -inf, or leave one key unmasked.",
        parameters={"nan": [ours, theirs]},
    )
