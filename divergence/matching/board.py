"""The board: all evidence for and against each possible pair, and the pairs decided so far.

A decision is made for the strongest pair that leads its rivals clearly; each decision adds
evidence for its neighbours (`topology.py`), so certainty spreads from the anchors, and a
hint that contradicts what surrounds it never gets its turn.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Collection, Iterable

from divergence.matching.graph import Graph, Node
from divergence.matching.hints import Hint
from divergence.matching.kinds import LOWERED, RECURRENT, REPLACED, SAME, UNRELATED
from divergence.matching.sides import Sides
from divergence.matching.unblocked import is_padded

Pair = tuple[int, int]

# Evidence in natural logarithms of odds. Chosen on the tuning half of the suite.
_KIND = {SAME: 1.5, LOWERED: 0.3, REPLACED: -2.0, UNRELATED: -4.0}
_CONTRADICTION = 2.0  # for each operand with a partner that feeds one of the two alone
_CLEAR = 3.0  # a lead that is enough in every round
_LEAST = 2.0  # score of a pair that another must not stand in the way of
_FAR = 12  # steps without partner that are passed through: the longest lowering has 9
AGAINST = "contradicted"
_SAME_SHAPE, _SAME_SIZE, _OTHER_SIZE = 1.0, 0.3, -5.0


class Board:
    """Evidence by pair and source, best first.

    paired, taken: decided pairs by their reference and by their candidate node. folded: nodes
    of each side whose value the other side's operator passes over, with the reference node
    of a decided pair of the same chain.
    """

    def __init__(self, sides: Sides) -> None:
        self.sides = sides
        self.reference, self.candidate, self.chains = sides.reference, sides.candidate, sides.chains
        self.paired: dict[int, int] = {}
        self.taken: dict[int, int] = {}
        self.folded: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self.scores: dict[Pair, float] = {}
        self.reasons: dict[Pair, dict[str, float]] = {}
        self._rows: dict[int, dict[int, float]] = defaultdict(dict)
        self._columns: dict[int, dict[int, float]] = defaultdict(dict)
        self._heap: list[tuple[float, int, int]] = []
        self._aside: set[Pair] = set()

    def add(self, hint: Hint) -> None:
        """Count a hint once for each reason; the strongest of one reason stands."""
        for moved in self.chains.redirect(hint):
            self._count(moved)

    def _count(self, hint: Hint) -> None:
        pair = hint.reference, hint.candidate
        if not self._is_open(pair):
            return
        known = self.reasons.get(pair)
        if known is None:
            known = self.reasons[pair] = {}
            self.scores[pair] = self._prior(*pair)
        gained = hint.strength - known.get(hint.reason, 0.0)
        if gained <= 0 < hint.strength:
            return
        known[hint.reason] = hint.strength
        self._set(pair, self.scores[pair] + gained)

    def next(self, least: float, lead: float) -> Pair | None:
        """Return the strongest open pair of at least this score that leads its rivals so far.

        least, lead: in logarithms of odds. A pair that does not lead is put aside until a
        rival is gone or new evidence comes.
        """
        while self._heap and -self._heap[0][0] >= least:
            score, *nodes = heapq.heappop(self._heap)
            pair = nodes[0], nodes[1]
            if self._is_open(pair) and self.scores[pair] == -score:
                if self._is_contradicted(pair):
                    continue
                if self.margin(pair) >= lead and not self._is_in_the_way(pair):
                    return pair
                self._aside.add(pair)
        return None

    def reopen(self) -> None:
        """Consider again all that was put aside, for a round with a smaller lead."""
        for pair in self._aside:
            if self._is_open(pair):
                heapq.heappush(self._heap, (-self.scores[pair], *pair))
        self._aside.clear()

    def margin(self, pair: Pair) -> float:
        """Return by how much a pair leads the best rival of either of its nodes."""
        row, column = self._rows[pair[0]], self._columns[pair[1]]
        others = [(pair[0], c) for c in row if c != pair[1]]
        others += [(r, pair[1]) for r in column if r != pair[0]]
        near = (p for p in others if self.scores[p] > self.scores[pair] - _CLEAR)
        rivals = [self.scores[p] for p in near if self._is_rival(p, pair)]
        return self.scores[pair] - max(rivals, default=self.scores[pair] - _CLEAR)

    def _is_rival(self, other: Pair, pair: Pair) -> bool:
        """Return whether a pair of one of the same nodes may be right in a pair's place."""
        if not self._is_open(other) or self._is_in_the_way(other):
            return False
        if self._fit(other) != LOWERED or self._fit(pair) != LOWERED:
            return True
        inner = _leads_to(self.candidate, other[1], pair[1])
        return not inner and not _leads_to(self.reference, other[0], pair[0])

    def _fit(self, pair: Pair) -> float:
        return self.sides.fit(self.reference.nodes[pair[0]], self.candidate.nodes[pair[1]])

    def decide(self, pair: Pair) -> None:
        """Take a pair; those that it was a rival of may lead now."""
        self.paired[pair[0]] = pair[1]
        self.taken[pair[1]] = pair[0]
        for side, alone in zip(self.folded, self.chains.alone(*pair), strict=True):
            side.update(dict.fromkeys(alone, pair[0]))
        for candidate in self._rows.pop(pair[0], {}):
            self._wake((r, candidate) for r in self._columns.get(candidate, ()))
        for reference in self._columns.pop(pair[1], {}):
            self._wake((reference, c) for c in self._rows.get(reference, ()))

    def _wake(self, rivals: Iterable[Pair]) -> None:
        """Consider the strongest of these again, if it was put aside."""
        best = max(rivals, key=self.scores.__getitem__, default=None)
        if best in self._aside and self._is_open(best):
            self._aside.discard(best)
            heapq.heappush(self._heap, (-self.scores[best], *best))

    def _is_in_the_way(self, pair: Pair) -> bool:
        """Return whether a step of a lowering would take the place of two pairs in order.

        Of two composites behind each other the second must not take the first one's partner.
        """
        if self._fit(pair) != LOWERED:
            return False
        rivals = (
            (i, j)
            for j, across in self._rows[pair[0]].items()
            for i, down in self._columns[pair[1]].items()
            if (i - pair[0]) * (j - pair[1]) < 0
            and min(across, down) > _LEAST
            and across + down > self.scores[pair]
        )
        return any(self._is_open(other) and self._needs((other[0], pair[1])) for other in rivals)

    def _needs(self, pair: Pair) -> bool:
        """Return whether the reference node of a pair has no far better partner."""
        row = self._rows[pair[0]]
        better = (j for j, score in row.items() if score > row[pair[1]] + _CLEAR)
        return not any(self._is_open((pair[0], j)) for j in better)

    def _is_contradicted(self, pair: Pair) -> bool:
        """Count what speaks against a pair; return whether its score fell.

        Each node that one of the two reads, and that has a partner, should feed the other too.
        """
        ours = sources(self.reference, pair[0], self.paired)
        theirs = sources(self.candidate, pair[1], self.taken)
        direct = [j for j in self.candidate.nodes[pair[1]].operands if j in self.taken]
        against = sum(self.taken[j] not in ours for j in direct)
        own = [i for i in self.reference.nodes[pair[0]].operands if i in self.paired]
        against += sum(self.paired[i] not in theirs for i in own)
        known = self.reasons[pair].get(AGAINST, 0.0)
        if -_CONTRADICTION * against >= known:
            return False
        self.reasons[pair][AGAINST] = -_CONTRADICTION * against
        self._set(pair, self.scores[pair] - _CONTRADICTION * against - known)
        return True

    def _is_open(self, pair: Pair) -> bool:
        left = pair[0] in self.paired or pair[0] in self.folded[0]
        return not left and pair[1] not in self.taken and pair[1] not in self.folded[1]

    def _set(self, pair: Pair, score: float) -> None:
        self.scores[pair] = score
        self._rows[pair[0]][pair[1]] = score
        self._columns[pair[1]][pair[0]] = score
        heapq.heappush(self._heap, (-score, *pair))

    def _prior(self, reference: int, candidate: int) -> float:
        first, second = self.reference.nodes[reference], self.candidate.nodes[candidate]
        shape = _by_shape(first, second, self.candidate.blocked)
        if (reference, candidate) in self.chains.same(reference, candidate):
            return _KIND[SAME] + shape
        if RECURRENT in (first.kind, second.kind) and self._other_result(first, second):
            return _KIND[UNRELATED] + shape
        return _KIND[self.sides.fit(first, second)] + shape

    def _other_result(self, first: Node, second: Node) -> bool:
        """Return whether one is the output and one a state, or one of a layer below the last."""
        below = self.reference.is_below(first), self.candidate.is_below(second)
        return first.part != second.part or below[0] != below[1]


def sources(graph: Graph, index: int, paired: Collection[int]) -> set[int]:
    """Return the nearest nodes with a partner that feed a node, through some that have none."""
    found: set[int] = set()
    frontier, seen = [index], {index}
    for _ in range(_FAR):
        reached = []
        for i in frontier:
            for j in graph.nodes[i].operands:
                if j in paired:
                    found.add(j)
                elif j not in seen:
                    seen.add(j)
                    reached.append(j)
        frontier = reached
    return found


def _leads_to(graph: Graph, inner: int, last: int) -> bool:
    """Return whether a step is read by nothing but what becomes another step."""
    frontier = {inner}
    for _ in range(_FAR):
        reached: set[int] = set()
        for i in frontier:
            consumers = graph.nodes[i].consumers
            if not consumers or max(consumers) > last:
                return False
            reached.update(consumers)
        frontier = reached - {last}
        if not frontier:
            return True
    return False


def _by_shape(first: Node, second: Node, blocked: bool) -> float:
    if first.shape is None or second.shape is None:
        return 0.0
    if first.size != second.size:
        padded = blocked and is_padded(first.shape, second.shape)
        return _SAME_SHAPE if padded else _OTHER_SIZE
    same = _dimensions(first) == _dimensions(second)
    return _SAME_SHAPE if same else _SAME_SIZE


def _dimensions(node: Node) -> list[int]:
    return sorted(n for n in node.shape or () if n != 1)
