"""Values that are not wrong but another one's: what a pair that is none looks like.

A value that is fed what belongs elsewhere makes nothing that is known. So the doubtful ones are
walked in the candidate's order, and what turns out to be another value is that for all behind it:
states of a recurrence that was unrolled are told apart in one walk, however long it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from divergence.diagnose.distance import distance
from divergence.diagnose.examined import bound_of
from divergence.diagnose.inquiry import Collect
from divergence.diagnose.suspect import Suspect
from divergence.diagnose.suspects import Scene, needed, suspect
from divergence.records import Array, Introduced, Match, Site

# Fewer elements may agree by chance, once their order does not count.
FEWEST = 16
# Of the other value's greatest: its rounding, where the place that it is in has none (it is zero).
UNITS = 16
# Of the values near by, as many are looked at.
MOST = 64


def strangers(
    scene: Scene,
    introduced: Mapping[Match, Introduced],
    matches: Sequence[Match],
    collect: Collect,
    inputs: Mapping[str, Array],
) -> list[Match]:
    """Return those of `matches` whose candidate holds the elements of another reference value.

    The order of the elements does not count, for the other value may be laid out otherwise. One
    that holds the right elements in the wrong order is no stranger.
    """
    if not matches:
        return []
    near = {match: _near(scene, match) for match in matches}
    values = collect(needed(scene, matches).union(*near.values()))
    known, found = dict(inputs), []
    for match in sorted(matches, key=lambda m: scene.candidate_sites[m.candidate].order):
        place = suspect(scene, match, values, known, bound_of(introduced[match]))
        others = [values[name] for name in near[match] if name in values]
        if place is not None and _is_strange(place, others):
            found.append(match)
            known[match.candidate] = place.produced
    return found


def _near(scene: Scene, match: Match) -> set[str]:
    """Return the reference's sites of as many elements in the same module and those around it."""
    own = scene.reference_sites[match.reference]
    scope = own.scope.rpartition(".")[0]
    fitting = [
        site
        for site in scene.reference.sites
        if not site.constant and _size(site) == _size(own) and site.scope.startswith(scope)
    ]
    fitting.sort(key=lambda site: abs(site.order - own.order))
    return {site.name for site in fitting[:MOST]}


def _size(site: Site) -> int:
    return 0 if site.shape is None else int(np.prod(site.shape))


def _is_strange(place: Suspect, others: Sequence[Array]) -> bool:
    produced = place.produced
    if produced.size < FEWEST or produced.dtype.kind != "f":
        return False
    own, held = np.sort(place.expected, axis=None), np.sort(produced, axis=None)
    if place.bound.multiple(own, held) <= 1:
        return False
    alike = (other for other in others if other.size == held.size and other.dtype.kind == "f")
    return any(_is_same(place, np.sort(other, axis=None), held) for other in alike)


def _is_same(place: Suspect, other: Array, held: Array) -> bool:
    """Whether sorted elements agree, within the bound or the rounding of the other value's own."""
    rounding = UNITS * float(np.finfo(held.dtype).eps) * float(np.abs(other).max())
    return place.bound.multiple(other, held) <= 1 or distance(other, held) <= rounding
