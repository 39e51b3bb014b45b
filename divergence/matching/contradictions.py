"""Where a pairing is at odds with what the nodes read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from divergence.matching.board import sources
from divergence.matching.graph import Graph
from divergence.matching.kinds import COMMUTATIVE


def contradictions(
    reference: Graph, candidate: Graph, paired: Mapping[int, int]
) -> set[tuple[int, int]]:
    """Return what the candidate's nodes read though their partners do not: operand and node.

    paired: candidate's nodes by their partners. In operators whose operands have an order, each
    has to stand in its place.
    """
    taken = {j: i for i, j in paired.items()}
    found: set[tuple[int, int]] = set()
    for i, j in paired.items():
        ours = sources(reference, i, paired)
        wrong = (k for k in candidate.nodes[j].operands if k in taken and taken[k] not in ours)
        found.update((k, j) for k in (*wrong, *_displaced(reference, candidate, paired, i)))
    return found


def _displaced(
    reference: Graph, candidate: Graph, paired: Mapping[int, int], index: int
) -> Iterator[int]:
    """Yield the operands of a node's partner that stand where another one's partner does."""
    first, second = reference.nodes[index], candidate.nodes[paired[index]]
    same = first.kind == second.kind and len(first.operands) == len(second.operands)
    if not same or first.kind in COMMUTATIVE:
        return
    for i, j in zip(first.operands, second.operands, strict=True):
        if i in paired and paired[i] in second.operands and paired[i] != j:
            yield j
