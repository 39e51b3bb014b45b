"""Strategy 3: a module's parameters, found among the initializers by their content.

Channels are compared by statistics that survive transposition, casts, quantisation, small
changes and a folded gain; equal ones anchor the operators that multiply by them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

import numpy as np

from divergence.matching.chains import Chain
from divergence.matching.graph import Graph
from divergence.matching.hints import Hint
from divergence.matching.kernels import HEADS
from divergence.matching.linear import ALIKE
from divergence.matching.parameters import Floats, load
from divergence.matching.sides import Sides

_ANCHOR, _SHARED = 6.0, 2.0  # content that one weight alone has, and that several have
_IN_TURN = 1.5  # more for the k-th use of a weight on one side with the k-th on the other
_MARGIN = 0.15  # of likeness, within which several are equally good
_SEVERAL = 8  # weights alike beyond which likeness says nothing
_BLOCK = 512  # rows of the likeness matrix computed at once
_LONGEST = 4096  # elements of a vector that are looked at


def hints(sides: Sides) -> Iterator[Hint]:
    """Yield hints for operators that use the same weight, changed or not."""
    ours = _by_size(sides.chains.reference, sides.reference)
    theirs = _by_size(sides.chains.candidate, sides.candidate)
    for size, left in ours.items():
        if size in theirs:
            yield from _alike(left, theirs[size])
    yield from _vectors(sides)


def _by_size(chains: Sequence[Chain], graph: Graph) -> dict[tuple[int, int], list[Chain]]:
    """Return the chains of each size, the nearest to the inputs first.

    Which of two calls comes first in a file is up to who wrote it, unless one reads the other.
    """
    depths = _depths(graph, {chain.head for chain in chains})
    groups: dict[tuple[int, int], list[Chain]] = defaultdict(list)
    for chain in sorted(chains, key=lambda chain: (depths[chain.head], chain.head)):
        groups[chain.size].append(chain)
    return groups


def _depths(graph: Graph, heads: Collection[int]) -> list[tuple[int, int]]:
    """Return for each node how many layers, and how many steps, lead to it at most.

    Layers first: exporters write other steps for what is between them.
    """
    depths: list[tuple[int, int]] = []
    for node in graph.nodes:
        layers, steps = max((depths[i] for i in node.operands if i < node.index), default=(0, 0))
        depths.append((layers + (node.index in heads), steps + 1))
    return depths


def _alike(left: list[Chain], right: list[Chain]) -> Iterator[Hint]:
    """Yield hints for the chains that are each other's best.

    Where several are equally good (a weight used twice, tied or constant weights), each is
    possible and the hint is weaker; the k-th with the k-th a little less so.
    """
    ours = np.stack([chain.signature for chain in left])
    theirs = np.stack([chain.signature for chain in right])
    across = _best(theirs, ours)
    turns = _in_turn(left, right, ours, theirs)
    for start in range(0, len(left), _BLOCK):
        block = ours[start : start + _BLOCK] @ theirs.T
        for offset, row in enumerate(block):
            near = np.flatnonzero(row > max(ALIKE, row.max() - _MARGIN))
            mutual = [int(j) for j in near if row[j] > across[j] - _MARGIN]
            if len(mutual) > _SEVERAL:
                continue
            strength = _ANCHOR if len(mutual) == 1 else _SHARED
            turn = turns.get(start + offset)
            for j in mutual:
                head = left[start + offset].head
                extra = _IN_TURN if len(mutual) > 1 and turn == j else 0.0
                yield Hint(head, right[j].head, (strength + extra) * float(row[j]), "weights")


def _in_turn(left: list[Chain], right: list[Chain], ours: Floats, theirs: Floats) -> dict[int, int]:
    """Return for the uses of one weight the use in the same turn, where both have as many."""
    found: dict[int, int] = {}
    users = _users(right)
    for uses in _users(left).values():
        alike = [u for u in users.values() if float(ours[uses[0]] @ theirs[u[0]]) > 1 - _MARGIN]
        if len(uses) > 1 and len(alike) == 1 and len(alike[0]) == len(uses):
            found.update(zip(uses, alike[0], strict=True))
    return found


def _users(chains: list[Chain]) -> dict[bytes, list[int]]:
    """Return the uses of each content that several chains have, as one weight or as copies."""
    users: dict[bytes, list[int]] = defaultdict(list)
    for position, chain in enumerate(chains):
        users[chain.signature.tobytes()].append(position)
    return {content: uses for content, uses in users.items() if len(uses) > 1}


def _best(rows: Floats, columns: Floats) -> Floats:
    """Return for each row vector the greatest product with a column vector."""
    parts = range(0, len(rows), _BLOCK)
    return np.concatenate([(rows[s : s + _BLOCK] @ columns.T).max(axis=1) for s in parts])


def _vectors(sides: Sides) -> Iterator[Hint]:
    """Yield hints for operators outside chains by what they read: scales, offsets, tables."""
    ours, theirs = _tables(sides.reference), _tables(sides.candidate)
    for size, left in ours.items():
        right = theirs.get(size, [])
        if not right:
            continue
        table = np.stack([vector for _, vector in right])
        for node, vector in left:
            row = table @ vector
            near = np.flatnonzero(row > max(0.9, row.max() - 0.02))
            if len(near) <= _SEVERAL:
                strength = _ANCHOR / 2 if len(near) == 1 else _SHARED / 2
                yield from (Hint(node, right[j][0], strength, "weights") for j in near)


def _tables(graph: Graph) -> dict[int, list[tuple[int, Floats]]]:
    """Return by size the vectors, of mean 0 and length 1, that nodes outside chains read."""
    found: dict[int, list[tuple[int, Floats]]] = defaultdict(list)
    for node in graph.nodes:
        if node.kind in HEADS and len(node.operands) == 1:
            continue
        for name in node.weights[:4]:
            weight = graph.program.weights[name]
            size = math.prod(weight.shape)
            if size < 4 or "float" not in weight.dtype:
                continue
            values = load(weight).reshape(-1)
            if size > _LONGEST:
                values = values[np.linspace(0, size - 1, _LONGEST).astype(int)]
            values = np.where(np.isfinite(values), values, 0.0)  # a mask may be infinite
            values = values - values.mean()
            length = float(np.linalg.norm(values))
            if length > 1e-6 * math.sqrt(values.size):
                found[size].append((node.index, values / length))
    return found
