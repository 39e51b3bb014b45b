"""preprocess.values: a curve, another compression, or rounding to bytes between steps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from divergence.preparation.differences.difference import Difference
from divergence.preparation.inference.kernels import Kernel
from divergence.preparation.inference.recipe import Parts
from divergence.preparation.inference.side import Side
from divergence.preparation.steps import Turn
from divergence.records import Evidence

CAUSE = "preprocess.values"


def find(reference: Side, candidate: Side) -> Difference | None:
    """Compare the steps on values around the geometry, and where values are rounded."""
    ours, theirs = _steps(reference.recipe.parts), _steps(candidate.recipe.parts)
    kernels = reference.recipe.parts.kernel, candidate.recipe.parts.kernel
    rounds_otherwise = _rounds_otherwise(*kernels)
    if ours == theirs and not rounds_otherwise:
        return None
    recipe, parts = candidate.recipe, candidate.recipe.parts
    kernel = kernels[0] if rounds_otherwise else parts.kernel
    late = tuple(step for step in parts.after if isinstance(step, Turn))
    kept = tuple(step for step in reference.recipe.parts.after if not isinstance(step, Turn))
    swapped = replace(parts, before=reference.recipe.parts.before, after=kept + late, kernel=kernel)
    parameters = dict(theirs)
    if rounds_otherwise and kernels[1] is not None:
        parameters["dtype"] = "float32" if kernels[1].rounding == "none" else "uint8"
        parameters["rounding"] = kernels[1].rounding
    names = _text(ours, kernels[0]), _text(theirs, kernels[1])
    return Difference(
        CAUSE,
        parameters,
        (Evidence("values", names[0], names[1]),),
        f"The candidate's values went through other steps: {names[1]}; the reference's: "
        f"{names[0]}.",
        f"Treat the candidate's values like the reference's: {names[0]}.",
        replace(recipe, trial=replace(recipe.trial, parts=swapped)),
    )


def _steps(parts: Parts) -> list[tuple[str, Any]]:
    steps = (*parts.before, *parts.after)
    return [(step.word, step.document()) for step in steps if not isinstance(step, Turn)]


def _rounds_otherwise(ours: Kernel | None, theirs: Kernel | None) -> bool:
    """Say whether the same kernel's result is rounded otherwise: with another it is the kernel."""
    if ours is None or theirs is None or ours.rounding == theirs.rounding:
        return False
    return replace(ours, rounding="") == replace(theirs, rounding="")


def _text(steps: list[tuple[str, Any]], kernel: Kernel | None) -> str:
    found = [f"{word} {document}" for word, document in steps]
    if kernel is not None:
        how = {"none": "not rounded", "down": "cut off to bytes"}
        found.append(f"{how.get(kernel.rounding, 'rounded to bytes')} when resized")
    return ", ".join(found) or "none"
