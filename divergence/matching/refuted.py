"""Pairs of two formulas for one result: their steps hold other values, what comes out agrees.

Exporters write some composites (a cosine, a normalisation) by another formula. Operators of it may
be taken for those of the reference, though nothing but the result is the same.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from divergence.matching.board import Board, sources
from divergence.matching.fingerprints import Fingerprint, distances
from divergence.matching.kinds import SAME
from divergence.matching.sides import Prints
from divergence.records import Match, Pairing, Unpaired

_UNRELATED: Final = 0.5  # distance of directions: another gain alone does not make values strangers
_AGREED: Final = 0.1  # distance of what agrees again, rounded to integers or not
_LONGEST: Final = 12  # steps of a formula: the longest lowering known has 9
_DOUBTED: Final = 0.85  # at most, how sure a pair is of which values cannot tell
_REASON: Final = "values that are unrelated, and agree again behind: another formula"


def refuted(board: Board, pairing: Pairing, prints: Prints, fixed: Collection[Match]) -> Pairing:
    """Return the pairing without groups of pairs that values refute and results do not need.

    A group begins with operators that are not of one kind and hold unrelated values, goes on as
    long as values differ; all that it reads agrees, and all that reads it. It is no longer than a
    formula. Behind a real divergence all values differ, and may agree again where a network
    forgets it: what is read differs there. Such pairs stand, in doubt.
    """
    left, right = board.reference, board.candidate
    apart: dict[int, float] = {}
    starts: set[int] = set()
    for pair in pairing.matches:
        i, j = left.of.get(pair.reference), right.of.get(pair.candidate)
        ours, theirs = prints[0].get(pair.reference), prints[1].get(pair.candidate)
        if i is None or j is None or ours is None or theirs is None:
            continue
        apart[i] = min(float(distances([ours], [theirs])[0, 0]), apart.get(i, np.inf))
        other = board.sides.fit(left.nodes[i], right.nodes[j]) != SAME
        if other and _turn(ours, theirs) > _UNRELATED:
            starts.add(i)
    outputs = {left.of[name] for name in left.program.outputs if name in left.of}
    strange = {i for i, far in apart.items() if far > _AGREED} - outputs
    groups = [_group(board, start, strange, apart) for start in starts & strange]
    found = set().union(*groups)
    gone = {i for group in groups if _begins(board, group, strange - found, apart) for i in group}
    stay = set(fixed)
    lost = [m for m in pairing.matches if left.of.get(m.reference) in gone and m not in stay]
    alone = [Unpaired("reference", match.reference, _REASON) for match in lost]
    names = dict.fromkeys(match.candidate for match in lost)
    alone += [Unpaired("candidate", name, _REASON) for name in names]
    matches = tuple(
        replace(match, confidence=min(match.confidence, _DOUBTED))
        if left.of.get(match.reference) in found - gone and match not in stay
        else match
        for match in pairing.matches
        if match not in lost
    )
    return replace(pairing, matches=matches, unpaired=(*pairing.unpaired, *alone))


def _group(
    board: Board, start: int, strange: Collection[int], apart: Mapping[int, float]
) -> set[int]:
    """Return the strange nodes from one on; none where what reads them does not all agree."""
    group, frontier = {start}, [start]
    while frontier:
        if len(group) > _LONGEST:
            return set()
        readers = board.reference.nodes[frontier.pop()].consumers
        for reader in readers:
            if reader in strange and reader not in group:
                group.add(reader)
                frontier.append(reader)
            elif reader not in group and apart.get(reader, np.inf) > _AGREED:
                return set()
    return group if any(board.reference.nodes[i].consumers for i in group) else set()


def _begins(
    board: Board, group: Collection[int], strange: Collection[int], known: Collection[int]
) -> bool:
    """Return whether nothing strange leads into a group."""
    read = {k for i in group for k in sources(board.reference, i, known)}
    return read.isdisjoint(strange)


def _turn(ours: Fingerprint, theirs: Fingerprint) -> float:
    """Return how far the directions of two values are apart, 0 where axes cannot be compared."""
    if ours.axes != theirs.axes:
        return 0.0
    return float(np.sqrt(np.mean((theirs.projected - ours.projected[:1]) ** 2, axis=1)).min())
