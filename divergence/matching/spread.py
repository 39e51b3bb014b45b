"""From contents to sites: which site of a node stands opposite which, in what alignment."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from divergence.matching.board import Board
from divergence.matching.graph import Graph, Node
from divergence.matching.layout import Layouts, alignment, way
from divergence.records import Alignment, Evidence, Match, Pairing, Program, Side, Site, Unpaired

_CERTAIN = 6.0
_REFERENCE: Final[Side] = "reference"
_CANDIDATE: Final[Side] = "candidate"


def spread(board: Board, fixed: Sequence[Match]) -> Pairing:
    """Return the pairs of sites, and every other site with the reason why it is alone."""
    layouts = Layouts(board.reference), Layouts(board.candidate)
    matches = {match.reference: match for match in fixed}
    for i, j in board.paired.items():
        for match in _members(board, layouts, i, j):
            matches.setdefault(match.reference, match)
    order = {site.name: site.order for site in board.reference.program.sites}
    ordered = sorted(matches.values(), key=lambda match: order[match.reference])
    return Pairing(tuple(ordered), tuple(_alone(board, ordered)))


def strangers(reference: Program, candidate: Program, reasons: tuple[Evidence, ...]) -> Pairing:
    """Return that the two are not the same network: no pairs, and the evidence."""
    why = "the other side does not look like the same network"
    alone = [
        Unpaired(side, site.name, why)
        for side, program in ((_REFERENCE, reference), (_CANDIDATE, candidate))
        for site in program.sites
        if not site.constant
    ]
    return Pairing((), tuple(alone), reasons)


def _members(board: Board, layouts: tuple[Layouts, Layouts], i: int, j: int) -> Iterator[Match]:
    """Yield the pairs between the sites of two nodes that are one content."""
    first, second = board.reference.nodes[i], board.candidate.nodes[j]
    if not first.sites or not second.sites:
        return
    by = _reason(board, i, j)
    confidence = _confidence(board, i, j)
    for name in first.sites:
        site = board.reference.sites[name]
        found = _partner(board.candidate, layouts, site, first, second)
        if found is not None:
            yield Match(name, found[0], by, confidence * found[2], found[1])


def _partner(
    graph: Graph, layouts: tuple[Layouts, Layouts], site: Site, first: Node, second: Node
) -> tuple[str, Alignment | None, float] | None:
    """Return the site of the other side, the alignment, and how sure the layout is."""
    ours = layouts[0](site.name)
    own = second.sites[0]
    same = [name for name in second.sites if graph.sites[name].shape == site.shape]
    for name in same:
        theirs = layouts[1](name)
        if ours is not None and theirs is not None and np.array_equal(ours, theirs):
            return name, None, 1.0
    given = graph.sites[own].shape
    if given is None or site.shape is None:
        return (own, None, 0.9) if site.name == first.sites[0] else None
    if same and site.name == first.sites[0]:
        return same[0], None, 0.97
    if math.prod(given) != math.prod(site.shape):
        return (own, None, 0.8) if site.name == first.sites[0] else None
    if site.name == first.sites[0]:
        return own, _between(site.shape, given), 0.95
    found = None
    if first.shape == given:
        found = alignment(site.shape, given, ours, way(layouts[1], own))
    if found is not None:
        return own, found, 0.97
    return (same[0], None, 0.9) if len(same) == 1 else None


def _between(wanted: tuple[int, ...], given: tuple[int, ...]) -> Alignment:
    """Return the alignment that shapes alone suggest."""
    if [n for n in wanted if n != 1] == [n for n in given if n != 1] or len(wanted) != len(given):
        return Alignment(reshape=wanted)
    order: list[int] = []
    for size in wanted:
        axis = next((a for a, n in enumerate(given) if n == size and a not in order), None)
        if axis is None:
            return Alignment(reshape=wanted)
        order.append(axis)
    return Alignment(permutation=tuple(order))


def _confidence(board: Board, i: int, j: int) -> float:
    score = board.scores[i, j]
    return round(min(0.999, 1 / (1 + math.exp(-min(score, _CERTAIN + 1) + 1.0))), 3)


def _reason(board: Board, i: int, j: int) -> str:
    reasons = board.reasons[i, j]
    best = max(reasons, key=lambda reason: reasons[reason], default="topology")
    return best.split(",")[0]


def _alone(board: Board, matches: Sequence[Match]) -> Iterator[Unpaired]:
    ours = {match.reference for match in matches}
    theirs = {match.candidate for match in matches}
    for site in board.reference.program.sites:
        if site.name not in ours and not site.constant:
            yield Unpaired("reference", site.name, _why(board, 0, site))
    for site in board.candidate.program.sites:
        if site.name not in theirs and not site.constant:
            yield Unpaired("candidate", site.name, _why(board, 1, site))


def _why(board: Board, side: int, site: Site) -> str:
    graph = (board.reference, board.candidate)[side]
    if site.name in graph.beside:
        return graph.beside[site.name]
    node = graph.of.get(site.name, -1)
    if node in board.folded[side]:
        i = board.folded[side][node]
        other = (board.candidate.nodes[board.paired[i]], board.reference.nodes[i])[side]
        return (
            f"a step towards '{other.sites[0]}', which the other side makes in one"
            if (other.sites)
            else "a step that the other side does not show"
        )
    if node in (board.paired, board.taken)[side]:
        return "a layout that the other side does not have"
    return "no value of the other side computes this"
