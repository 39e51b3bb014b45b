"""Which segments add an error beyond the floor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from divergence.diagnose.blame import blamed, clean_values
from divergence.diagnose.segments import live
from divergence.diagnose.suspects import Scene
from divergence.records import Introduced, Match, Profile


@dataclass(frozen=True, slots=True)
class Accused:
    """A segment beyond the floor: the match at its end, what it adds, and its nodes in order.

    profile: of what it should make of the reference's values and what it makes, once examined.
    """

    match: Match
    introduced: Introduced
    nodes: tuple[str, ...]
    profile: Profile | None = None


def accuse(
    scene: Scene, introduced: Mapping[Match, Introduced], limit: float
) -> tuple[Accused, ...]:
    """Return the segments that add more than `limit` times the floor, the worst first.

    One candidate value is accused once, however many reference sites hold the same value; one
    that no output depends on is not, for it changes nothing.
    """
    used = live(scene.candidate)
    flagged: dict[str, tuple[Match, Introduced]] = {}
    for match, added in introduced.items():
        if added.multiple > limit and match.candidate in used:
            flagged.setdefault(match.candidate, (match, added))
    clean = clean_values(scene, introduced, limit)
    found = [
        Accused(match, added, blamed(scene, match.candidate, clean))
        for match, added in flagged.values()
    ]
    return tuple(sorted(found, key=lambda accused: -accused.introduced.multiple))
