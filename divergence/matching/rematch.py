"""Matched again, with what fingerprints of values say about pairs that were in doubt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from divergence.matching.board import Board
from divergence.matching.contradictions import contradictions
from divergence.matching.fingerprints import Fingerprint, distances, ways
from divergence.matching.matcher import decided, paired
from divergence.matching.refuted import refuted
from divergence.matching.sides import Prints
from divergence.matching.swallowed import swallowed
from divergence.records import Alignment, Match, Pairing, Program, Site

_GAIN: Final = 0.5  # of a pair that agrees: what another pairing must agree better by
_FEW: Final = 3.0  # how many times nearer values must be in another order of their axes
_NEAR: Final = 0.3  # distance below which such an order is believed

Order = tuple[int, ...]


def rematch(
    reference: Program,
    candidate: Program,
    pairing: Pairing,
    prints: Prints,
    fixed: Sequence[Match] = (),
) -> Pairing:
    """Return the pairing that values agree with better: this one, or another that they led to.

    Both are whole assignments: values of a group that was crossed are exchanged together or not
    at all. Another one must not be at odds with the graphs where this one is not: wires that
    are exchanged in the file stay a fault where they are exchanged.
    """
    board = decided(reference, candidate, fixed, prints)
    again = paired(board, fixed)
    better = _agreement(again, prints) > _agreement(pairing, prints) + _GAIN
    chosen = again if better and _is_sound(board, pairing) else pairing
    chosen = swallowed(board.reference, chosen, prints, set(fixed))
    chosen = refuted(board, chosen, prints, fixed)
    turned = _turned(chosen.matches, reference, candidate, prints, set(fixed))
    return chosen if turned == chosen.matches else replace(chosen, matches=turned)


def _is_sound(board: Board, before: Pairing) -> bool:
    """Return whether what the board decided is no more at odds with the graphs than a pairing."""
    left, right = board.reference, board.candidate
    of = {
        left.of[pair.reference]: right.of[pair.candidate]
        for pair in before.matches
        if pair.reference in left.of and pair.candidate in right.of
    }
    old, new = (contradictions(left, right, pairs) for pairs in (of, board.paired))
    return new <= old or len(new) < len(old)


def _agreement(pairing: Pairing, prints: Prints) -> float:
    """Return how many pairs agree, a pair counting by how near its values are."""
    return sum(1 - far for pair in pairing.matches if (far := _far(pair, prints)) < 1)


def _far(pair: Match, prints: Prints) -> float:
    ours, theirs = prints[0].get(pair.reference), prints[1].get(pair.candidate)
    return 1.0 if ours is None or theirs is None else float(distances([ours], [theirs])[0, 0])


def _turned(
    matches: Sequence[Match],
    reference: Program,
    candidate: Program,
    prints: Prints,
    fixed: set[Match],
) -> tuple[Match, ...]:
    """Return the matches, those with another order of axes whose values are near in that alone.

    Only an order that the file is known to keep such values in: where nothing else stands in
    it, a value that does is a fault.
    """
    ours, theirs = ({s.name: s for s in p.sites} for p in (reference, candidate))
    usual = Counter(
        m.alignment.permutation
        for m in matches
        if m.alignment and m.alignment.permutation and _far(m, prints) < _NEAR
    )
    found = []
    for pair in matches:
        nearest = None
        first, second = prints[0].get(pair.reference), prints[1].get(pair.candidate)
        if first and second and pair not in fixed:
            nearest = _nearer(pair, ours[pair.reference], theirs[pair.candidate], first, second)
        known = nearest is not None and nearest.permutation in usual
        found.append(replace(pair, alignment=nearest) if known else pair)
    return tuple(found)


def _nearer(
    pair: Match, ours: Site, theirs: Site, first: Fingerprint, second: Fingerprint
) -> Alignment | None:
    """Return the alignment with the order of axes in which values are far nearer, if any is."""
    alignment = pair.alignment or Alignment()
    if ours.shape is None or theirs.shape is None or alignment.unblock:
        return None
    apart = ways(first, second)
    given = alignment.permutation or tuple(range(len(theirs.shape)))
    now = apart.get(tuple(axis for axis in given if theirs.shape[axis] > 1))
    if now is None or len(ours.shape) != len(theirs.shape):
        return None
    best = min(apart, key=lambda order: apart[order])
    if apart[best] > _NEAR or apart[best] * _FEW > now:
        return None
    order = _filled(best, ours.shape, theirs.shape)
    identity = order == tuple(range(len(order)))
    return replace(alignment, permutation=None if identity else order)


def _filled(order: Order, wanted: Order, given: Order) -> Order:
    """Return the order of all axes: those of size one stand where the wanted shape has them."""
    longer, ones = iter(order), iter(np.flatnonzero(np.array(given) == 1).tolist())
    return tuple(next(ones) if size == 1 else next(longer) for size in wanted)
