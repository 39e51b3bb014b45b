"""What a strategy looks at, and what a strategy is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from divergence.matching.graph import Graph
from divergence.matching.hints import Hint
from divergence.matching.linear import Chains


@dataclass(frozen=True, slots=True)
class Sides:
    """Both graphs, their chains, and what has been paired so far (node to node)."""

    reference: Graph
    candidate: Graph
    chains: Chains
    paired: Mapping[int, int] = field(default_factory=dict)


class Strategy(Protocol):
    """A source of hints. The verb is the same in each module of this folder."""

    def __call__(self, sides: Sides) -> Iterable[Hint]:
        """Return the hints that this strategy finds."""
