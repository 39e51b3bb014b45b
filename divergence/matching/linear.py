"""Which points of two chains hold the same value, and hints moved to such points."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from divergence.matching.chains import Chain, Point, chains
from divergence.matching.graph import Graph
from divergence.matching.hints import Hint
from divergence.matching.parameters import Floats

ALIKE = 0.5  # product of signatures from which two weights are one, perhaps changed
_KNOWN = 0.35  # states further apart than this are of two values
_NOISE = 0.01  # differences of states that say nothing
_STEP = 0.1  # ways from point to point that differ by more are not the same
_TIE = 0.1  # states that all differ, by nearly as much as the nearest, say nothing


class Chains:
    """The chains of both sides. A hint about one pair of points is a hint about two chains."""

    def __init__(self, reference: Graph, candidate: Graph) -> None:
        self.reference = tuple(chains(reference))
        self.candidate = tuple(chains(candidate))
        self._ours = _membership(self.reference)
        self._theirs = _membership(self.candidate)
        self._aligned: dict[tuple[int, int], tuple[tuple[int, int], ...]] = {}

    def redirect(self, hint: Hint) -> Iterator[Hint]:
        """Yield the hint for the points that it can be true of; itself outside chains.

        That a convolution stands opposite a `Conv` says that their chains do; where a batch
        norm was folded in, it is the batch norm whose value the `Conv` holds.
        """
        points = self.same(hint.reference, hint.candidate)
        if not points or (hint.reference, hint.candidate) in points:
            yield hint
            return
        for i, j in points:
            yield replace(hint, reference=i, candidate=j)

    def same(self, reference: int, candidate: int) -> tuple[tuple[int, int], ...]:
        """Return the pairs of nodes of the chains that two nodes are in; none outside chains."""
        first, second = self._ours.get(reference), self._theirs.get(candidate)
        if first is None or second is None or first.size != second.size:
            return ()
        return self.aligned(first, second)

    def alone(self, reference: int, candidate: int) -> tuple[set[int], set[int]]:
        """Return what has no partner in the chains of two nodes that are a pair."""
        first, second = self._ours.get(reference), self._theirs.get(candidate)
        points = self.same(reference, candidate)
        if first is None or second is None or (reference, candidate) not in points:
            return set(), set()
        ours = {p.node for p in first.points} - {i for i, _ in points}
        theirs = {p.node for p in second.points} - {j for _, j in points}
        return ours, theirs

    def aligned(self, first: Chain, second: Chain) -> tuple[tuple[int, int], ...]:
        """Return the pairs of nodes of two chains that hold the same value."""
        key = first.head, second.head
        if key not in self._aligned:
            pairs = align(first, second)
            self._aligned[key] = tuple(
                (first.points[i].node, second.points[j].node) for i, j in pairs
            )
        return self._aligned[key]


def likeness(first: Chain, second: Chain) -> float:
    """Return -1..1: how alike two weights are, whatever gain was folded into either."""
    if first.signature.shape != second.signature.shape:
        return 0.0
    return float(first.signature @ second.signature)


def align(first: Chain, second: Chain) -> list[tuple[int, int]]:
    """Return the positions of points that hold the same value, increasing on both sides.

    By their states where the weights are alike, counting half between operators of one kind,
    so that a change in a weight does not part them; else the last with the last. What differs
    by less than a hundredth is a tie. Where all states differ (weights of a few bits), those
    that differ least. An operator that adds its bias itself is the sum where another adds it
    behind: whatever that adds, it is meant for the bias.
    """
    left, right = first.points, second.points
    if len(left) == len(right) == 1:
        return [(0, 0)]
    share = _share(first, second)
    if share is None:
        return _cheapest(np.full((len(left), len(right)), -_KNOWN))
    apart = np.array([[_distance(a, b, share) for b in right] for a in left])
    if _adds_behind(first, second) or _adds_behind(second, first):
        apart[0, 0] = 1.0
    kinds = np.array([[1.0 if a.kind == b.kind else 2.0 for b in right] for a in left])
    near = np.minimum(1.0, apart)
    pairs = _cheapest(np.round(near * kinds / 2, 2) - _KNOWN)
    pairs = pairs or _cheapest(np.round(near - near.min(), 2) - _TIE)
    return _consistent(pairs, first, second, apart)


def _adds_behind(first: Chain, second: Chain) -> bool:
    """Whether the first's head adds a bias that the second adds in a step of its own."""
    later = second.points[1].kind if len(second.points) > 1 else ""
    return first.biased and not second.biased and later in {"add", "sub"}


def _consistent(
    pairs: list[tuple[int, int]], first: Chain, second: Chain, apart: Floats
) -> list[tuple[int, int]]:
    """Return the pairs without those that a later one refutes.

    What goes wrong at a point of a chain stays wrong behind it: where states agree better again,
    and the way from one point to the other is not the same on both sides (which no noise in the
    weight changes), the earlier ones are not of one value, but of two that a fold left apart.
    """
    kept: list[tuple[int, int]] = []
    for i, j in reversed(pairs):
        if kept and apart[i, j] > apart[kept[-1]] + _NOISE:
            ours = _step(first.points[i], first.points[kept[-1][0]])
            theirs = _step(second.points[j], second.points[kept[-1][1]])
            if _apart(ours, theirs) > _STEP:
                continue
        kept.append((i, j))
    return kept[::-1]


def _step(start: Point, end: Point) -> tuple[Floats, Floats]:
    """Return the gain and the offset that lead from one point of a chain to a later one."""
    gain = end.gain / np.where(start.gain == 0, np.inf, start.gain)
    return gain, end.offset - gain * start.offset


def _cheapest(costs: Floats) -> list[tuple[int, int]]:
    """Return the monotone pairing of rows and columns with the least sum; ties to the last."""
    count, other = costs.shape
    total = np.zeros((count + 1, other + 1))
    for i in range(count - 1, -1, -1):
        for j in range(other - 1, -1, -1):
            both = costs[i, j] + total[i + 1, j + 1]
            total[i, j] = min(both, total[i + 1, j], total[i, j + 1])
    pairs, i, j = [], 0, 0
    while i < count and j < other:
        if total[i + 1, j] <= total[i, j]:
            i += 1
        elif total[i, j + 1] <= total[i, j]:
            j += 1
        else:
            pairs.append((i, j))
            i, j = i + 1, j + 1
    return pairs


def _distance(first: Point, second: Point, share: Floats) -> float:
    """Return how far apart the states of two points are, relative to their size."""
    blur = np.maximum(first.blur, second.blur)
    return _apart((first.gain, first.offset), (second.gain * share, second.offset), blur)


def _apart(
    first: tuple[Floats, Floats], second: tuple[Floats, Floats], blur: Floats | float = 0.0
) -> float:
    """Return how far apart two gains with their offsets are, relative to their size.

    blur: how far rounding may have moved the offsets.
    """
    least = 0.05 * float(np.abs(first[0]).mean())
    return _relative(first[0], second[0], 0.0) + _relative(first[1], second[1], least, blur)


def _relative(first: Floats, second: Floats, least: float, blur: Floats | float = 0.0) -> float:
    scale = max(float(np.abs(first).mean()), float(np.abs(second).mean()), least, 1e-12)
    return float(np.maximum(np.abs(first - second) - blur, 0.0).mean()) / scale


def _share(first: Chain, second: Chain) -> Floats | None:
    """Return the second weight's channels as multiples of the first's; None for other weights."""
    if likeness(first, second) < ALIKE and len(first.moments) > 2:
        return None
    if first.norms is None or second.norms is None:
        ratio = np.ones(len(first.moments))
    else:
        ratio = np.where(first.norms > 0, second.norms / np.maximum(first.norms, 1e-30), 1.0)
    turned = (first.moments[:, ::2] * second.moments[:, ::2]).sum(axis=1)
    return np.asarray(ratio * np.where(turned < 0, -1.0, 1.0), dtype=np.float64)


def _membership(known: tuple[Chain, ...]) -> dict[int, Chain]:
    return {point.node: chain for chain in known for point in chain.points}
