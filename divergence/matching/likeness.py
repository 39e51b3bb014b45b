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
_MOST_STRANGE = 0.2  # share of steps between layers that another checkpoint may have alone
_ENOUGH_SIZES = 0.8  # share of its pairs that have one size


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
    if len(paired) >= _ENOUGH_LAYERS * max(ours, theirs) and _is_one_structure(board):
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


def _is_one_structure(board: Board) -> bool:
    """Return whether what stands between the layers is the same, in sizes and in steps."""
    sizes = [
        (board.reference.nodes[i].size, board.candidate.nodes[j].size)
        for i, j in board.paired.items()
    ]
    known = [first == second for first, second in sizes if None not in (first, second)]
    if sum(known) < _ENOUGH_SIZES * len(known):
        return False
    steps = ((_foreign(board, side), graph) for side, graph in enumerate(_graphs(board)))
    return all(count <= _MOST_STRANGE * len(graph.nodes) for count, graph in steps)


def _foreign(board: Board, side: int) -> int:
    """Return how many steps of a side have no partner and are no part of a lowering.

    What leads to nothing but layers and operators that stand opposite their own kind: those read
    in one graph what they do not read in the other.
    """
    graph, partners = _graphs(board)[side], (board.paired, board.taken)[side]
    other = _graphs(board)[1 - side]
    layers = {c.head for c in (board.chains.reference, board.chains.candidate)[side]}
    foreign: set[int] = set()
    for node in reversed(graph.nodes):
        if node.index in partners or node.index in board.folded[side] or not node.consumers:
            continue
        if all(
            graph.nodes[c].kind == other.nodes[partners[c]].kind
            if c in partners and c not in layers
            else c in foreign or c in layers
            for c in node.consumers
        ):
            foreign.add(node.index)
    return len(foreign)


def _graphs(board: Board) -> tuple[Graph, Graph]:
    return board.reference, board.candidate


def _evidence(board: Board, paired: int, alike: int) -> tuple[Evidence, ...]:
    chains = board.chains
    ours, theirs = len(chains.reference), len(chains.candidate)
    return (
        Evidence("layers with weights", ours, theirs),
        Evidence("of these with a partner of the same size", paired, paired),
        Evidence("of these with the same weights", alike, alike),
        Evidence("steps of its own between layers", _foreign(board, 0), _foreign(board, 1)),
        Evidence("operators", _operators(board.reference), _operators(board.candidate)),
    )


def _operators(graph: Graph) -> str:
    counts = Counter(node.kind for node in graph.nodes if node.kind != "input")
    return ", ".join(f"{count} {kind}" for kind, count in counts.most_common(6))


def _steps(graph: Graph) -> int:
    return sum(node.kind != "input" for node in graph.nodes)
