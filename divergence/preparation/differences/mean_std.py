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
        {"mean": list(theirs[0]), "std": list(theirs[1]), **_map(reference, candidate)},
        (
            Evidence("mean", list(ours[0]), list(theirs[0])),
            Evidence("std", list(ours[1]), list(theirs[1])),
        ),
        f"The candidate is normalised with mean {_text(theirs[0])} and deviation "
        f"{_text(theirs[1])}, the reference with {_text(ours[0])} and {_text(ours[1])}.",
        f"Normalise with mean {_text(ours[0])} and deviation {_text(ours[1])}; `divergence stamp` "
        "writes the right preparation into the ONNX file.",
        undone,
    )


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
