"""preprocess.orientation: the picture flipped or turned, or its EXIF orientation ignored."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from divergence.preparation.differences.difference import Difference
from divergence.preparation.inference.side import Side
from divergence.preparation.steps import Turn
from divergence.records import Evidence

CAUSE = "preprocess.orientation"


def find(reference: Side, candidate: Side) -> Difference | None:
    """Compare how the picture stands."""
    if reference.turns == candidate.turns:
        return None
    recipe = candidate.recipe
    parts = recipe.parts
    rest = tuple(step for step in parts.after if not isinstance(step, Turn))
    late = tuple(step for step in reference.recipe.parts.after if isinstance(step, Turn))
    undone = replace(
        recipe,
        turn=reference.recipe.turn,
        trial=replace(recipe.trial, parts=replace(parts, after=rest + late)),
    )
    names = _name(reference), _name(candidate)
    parameters: dict[str, Any] = {"turn": candidate.turns[0]} if candidate.turns else {}
    if reference.source.exif is not None:
        parameters["exif"] = not candidate.ignores_exif
    return Difference(
        CAUSE,
        parameters,
        (Evidence("orientation", names[0], names[1]),),
        f"The candidate's picture stands otherwise: {names[1]}, the reference's: {names[0]}.",
        f"Prepare the candidate's picture {names[0]}.",
        undone,
    )


def _name(side: Side) -> str:
    if side.ignores_exif:
        return "as stored, EXIF orientation ignored"
    if side.turns:
        return " and ".join(turn.replace("_", " ") for turn in side.turns)
    return "upright, as EXIF says" if side.source.exif else "as decoded"
