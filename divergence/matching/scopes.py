"""Strategy 1: the module scopes that exporters leave on nodes and in their names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from divergence.matching.graph import Graph
from divergence.matching.hints import Hint
from divergence.matching.sides import Sides

_SCOPE, _AMBIGUOUS = 3.0, 1.0


def hints(sides: Sides) -> Iterator[Hint]:
    """Yield hints for steps of one kind in one scope, the k-th of one with that of the other."""
    ours, theirs = _by_scope(sides.reference), _by_scope(sides.candidate)
    for scope, left in ours.items():
        right = theirs.get(scope)
        if not scope or not right:
            continue
        yield from _same_kind(sides, left, right)
        yield from _last(sides, left, right)


def _by_scope(graph: Graph) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = defaultdict(list)
    for node in graph.nodes:
        if node.sites:
            groups[node.scope].append(node.index)
    return groups


def _same_kind(sides: Sides, left: list[int], right: list[int]) -> Iterator[Hint]:
    ours, theirs = _kinds(sides.reference, left), _kinds(sides.candidate, right)
    for kind, first in ours.items():
        second = theirs.get(kind, [])
        strength = _SCOPE if len(first) == len(second) else _AMBIGUOUS
        for i, j in zip(first, second, strict=False):
            yield Hint(i, j, strength, "scope")


def _last(sides: Sides, left: list[int], right: list[int]) -> Iterator[Hint]:
    """Yield a hint for the last steps of a scope, where the one may be a lowering of the other."""
    i, j = left[-1], right[-1]
    first, second = sides.reference.nodes[i], sides.candidate.nodes[j]
    if len(left) == 1 and first.kind != second.kind and sides.fit(first, second):
        yield Hint(i, j, _SCOPE, "scope, last node")


def _kinds(graph: Graph, indices: list[int]) -> dict[str, list[int]]:
    kinds: dict[str, list[int]] = defaultdict(list)
    for index in indices:
        kinds[graph.nodes[index].kind].append(index)
    return kinds
