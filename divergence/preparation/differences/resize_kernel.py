"""preprocess.resize_kernel: another interpolation, antialiasing or library."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from divergence.preparation.differences.difference import Difference
from divergence.preparation.inference.kernels import Kernel
from divergence.preparation.inference.side import Side
from divergence.records import Evidence

CAUSE = "preprocess.resize_kernel"


def find(reference: Side, candidate: Side) -> Difference | None:
    """Compare kernel, library, antialiasing and alignment of corners."""
    ours, theirs = reference.recipe.parts.kernel, candidate.recipe.parts.kernel
    if ours is None or theirs is None or _words(ours) == _words(theirs):
        return None
    recipe = candidate.recipe
    parts = replace(recipe.parts, kernel=ours)
    words = _words(ours), _words(theirs)
    return Difference(
        CAUSE,
        words[1],
        tuple(
            Evidence(key, words[0].get(key), words[1].get(key))
            for key in dict.fromkeys((*words[0], *words[1]))
            if words[0].get(key) != words[1].get(key)
        ),
        f"The candidate is resized with {_text(theirs)}, the reference with {_text(ours)}.",
        f"Resize with {_text(ours)} on the candidate's side.",
        replace(recipe, trial=replace(recipe.trial, parts=parts)),
    )


def _words(kernel: Kernel) -> dict[str, Any]:
    words: dict[str, Any] = {
        "kernel": kernel.kernel,
        "library": kernel.library,
        "antialias": kernel.antialias,
    }
    return words | ({"align_corners": True} if kernel.align_corners else {})


def _text(kernel: Kernel) -> str:
    corners = ", corners aligned" if kernel.align_corners else ""
    smooth = "antialiased" if kernel.antialias else "not antialiased"
    return f"{kernel.library}'s {kernel.kernel} kernel, {smooth}{corners}"
