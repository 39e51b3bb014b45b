"""What the report says about a pair, and about a site without a partner."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from divergence.matching.board import Board
from divergence.records import Evidence, Match, Pairing, Program, Side, Site, Unpaired

_SIDES: Final[tuple[Side, Side]] = ("reference", "candidate")


def paired_by(board: Board, reference: int, candidate: int) -> str:
    """Return the strongest reason for a pair."""
    reasons = board.reasons[reference, candidate]
    best = max(reasons, key=lambda reason: reasons[reason], default="topology")
    return best.split(",")[0]


def alone(board: Board, matches: Sequence[Match]) -> Iterator[Unpaired]:
    """Yield every site that depends on the inputs and has no partner."""
    paired = {match.reference for match in matches}, {match.candidate for match in matches}
    for side, graph in enumerate((board.reference, board.candidate)):
        for site in graph.program.sites:
            if site.name not in paired[side] and not site.constant:
                yield Unpaired(_SIDES[side], site.name, _why(board, side, site))


def strangers(reference: Program, candidate: Program, reasons: tuple[Evidence, ...]) -> Pairing:
    """Return that the two are not the same network: no pairs, and the evidence."""
    why = "the other side does not look like the same network"
    sites = [
        Unpaired(side, site.name, why)
        for side, program in zip(_SIDES, (reference, candidate), strict=True)
        for site in program.sites
        if not site.constant
    ]
    return Pairing((), tuple(sites), reasons)


def _why(board: Board, side: int, site: Site) -> str:
    graph = (board.reference, board.candidate)[side]
    if site.name in graph.hidden:
        return graph.hidden[site.name]
    if site.name in graph.beside:
        return graph.beside[site.name]
    node = graph.of.get(site.name, -1)
    if node in board.folded[side]:
        return _folded(board, side, node)
    if node in (board.paired, board.taken)[side]:
        return _unshown(board, side, node)
    return "no value of the other side computes this"


def _unshown(board: Board, side: int, node: int) -> str:
    """Return why a site whose content has a partner is alone."""
    other = (board.candidate, board.reference)[side]
    names = other.nodes[(board.paired, board.taken)[side][node]].sites
    if names and all(name in other.hidden for name in names):
        return f"its partner {names[0]}: {other.hidden[names[0]]}"
    return "a layout that the other side does not have"


def _folded(board: Board, side: int, node: int) -> str:
    partner = board.folded[side][node]
    other = (board.candidate.nodes[board.paired[partner]], board.reference.nodes[partner])[side]
    if not other.sites:
        return "a step that the other side makes inside one node"
    return f"a step towards '{other.sites[0]}', which the other side makes in one"
