"""attention.layout: heads, areas or tokens regrouped wrongly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from divergence.diagnose.causes.shuffle import shuffles
from divergence.diagnose.regroup import others, swaps
from divergence.diagnose.suspect import Hypothesis, Suspect

CAUSE = "attention.layout"


def propose(suspect: Suspect) -> Sequence[Hypothesis] | str:
    """Swap two axes of each Transpose and two sizes of each Reshape."""
    if not suspect.region.node("Transpose", "Reshape"):
        return "no node of the segment regroups a value"
    if shuffles(suspect):
        return "the segment shuffles channels, it regroups no heads or tokens"
    return list(swaps(suspect)) or "the segment's values have too few axes to be regrouped"


def search(suspect: Suspect) -> Iterator[Hypothesis]:
    """Try every other permutation of each Transpose and every other order of each Reshape."""
    if not shuffles(suspect):
        yield from others(suspect)
