"""Whether the two sides look like the same network at all."""

from __future__ import annotations

from collections import Counter

from divergence.matching.board import Board
from divergence.matching.chains import Chain
from divergence.matching.graph import Graph
from divergence.matching.linear import ALIKE, likeness
from divergence.records import Evidence

_ENOUGH_WEIGHTS = 0.5  # share of weights found on the other side that makes it the same network
_ENOUGH_LAYERS = 0.9  # the same without any weight found: another checkpoint of it
_ENOUGH_STEPS = 0.5  # share of steps, for a network without weights


def unlike(board: Board) -> tuple[Evidence, ...]:
    """Return why the sides do not look like the same network; empty where they do."""
    chains = board.chains
    ours, theirs = len(chains.reference), len(chains.candidate)
    paired = _paired_layers(board)
    if min(ours, theirs) == 0:
        steps = [_steps(board.reference), _steps(board.candidate)]
        fits = len(board.paired) >= _ENOUGH_STEPS * max(1, min(steps)) and not max(ours, theirs)
        if fits or min(steps) == 0:
            return ()
        return _evidence(board, 0, 0)
    alike = sum(likeness(a, b) > ALIKE for a, b in paired)
    if alike >= _ENOUGH_WEIGHTS * min(ours, theirs):
        return ()
    if len(paired) >= _ENOUGH_LAYERS * max(ours, theirs):
        return ()
    return _evidence(board, len(paired), alike)


def _paired_layers(board: Board) -> list[tuple[Chain, Chain]]:
    """Return the chains of which a point is paired with a point of the other."""
    theirs = {p.node: chain for chain in board.chains.candidate for p in chain.points}
    found = []
    for chain in board.chains.reference:
        partners = (theirs.get(board.paired.get(p.node, -1)) for p in chain.points)
        partner = next((p for p in partners if p is not None), None)
        if partner is not None:
            found.append((chain, partner))
    return found


def _evidence(board: Board, paired: int, alike: int) -> tuple[Evidence, ...]:
    chains = board.chains
    ours, theirs = len(chains.reference), len(chains.candidate)
    return (
        Evidence("layers with weights", ours, theirs),
        Evidence("of these with a partner of the same size", paired, paired),
        Evidence("of these with the same weights", alike, alike),
        Evidence("operators", _operators(board.reference), _operators(board.candidate)),
    )


def _operators(graph: Graph) -> str:
    counts = Counter(node.kind for node in graph.nodes if node.kind != "input")
    return ", ".join(f"{count} {kind}" for kind, count in counts.most_common(6))


def _steps(graph: Graph) -> int:
    return sum(node.kind != "input" for node in graph.nodes)
