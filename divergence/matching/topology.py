"""Strategy 4: what surrounds two contents that are known to be one.

What consumes one should be found behind the other, what feeds one before it; as far as a
composite and its lowering may be long, past steps that have no partner, but never past one
that has.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator

from divergence.matching.board import Board, Pair
from divergence.matching.graph import Graph, Node
from divergence.matching.hints import Hint
from divergence.matching.kinds import COMMUTATIVE

_FORWARD, _BACKWARD, _SIBLING, _PART = 2.5, 2.0, 0.8, 0.7
_SAME_PLACE = 0.5  # more for the very operand in the same place
# What is left of a hint for each step in between: forward inside a lowering, forward between
# equal operators, and backward, where a step left over behind the last one is strange.
_LOWERED, _STRANGE, _LEFT_OVER = 0.95, 0.6, 0.6
_FAR, _MANY = 10, 24  # how deep and how broad a search goes: the longest lowering known has 9


def around(board: Board, pair: Pair) -> Iterator[Hint]:
    """Yield hints for the neighbours of a pair that has just been decided."""
    yield from _forward(board, pair)
    yield from _siblings(board, pair)
    yield from _backward(board, pair)
    for i in board.reference.nodes[pair[0]].consumers:
        j = board.paired.get(i)
        if j is not None and j in board.candidate.nodes[pair[1]].consumers:
            yield from _operands(board, (i, j))


def _forward(board: Board, pair: Pair) -> Iterator[Hint]:
    left, right = board.reference, board.candidate
    theirs = downstream(right, pair[1], board.taken)
    for i, near in downstream(left, pair[0], board.paired):
        for j, far in theirs:
            first, second = left.nodes[i], right.nodes[j]
            if min(near, far) > 1 or not board.sides.fit(first, second):
                continue
            strength = _FORWARD / _reads(first, second) * _faded(first, second, near + far)
            yield Hint(i, j, strength, f"topology, from operand {pair[0]}")


def _backward(board: Board, pair: Pair) -> Iterator[Hint]:
    left, right = board.reference, board.candidate
    first, second = left.nodes[pair[0]], right.nodes[pair[1]]
    reason = f"topology, from consumer {pair[0]}"
    yield from _operands(board, pair)
    theirs = upstream(right, pair[1], board.taken)
    share = max(1, len(first.operands), len(second.operands)) ** 0.5
    for i, near in upstream(left, pair[0], board.paired):
        for j, far in theirs:
            before, behind = left.nodes[i], right.nodes[j]
            if min(near, far) > 1 or not board.sides.fit(before, behind):
                continue
            yield Hint(i, j, _BACKWARD / share * _LEFT_OVER ** (near + far - 2), reason)


def _operands(board: Board, pair: Pair) -> Iterator[Hint]:
    """Yield hints for what two equal operators read in the same place.

    Where operands may stand in any order, for the last one on each side without a partner.
    """
    first, second = board.reference.nodes[pair[0]], board.candidate.nodes[pair[1]]
    if first.kind != second.kind or len(first.operands) != len(second.operands):
        return
    places = list(zip(first.operands, second.operands, strict=True))
    if first.kind in COMMUTATIVE:
        ours = [i for i in first.operands if i not in board.paired]
        theirs = [j for j in second.operands if j not in board.taken]
        places = list(zip(ours, theirs, strict=True)) if len(ours) == len(theirs) == 1 else []
    for i, j in places:
        yield Hint(i, j, _BACKWARD + _SAME_PLACE, f"topology, from consumer {pair[0]}")


def _siblings(board: Board, pair: Pair) -> Iterator[Hint]:
    """Yield hints for equal consumers of one value, in their order."""
    left, right = board.reference, board.candidate
    ours, theirs = _alike(left, pair[0]), _alike(right, pair[1])
    for key, first in ours.items():
        second = theirs.get(key, [])
        if len(first) != len(second) or len(first) < 2:
            continue
        for i, j in zip(first, second, strict=True):
            part = _PART if left.nodes[i].part == right.nodes[j].part else 0.0
            yield Hint(i, j, _SIBLING + part, f"order, behind {pair[0]}")


def _reads(first: Node, second: Node) -> int:
    """Return of how many operands one is known; a lowering's last step reads its own others."""
    counts = len(first.operands), len(second.operands)
    return max(1, max(counts) if first.kind == second.kind else min(counts))


def _faded(first: Node, second: Node, distance: int) -> float:
    """Return what is left of a hint over a distance (2 where both are neighbours).

    Steps in between are what a lowering is made of; between equal operators they are strange.
    """
    return (_STRANGE if first.kind == second.kind else _LOWERED) ** (distance - 2)


def _alike(graph: Graph, index: int) -> dict[tuple[str, int | None], list[int]]:
    groups: dict[tuple[str, int | None], list[int]] = defaultdict(list)
    for i in graph.nodes[index].consumers:
        node = graph.nodes[i]
        groups[node.kind, node.size].append(i)
    for members in groups.values():
        members.sort(key=lambda i: (graph.nodes[i].part, graph.nodes[i].order))
    return groups


def downstream(graph: Graph, index: int, closed: Collection[int]) -> list[tuple[int, int]]:
    """Return the open nodes behind a node with their distance, nearest first."""
    return _search(graph, index, closed, forward=True)


def upstream(graph: Graph, index: int, closed: Collection[int]) -> list[tuple[int, int]]:
    """Return the open nodes before a node with their distance, nearest first."""
    return _search(graph, index, closed, forward=False)


def _search(
    graph: Graph, index: int, closed: Collection[int], *, forward: bool
) -> list[tuple[int, int]]:
    found: dict[int, int] = {}
    frontier = [index]
    for distance in range(1, _FAR + 1):
        reached: list[int] = []
        for i in frontier:
            node = graph.nodes[i]
            for j in node.consumers if forward else node.operands:
                if j not in found and j not in closed:
                    found[j] = distance
                    reached.append(j)
        if not reached or len(found) >= _MANY:
            break
        frontier = reached
    return list(found.items())[:_MANY]
