"""What a strategy looks at, and what a strategy is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from divergence.matching.fingerprints import Fingerprint
from divergence.matching.graph import Graph, Node
from divergence.matching.hints import Hint
from divergence.matching.kinds import ENDS, LOWERED, agreement
from divergence.matching.linear import Chains

Prints = tuple[Mapping[str, Fingerprint], Mapping[str, Fingerprint]]


@dataclass(frozen=True, slots=True)
class Sides:
    """Both graphs, their chains, and the fingerprints of values by site where they were taken."""

    reference: Graph
    candidate: Graph
    chains: Chains
    prints: Prints = ({}, {})

    def fit(self, first: Node, second: Node) -> float:
        """Return how well two operators fit, as `agreement` does.

        A composite stands opposite a step of its lowering only where one side has more of its
        kind than the other: where both have the same number, they stand opposite each other.
        """
        found = agreement(first.kind, second.kind)
        if found != LOWERED:
            return found
        kind = first.kind if second.kind in ENDS.get(first.kind, ()) else second.kind
        return 0.0 if self.reference.counts[kind] == self.candidate.counts[kind] else found


class Strategy(Protocol):
    """A source of hints. The verb is the same in each module of this folder."""

    def __call__(self, sides: Sides) -> Iterable[Hint]:
        """Return the hints that this strategy finds."""
