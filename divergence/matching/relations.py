"""How the first sites of two paired nodes lie to each other."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from divergence.matching.board import Board
from divergence.matching.graph import Graph
from divergence.matching.layout import Layouts, search
from divergence.matching.orientation import Orientations
from divergence.matching.positions import Positions, Shape, permuted, sampled
from divergence.records import Alignment

_FOLDED: Final = 4  # steps without a partner between two that have one


@dataclass(frozen=True, slots=True)
class Relation:
    """What is done to the candidate node's first site to have the reference node's.

    order: of the axes, as in `numpy.transpose`; a reshape follows where shapes ask for it.
    sure: found from the graph; else shapes alone suggest it.
    """

    given: Shape
    order: Shape
    sure: bool = True

    def back(self, positions: Positions) -> Positions:
        """Return where flat positions of the candidate's first site lie in the reference's."""
        inverse = tuple(int(axis) for axis in np.argsort(self.order))
        turned_shape = tuple(self.given[axis] for axis in self.order)
        return permuted(positions, turned_shape, inverse)

    @property
    def is_identity(self) -> bool:
        """Whether no axis moves."""
        return self.order == tuple(range(len(self.order)))


class Relations:
    """The relation of every pair of a board, found when it is asked for."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.layouts = Layouts(board.reference), Layouts(board.candidate)
        self.orientations = Orientations(board)
        self._known: dict[int, Relation | None] = {}
        self._orders: dict[bool, dict[int, tuple[Shape, ...]]] = {}

    def of(self, reference: int) -> Relation | None:
        """Return the relation of a reference node and its partner; None where there is none."""
        if reference not in self._known:
            self._known[reference] = None  # a cycle through a loop finds no relation
            self._known[reference] = self._find(reference)
        return self._known[reference]

    def between(self, ours: str, theirs: str) -> Alignment | None:
        """Return what makes a candidate's site the reference's, both of one content."""
        left, right = self.board.reference, self.board.candidate
        relation = self.of(left.of[ours])
        wanted, given = left.sites[ours].shape, right.sites[theirs].shape
        if relation is None or wanted is None or given is None:
            return None

        def follow(positions: Positions) -> Positions | None:
            found = self.layouts[1].follow(theirs, positions)
            return None if found is None else relation.back(found)

        return search(wanted, given, self.layouts[0].of(ours), follow)

    def _find(self, reference: int) -> Relation | None:
        candidate = self.board.paired.get(reference)
        if candidate is None:
            return None
        first, second = self.board.reference.nodes[reference], self.board.candidate.nodes[candidate]
        if not first.sites or not second.sites:
            return None
        wanted = self.board.reference.sites[first.sites[0]].shape
        given = self.board.candidate.sites[second.sites[0]].shape
        if wanted is None or given is None or math.prod(wanted) != math.prod(given):
            return None
        sliced = self.slices(reference, candidate)
        if sliced is not None and sliced.reshape in (None, wanted):
            return Relation(given, sliced.permutation or tuple(range(len(given))))
        return self._by_shapes(reference, candidate, wanted, given)

    def slices(self, reference: int, candidate: int) -> Alignment | None:
        """Return what makes one slice of a value the other; None where they are not the same."""
        left, right = self.board.reference.nodes[reference], self.board.candidate.nodes[candidate]
        if not left.sites or not right.sites or "slice" not in (left.kind, right.kind):
            return None
        wanted = self.board.reference.sites[left.sites[0]].shape
        given = self.board.candidate.sites[right.sites[0]].shape
        if wanted is None or given is None or math.prod(wanted) != math.prod(given):
            return None
        ours = self.layouts[0].origins(reference, sampled(math.prod(wanted)))[1:]
        theirs = self.layouts[1].origins(candidate, sampled(math.prod(given)))[1:]
        known = {index for index, _ in theirs}
        common = next((e for e in ours if self.board.paired.get(e[0]) in known), None)
        relation = self.of(common[0]) if common else None
        if common is None or relation is None:
            return None
        source = self.board.paired[common[0]]

        def follow(positions: Positions) -> Positions | None:
            entries = dict(self.layouts[1].origins(candidate, positions))
            return relation.back(entries[source]) if source in entries else None

        return search(wanted, given, common[1], follow)

    def _by_shapes(
        self, reference: int, candidate: int, wanted: Shape, given: Shape
    ) -> Relation | None:
        identity = tuple(range(len(given)))
        carried = self._carried(reference, candidate)
        usual = self._usual(self.orientations.of(reference)).get(len(given), ())
        if carried is not None and len(carried) == len(given) == len(wanted):
            fits = tuple(given[axis] for axis in carried) == wanted
            if fits and (carried == identity or carried in usual or given != wanted):
                return Relation(given, carried)
        if given == wanted:
            return Relation(given, identity)
        if [n for n in wanted if n != 1] == [n for n in given if n != 1]:
            return Relation(given, identity)
        fitting = [order for order in usual if tuple(given[a] for a in order) == wanted]
        if fitting:
            return Relation(given, fitting[0])
        order = _order(wanted, given)
        return Relation(given, order or identity, sure=False)

    def _carried(self, reference: int, candidate: int) -> Shape | None:
        """Return the order of axes in which the operands of two nodes stand to each other."""
        left, right = self.board.reference, self.board.candidate
        entering = list(_entering(right, candidate, self.board.taken))
        # The largest first: what is broadcast stands in any order.
        known = sorted(
            _entering(left, reference, self.board.paired),
            key=lambda name: -math.prod(left.sites[name].shape or ()),
        )
        for ours in known:
            for theirs in entering:
                if self.board.paired.get(left.of[ours]) != right.of[theirs]:
                    continue
                shapes = left.sites[ours].shape, right.sites[theirs].shape
                if shapes[0] is None or shapes[1] is None or len(shapes[0]) != len(shapes[1]):
                    continue
                found = self.between(ours, theirs)
                if found is not None and found.reshape is None:
                    return found.permutation or tuple(range(len(shapes[1])))
        return None

    def _usual(self, swapped: bool) -> dict[int, tuple[Shape, ...]]:
        """Return by count of axes the orders that the file keeps its values in.

        From pairs whose shapes differ; where kernels stand with their two spatial axes swapped,
        the swapped order first.
        """
        if swapped not in self._orders:
            self._orders[swapped] = _file_orders(self.board, swapped)
        return self._orders[swapped]


def _entering(graph: Graph, index: int, paired: Mapping[int, int]) -> Iterator[str]:
    """Yield the sites that a node reads, of nodes with a partner.

    What has none is passed through, where it is read in the layout it was made in.
    """
    for _ in range(_FOLDED):
        sites = graph.nodes[index].sites
        names = graph.sites[sites[0]].inputs if sites else ()
        known = [name for name in names if name in graph.of]
        yield from (name for name in known if graph.of[name] in paired)
        open_ = [graph.of[name] for name in known if graph.of[name] not in paired]
        if len(known) != 1 or not open_ or graph.nodes[open_[0]].sites[:1] != known:
            return
        index = open_[0]


def _file_orders(board: Board, swapped: bool) -> dict[int, tuple[Shape, ...]]:
    votes: Counter[Shape] = Counter()
    for i, j in board.paired.items():
        wanted, given = board.reference.nodes[i].shape, board.candidate.nodes[j].shape
        if wanted and given and len(wanted) == len(given) == 4 and wanted != given:
            for order in ((0, 3, 1, 2), (0, 3, 2, 1), (0, 2, 3, 1)):
                if tuple(given[a] for a in order) == wanted and min(wanted[1:]) > 1:
                    votes[order] += 1
    orders = [order for order, count in votes.most_common() if count > 0]
    if swapped:
        orders = [(0, 3, 2, 1), (0, 1, 3, 2), *(o for o in orders if o != (0, 3, 1, 2))]
    elif (0, 3, 1, 2) in orders:  # squares fit both orders; unless turned it is the plain one
        orders = [(0, 3, 1, 2), *(o for o in orders if o not in {(0, 3, 1, 2), (0, 3, 2, 1)})]
    return {4: tuple(dict.fromkeys(orders))} if orders else {}


def _order(wanted: Shape, given: Shape) -> Shape | None:
    """Return an order of axes that gives a shape, the first axes of a size first."""
    if sorted(wanted) != sorted(given):
        return None
    order: list[int] = []
    for size in wanted:
        order.append(next(a for a, n in enumerate(given) if n == size and a not in order))
    return tuple(order)
