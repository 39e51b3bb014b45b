"""preprocess.channel_order: the colours in another order."""

from __future__ import annotations

from dataclasses import replace

from divergence.preparation.differences.difference import Difference
from divergence.preparation.inference.side import Side
from divergence.preparation.inference.tone import Tone
from divergence.records import Evidence

CAUSE = "preprocess.channel_order"


def find(reference: Side, candidate: Side) -> Difference | None:
    """Compare which colour stands in which channel."""
    ours, theirs = reference.recipe.tone.order, candidate.recipe.tone.order
    if ours == theirs or len(ours) != len(theirs):
        return None
    names = _name(ours), _name(theirs)
    recipe, tone = candidate.recipe, candidate.recipe.tone
    places = list(range(len(ours)))
    if candidate.scaling.by_colour:
        places = [theirs.index(colour) for colour in ours]
    undone = Tone(ours, tone.gain[places], tone.offset[places])
    return Difference(
        CAUSE,
        {"channels": names[1]},
        (Evidence("channels", names[0], names[1]),),
        f"The candidate's channels are {names[1]}, the reference's {names[0]}.",
        f"Bring the channels into the order {names[0]} on the candidate's side.",
        replace(recipe, trial=replace(recipe.trial, tone=undone)),
    )


def _name(order: tuple[int, ...]) -> str:
    return "".join("RGBA"[place] for place in order)
