"""preprocess.mean_std: another mean or standard deviation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from divergence.preparation.differences.difference import Difference
from divergence.preparation.inference.scaling import Scaling
from divergence.preparation.inference.side import Side, tone_of
from divergence.records import Evidence

CAUSE = "preprocess.mean_std"
# Two numbers are the same one below this relative distance, the deviation being the unit.
_SAME = 2e-3
# The same where numbers were measured of values of which each step was rounded.
_TWICE = 5e-3
Numbers = tuple[list[float], list[float]]


def find(reference: Side, candidate: Side) -> Difference | None:
    """Compare means and deviations, channel by channel as each side's SPEC writes them."""
    ours = _written(reference.scaling, reference.recipe.tone.order)
    theirs = _written(candidate.scaling, candidate.recipe.tone.order)
    mean = np.abs(np.subtract(ours[0], theirs[0])) / np.abs(ours[1])
    std = np.abs(np.divide(theirs[1], ours[1]) - 1)
    if len(ours[0]) != len(theirs[0]) or max(mean.max(), std.max()) <= _SAME:
        return None
    recipe = candidate.recipe
    order = recipe.tone.order
    places = list(order) if candidate.scaling.by_colour else list(range(len(order)))
    scaling = replace(
        candidate.scaling,
        mean=tuple(ours[0][place] for place in places),
        std=tuple(ours[1][place] for place in places),
    )
    undone = replace(recipe, trial=replace(recipe.trial, tone=tone_of(scaling, order)))
    return Difference(
        CAUSE,
        {
            "mean": list(theirs[0]),
            "std": list(theirs[1]),
            **({"twice": True} if _is_twice(ours, theirs) else {}),
            **_map(reference, candidate),
        },
        (
            Evidence("mean", list(ours[0]), list(theirs[0])),
            Evidence("std", list(ours[1]), list(theirs[1])),
        ),
        f"The candidate is normalised with mean {_text(theirs[0])} and deviation "
        f"{_text(theirs[1])}, the reference with {_text(ours[0])} and {_text(ours[1])}"
        f"{_twice(ours, theirs)}.",
        f"Normalise with mean {_text(ours[0])} and deviation {_text(ours[1])}; `divergence stamp` "
        "writes the right preparation into the ONNX file.",
        undone,
    )


def _twice(ours: Numbers, theirs: Numbers) -> str:
    """Say that one side is what the other becomes when it is normalised once more."""
    if _is_twice(ours, theirs):
        return ": the candidate is normalised twice"
    return ": the reference is normalised twice" if _is_twice(theirs, ours) else ""


def _is_twice(once: Numbers, other: Numbers) -> bool:
    """Whether ((x - mean) / std - mean) / std is what `other` says."""
    mean, std = (np.asarray(numbers) for numbers in once)
    if (mean == 0).all() and (std == 1).all():
        return False
    wanted = np.stack([mean * (1 + std), std**2])
    apart = np.abs(np.asarray(other) - wanted) / np.abs(wanted[1])
    return bool((apart <= _TWICE).all())


def _map(reference: Side, candidate: Side) -> dict[str, list[float]]:
    """Return gain and offset that make the candidate's channels of the reference's."""
    ours, theirs = reference.recipe.tone, candidate.recipe.tone
    places = [ours.order.index(colour) for colour in theirs.order]
    gain = theirs.gain / ours.gain[places]
    offset = theirs.offset - gain * ours.offset[places]
    return {
        "gain": [float(f"{value:.6g}") for value in gain],
        "offset": [float(f"{value:.6g}") for value in offset],
    }


def _written(scaling: Scaling, order: tuple[int, ...]) -> tuple[list[float], list[float]]:
    """Return mean and deviation in the order in which a SPEC writes them."""
    places = list(np.argsort(order)) if scaling.by_colour else list(range(len(order)))
    return (
        [float(scaling.mean[place]) for place in places],
        [float(scaling.std[place]) for place in places],
    )


def _text(numbers: Any) -> str:
    return "[" + ", ".join(f"{number:.4g}" for number in numbers) + "]"
