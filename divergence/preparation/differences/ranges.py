"""preprocess.range: values in another range, one gain for all."""

from __future__ import annotations

from dataclasses import replace

from divergence.preparation.differences.difference import Difference
from divergence.preparation.inference.side import Side, tone_of
from divergence.records import Evidence

CAUSE = "preprocess.range"


def find(reference: Side, candidate: Side) -> Difference | None:
    """Compare the factors that bytes are multiplied by."""
    ours, theirs = reference.scaling, candidate.scaling
    factors = (ours.factor * ours.after, theirs.factor * theirs.after)
    if (ours.factor, ours.after) == (theirs.factor, theirs.after):
        return None
    recipe = candidate.recipe
    scaling = replace(theirs, factor=ours.factor, after=ours.after)
    tone = tone_of(scaling, recipe.tone.order)
    behind = "" if theirs.after == ours.after else " behind the normalisation"
    return Difference(
        CAUSE,
        {"scale": {"factor": factors[1], "offset": 0}, "gain": factors[1] / factors[0]},
        (
            Evidence("range of a byte", _range(factors[0]), _range(factors[1])),
            Evidence("factor", factors[0], factors[1]),
        ),
        f"The candidate's values are {factors[1] / factors[0]:.6g} times the reference's"
        f"{behind}: a byte becomes {_range(factors[1])} instead of {_range(factors[0])}.",
        f"Multiply the bytes by {factors[0]:.6g} on the candidate's side.",
        replace(recipe, trial=replace(recipe.trial, tone=tone)),
    )


def _range(factor: float) -> str:
    return f"[0, {255 * factor:.6g}]"
