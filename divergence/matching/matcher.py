"""Match two programs: strategies give hints, the board decides, contents become sites."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from divergence.matching import ends, names, scopes, values, weights
from divergence.matching.board import Board
from divergence.matching.graph import Graph
from divergence.matching.hints import Hint
from divergence.matching.likeness import unlike
from divergence.matching.linear import Chains
from divergence.matching.reasons import strangers
from divergence.matching.recurrent import whole
from divergence.matching.relations import Relations
from divergence.matching.scaled import move_scaled
from divergence.matching.sides import Prints, Sides, Strategy
from divergence.matching.spread import spread
from divergence.matching.topology import around
from divergence.records import Match, Pairing, Program

STRATEGIES: Final[tuple[Strategy, ...]] = (
    ends.hints,
    scopes.hints,
    names.hints,
    weights.hints,
    values.hints,
)

_ANCHOR: Final = 7.0  # what a content needs to be decided before any neighbour is heard
# Least score and least lead over rivals (in logarithms of odds) of each round of decisions.
_ROUNDS: Final = ((6.0, 3.0), (4.5, 2.0), (3.5, 1.2), (2.5, 0.6))


def match(
    reference: Program,
    candidate: Program,
    fixed: Sequence[Match] = (),
    prints: Prints = ({}, {}),
) -> Pairing:
    """Return which sites of the two sides hold the same value.

    fixed: pairs that the user gave; they stand, and what they say counts for the rest.
    prints: fingerprints of both sides' values by site, where something was in doubt.
    """
    return paired(decided(reference, candidate, fixed, prints), fixed)


def decided(
    reference: Program, candidate: Program, fixed: Sequence[Match], prints: Prints
) -> Board:
    """Return the board with all that was decided; the arguments are those of `match`."""
    left, right = Graph(reference, whole(reference, candidate)), Graph(candidate)
    sides = Sides(left, right, Chains(left, right), prints)
    board = Board(sides)
    for given in fixed:
        if given.reference in left.of and given.candidate in right.of:
            pair = left.of[given.reference], right.of[given.candidate]
            board.add(Hint(*pair, 50.0, "by hand"))
    for strategy in STRATEGIES:
        for hint in strategy(sides):
            board.add(hint)
    anchors = list(_decisions(board, _ANCHOR, _ROUNDS[0][1]))
    for pair in anchors:
        _tell(board, around(board, pair))
    for least, lead in _ROUNDS:
        for pair in _decisions(board, least, lead):
            _tell(board, around(board, pair))
    move_scaled(board)
    return board


def paired(board: Board, fixed: Sequence[Match]) -> Pairing:
    """Return the pairs of sites that a board's decisions make; none between strangers."""
    reasons = unlike(board)
    if reasons and not fixed:
        return strangers(board.reference.program, board.candidate.program, reasons)
    return spread(board, fixed, Relations(board))


def _decisions(board: Board, least: float, lead: float) -> Iterator[tuple[int, int]]:
    """Decide what is clear at this level; what is told of each may make its neighbours clear."""
    board.reopen()
    while (pair := board.next(least, lead)) is not None:
        board.decide(pair)
        yield pair


def _tell(board: Board, hints: Iterable[Hint]) -> None:
    for hint in hints:
        board.add(hint)
