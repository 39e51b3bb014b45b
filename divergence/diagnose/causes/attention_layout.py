"""attention.layout: heads, areas or tokens regrouped wrongly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from divergence.diagnose.causes.shuffle import shuffles
from divergence.diagnose.regroup import lacking, others, split_otherwise, swaps
from divergence.diagnose.suspect import Hypothesis, Suspect

CAUSE = "attention.layout"


def propose(suspect: Suspect) -> Sequence[Hypothesis] | str:
    """Swap two axes of each Transpose and two sizes of each Reshape, or of both at once."""
    if not suspect.region.node("Transpose", "Reshape"):
        return "no node of the segment regroups a value"
    if shuffles(suspect):
        return "the segment shuffles channels, it regroups no heads or tokens"
    found = [*swaps(suspect), *split_otherwise(suspect)]
    return found or "the segment's values have too few axes to be regrouped"


def search(suspect: Suspect) -> Iterator[Hypothesis]:
    """Try every other permutation of each Transpose and every other order of each Reshape.

    A permutation that is missing altogether comes first: it is the likelier mistake.
    """
    if not shuffles(suspect) and suspect.region.node("Transpose", "Reshape", "Flatten"):
        yield from lacking(suspect)
        yield from others(suspect)
