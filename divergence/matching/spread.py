"""From contents to sites: which site of a node stands opposite which, in what alignment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from divergence.matching import ends
from divergence.matching.board import Board
from divergence.matching.certainty import confidence
from divergence.matching.reasons import alone, paired_by
from divergence.matching.relations import Relations
from divergence.matching.unblocked import is_padded
from divergence.records import Alignment, Match, Pairing, Site

# How much of a pair's confidence is left where the layout is less than certain.
_EXACT: Final = 1.0
_BY_CONSUMER: Final = 0.97
_BY_SHAPE: Final = 0.93
_GUESSED: Final = 0.85


def spread(board: Board, fixed: Sequence[Match], relations: Relations) -> Pairing:
    """Return the pairs of sites, and every other site with the reason why it is alone."""
    chosen = _Spread(board, relations)
    matches = {match.reference: match for match in fixed}
    for i, j in sorted(board.paired.items()):  # operands first: relations build on theirs
        for match in chosen.members(i, j):
            matches.setdefault(match.reference, match)
    for match in ends.left(board.sides, tuple(matches.values())):
        matches.setdefault(match.reference, match)
    order = {site.name: site.order for site in board.reference.program.sites}
    ordered = sorted(matches.values(), key=lambda match: order[match.reference])
    return Pairing(tuple(ordered), tuple(alone(board, ordered)))


class _Spread:
    """Finds a partner for each site of a paired node."""

    def __init__(self, board: Board, relations: Relations) -> None:
        self.board, self.relations = board, relations
        self.left, self.right = board.reference, board.candidate
        self.hidden = self.right.hidden
        self.hidden_left = self.left.hidden
        self._readers = _readers(board)

    def members(self, i: int, j: int) -> Iterator[Match]:
        """Yield the pairs between the sites of two nodes that are one content."""
        first, second = self.left.nodes[i], self.right.nodes[j]
        seen = [name for name in second.sites if name not in self.hidden]
        if not first.sites or not seen:
            return
        sure = confidence(self.board, i, j)
        for name in first.sites:
            if name in self.hidden_left:
                continue
            found = self._partner(self.left.sites[name], name == first.sites[0], seen)
            if found is not None:
                site, alignment, share = found
                by = paired_by(self.board, i, j)
                yield Match(name, site, by, round(sure * share, 4), alignment)

    def _partner(
        self, site: Site, is_first: bool, seen: Sequence[str]
    ) -> tuple[str, Alignment | None, float] | None:
        """Return the site of the other side, the alignment, and how sure the layout is."""
        kind = _is_integer(site)  # a table of integers and the values that it stands for
        seen = [n for n in seen if _is_integer(self.right.sites[n]) == kind] or seen
        if site.name in self.left.program.outputs:  # of a value and its cast, the output itself
            seen = sorted(seen, key=lambda name: name not in self.right.program.outputs)
        same = [name for name in seen if self.right.sites[name].shape == site.shape]
        for name in same:
            if self.relations.between(site.name, name) == Alignment():
                return name, None, _EXACT
        read = self._readers.get(site.name)
        if read in same and not self._is_turned(site):
            return read, None, _BY_CONSUMER
        for name in seen if is_first else (*same, *seen):
            way = self.relations.between(site.name, name)
            if way is not None:
                return name, way, _EXACT if self._is_sure(site) else _BY_SHAPE
        padded = [n for n in seen if is_padded(site.shape, self.right.sites[n].shape)]
        if padded and self.right.blocked and site.shape is not None:
            return padded[0], Alignment(unblock=site.shape[1]), _EXACT
        if len(same) == 1 or (same and is_first):
            return same[0], None, _BY_SHAPE
        return (seen[0], None, _GUESSED) if is_first and self._shapes_differ(site, seen) else None

    def _is_turned(self, site: Site) -> bool:
        relation = self.relations.of(self.left.of[site.name])
        return relation is not None and not relation.is_identity

    def _is_sure(self, site: Site) -> bool:
        relation = self.relations.of(self.left.of[site.name])
        return relation is not None and relation.sure

    def _shapes_differ(self, site: Site, seen: Sequence[str]) -> bool:
        """Whether the pair can only be reported as not comparable, or its shapes are unknown."""
        other = self.right.sites[seen[0]].shape
        return site.shape is None or other is None or len(site.shape) == len(other)


def _is_integer(site: Site) -> bool:
    return site.dtype is not None and "int" in site.dtype


def _readers(board: Board) -> dict[str, str]:
    """Return the site that a partner of a reader of each site reads in its place."""
    found: dict[str, str] = {}
    left, right = board.reference, board.candidate
    for i, j in board.paired.items():
        first, second = left.nodes[i], right.nodes[j]
        if not first.sites or not second.sites or first.kind != second.kind:
            continue
        for ours in left.sites[first.sites[0]].inputs:
            for theirs in right.sites[second.sites[0]].inputs:
                a, b = left.of.get(ours), right.of.get(theirs)
                if a is not None and b is not None and board.paired.get(a) == b:
                    found.setdefault(ours, theirs)
    return found
