"""attention.masked_rows: rows that are masked altogether become NaN on one side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from divergence.diagnose.builder import Builder, Place, insert
from divergence.diagnose.suspect import Hypothesis, Suspect
from divergence.records import Evidence

CAUSE = "attention.masked_rows"


def propose(suspect: Suspect) -> Sequence[Hypothesis] | str:
    """Put zeros where a softmax gives NaN, or NaN where the reference has it."""
    softmaxes = suspect.region.node("Softmax")
    if not softmaxes:
        return "no softmax in the segment"
    ours, theirs = _nans(suspect.expected), _nans(suspect.produced)
    if ours == theirs:
        return "both sides have NaN at as many places"
    return [_hypothesis(suspect, node.output[0], ours, theirs) for node in softmaxes]


def _nans(value: np.ndarray) -> int:
    return int(np.isnan(value.astype(np.float64)).sum()) if value.dtype.kind in "fV" else 0


def _hypothesis(suspect: Suspect, value: str, ours: int, theirs: int) -> Hypothesis:
    def zero(builder: Builder, source: str) -> str:
        return builder.node("Where", builder.node("IsNaN", source), 0.0, source)

    return Hypothesis(
        edit=insert(
            Place(value), zero, suspect.produced.dtype, f"give fully masked rows of {value} zeros"
        ),
        explanation=(
            f"rows that are masked altogether become NaN in the softmax {value} "
            f"({theirs} NaN against {ours})"
        ),
        evidence=(Evidence("NaN at the end of the segment", ours, theirs),),
        remedy="Mask with a large negative number instead of -inf, or leave one key unmasked.",
        parameters={"nan": [ours, theirs]},
    )
