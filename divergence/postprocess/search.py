"""Look for the shortest chain of changes that makes one output the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Final

import numpy as np

from divergence.postprocess import boxes, layout, link, order, survivors
from divergence.postprocess.proof import applied
from divergence.postprocess.relation import Relation
from divergence.postprocess.residual import ROUNDING, SAME, residual, scale
from divergence.postprocess.thinning import thinned
from divergence.records import Array

# One family of causes a module; the more specific come first.
FAMILIES: Final[tuple[ModuleType, ...]] = (layout, order, link, boxes, survivors)
# Causes that change values, not their places.
_VALUES = frozenset({link.CAUSE, boxes.CAUSE})
# What two changes of one cause are, one change does.
_ONCE = frozenset({link.CAUSE, boxes.CAUSE, order.CAUSE, order.TIES})
# How many changes may lie between the two at once.
DEPTH: Final = 2
# What a chain may leave, as a share of the scale: a quantised file under a found cause.
_LOOSE = 0.02
# One change more must leave this many times less, or the shorter chain stands: least where both
# then agree, most where they nearly did before, for then noise alone is to be explained, unless
# the change has numbers that noise does not make.
_WORTH, _WORTH_AGREEING, _WORTH_SMALL, _WORTH_PLAIN = 5.0, 3.0, 25.0, 1.5
# In fewer numbers rounding looks like anything.
_FEWEST = 16
# Of chains that leave about the same, by this factor, the first is taken.
_AS_GOOD = 1.5
# A change of values is gone on from only where it brings the two closer by this factor.
_CLOSER = 0.7
_SAMPLE = 4096
# Larger outputs are searched in part only.
_MOST_SIZE = 2**22
# Beyond this no output means anything, and squares of it overflow.
_MOST = 1e12


@dataclass(frozen=True, slots=True)
class Chain:
    """Changes in order, both sides after them, and what is left between them."""

    relations: tuple[Relation, ...]
    reference: Array
    candidate: Array
    left: float


def search(reference: Array, candidate: Array) -> Chain:
    """Return the best chain; without relations where none explains the difference."""
    with np.errstate(all="ignore"):
        start = Chain((), reference, candidate, residual(reference, candidate))
        small = thinned(reference, candidate)
        if small is None:
            return _search(start)
        whole = _whole(_search(Chain((), *small, residual(*small))), start)
        if whole.relations or start.left <= SAME or reference.size > _MOST_SIZE:
            return whole
        return _search(start, large=True)


def _whole(part: Chain, start: Chain) -> Chain:
    """Return what was found in a part as a chain of the whole; the start where it fails there."""
    chain = start
    if not part.relations:
        return start
    for relation in part.relations:
        changed = _applied(relation, chain.reference, chain.candidate)
        if changed is None:
            return start
        chain = Chain((*chain.relations, relation), *changed, relation.left(*changed))
    return chain if _is_worth_it(chain, start.left) else start


def _search(best: Chain, *, large: bool = False) -> Chain:
    """large: of two changes the first is one that a part does not show, of rows or of shape."""
    level, least = [best], best.left
    if best.left <= SAME and best.candidate.size < _FEWEST:
        return best
    # A difference that is small already is explained by one change, or it is rounding.
    for _ in range(1 if best.left <= SAME else DEPTH):
        if best.left <= ROUNDING or (best.relations and best.left <= SAME):
            break
        if large:
            level = [c for c in level if not c.relations or c.relations[0].cause not in _VALUES]
        level = _extended(level)
        found = _first_of_the_best(level)
        if found is not None and _is_worth_it(found, least):
            best = found
        least = min(least, found.left if found else least)
    return best


def _is_worth_it(chain: Chain, before: float) -> bool:
    """Whether a change explains: what is left is small, and much less than before."""
    left = chain.left
    if chain.relations[-1].plain and left <= SAME:
        return left * _WORTH_PLAIN <= before
    if before <= SAME:
        return left * _WORTH_SMALL <= before
    return left <= _LOOSE and left * (_WORTH_AGREEING if left <= SAME else _WORTH) <= before


def _first_of_the_best(level: list[Chain]) -> Chain | None:
    """Return the first chain of those that leave about as little as the best one.

    One whose numbers noise does not make goes before.
    """
    least = min((chain.left for chain in level), default=np.inf)
    if not np.isfinite(least):
        return None
    good = [chain for chain in level if chain.left <= max(_AS_GOOD * least, ROUNDING)]
    plain = [chain for chain in good if chain.relations[-1].plain]
    return min(plain, key=lambda chain: chain.left) if plain else good[0]


def _extended(level: list[Chain]) -> list[Chain]:
    longer: list[Chain] = []
    for chain in level:
        unlike = chain.reference.shape != chain.candidate.shape
        if unlike and any(one.cause != survivors.CAUSE for one in chain.relations):
            continue  # of two changes, the one that makes the shapes equal comes first
        for step in _steps(chain):
            longer.append(step)
            if step.left <= ROUNDING:
                return longer
        if any(step.left <= SAME for step in longer):
            return longer  # what else begins with less likely a change is not looked at
    return longer


def _steps(chain: Chain) -> Iterator[Chain]:
    before = _quantiles(chain.reference, chain.candidate)
    done = {relation.cause for relation in chain.relations} & _ONCE
    for family in (one for one in FAMILIES if one.CAUSE not in done):
        for relation in family.relations(chain.reference, chain.candidate):
            changed = _applied(relation, chain.reference, chain.candidate)
            if changed is None or not changed[0].size:
                continue
            left = relation.left(*changed)
            moves = relation.cause in _VALUES
            if left > SAME and moves and _quantiles(*changed) > _CLOSER * before:
                continue
            yield Chain((*chain.relations, relation), *changed, left)


def _applied(relation: Relation, ours: Array, theirs: Array) -> tuple[Array, Array] | None:
    """Return both sides changed; None where a change does not apply, or gives no numbers."""
    changed = applied([relation], ours, theirs)
    sane = changed is not None and all(scale(value) < _MOST for value in changed)
    return changed if sane else None


def _quantiles(reference: Array, candidate: Array) -> float:
    """Return how far the distributions of both are apart, whatever their order."""
    if not reference.size or not candidate.size:
        return float("inf")
    places = np.linspace(0, 1, 129)
    ours, theirs = (np.quantile(_sample(value), places) for value in (reference, candidate))
    spread = max(np.abs(ours).max(), np.abs(theirs).max(), 1e-12)
    return float(np.abs(ours - theirs).mean() / spread)


def _sample(value: Array) -> Array:
    """Return some of the values; the stride is prime to the usual lengths of axes."""
    stride = max(1, value.size // _SAMPLE) | 1
    return np.nan_to_num(value.ravel()[:: stride if stride % 3 else stride + 2].astype(np.float64))
