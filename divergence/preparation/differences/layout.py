"""preprocess.layout: the axes in another order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from divergence.preparation.differences.difference import Difference
from divergence.preparation.inference.readings import Reading
from divergence.preparation.inference.side import Side
from divergence.records import Evidence

CAUSE = "preprocess.layout"


def find(reference: Side, candidate: Side) -> Difference | None:
    """Compare which axis is which."""
    ours, theirs = reference.recipe.reading, candidate.recipe.reading
    if ours == theirs:
        return None
    parameters: dict[str, Any] = {"layout": theirs.axes}
    how = f"The candidate's axes are {theirs.axes}, the reference's {ours.axes}"
    if theirs.shape is not None:
        parameters["reshaped_from"] = list(theirs.shape)
        how += f"; its memory in {theirs.axes} was only given another shape, not transposed"
    return Difference(
        CAUSE,
        parameters,
        (Evidence("layout", _text(ours), _text(theirs)),),
        f"{how}.",
        f"Transpose the candidate's values to {ours.axes}.",
        replace(candidate.recipe, reading=ours),
        of_shape=len(ours.axes) != len(theirs.axes),
    )


def _text(reading: Reading) -> str:
    return reading.axes if reading.shape is None else f"{reading.axes} reshaped"
