"""Pairs that were none: feeding a wrong value makes errors on both sides of it.

A segment that is wrong shows at its own end alone, because what follows is fed the reference's
value again. A value that was paired with another one shows at its own end and at every segment
that reads it; and when it is left out, what follows is right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from divergence.diagnose.suspects import Scene
from divergence.records import Introduced, Match

# As many values in a row are taken for others at most.
LONGEST = 4

Added = Mapping[Match, Introduced]
# Measures what each segment adds between these boundaries.
Remeasure = Callable[[Sequence[Match]], Added]


@dataclass(frozen=True, slots=True)
class Settled:
    """The scene without wrong pairs, what its segments add, and the pairs that were wrong."""

    scene: Scene
    introduced: Added
    wrong: tuple[Match, ...] = ()


def settle(scene: Scene, introduced: Added, remeasure: Remeasure, limit: float) -> Settled:
    """Leave out each doubtful boundary and keep out those that make what follows right."""
    readers = _readers(scene)
    flagged = {m.candidate for m, added in introduced.items() if added.multiple > limit}
    names = {name for start in flagged for name in _between(start, flagged, readers)}
    doubtful = [m for m in introduced if m.candidate in names]
    if not doubtful:
        return Settled(scene, introduced)
    without = scene.without(doubtful)
    again = remeasure(without.matches)
    bad = {m.candidate for m, added in again.items() if added.multiple > limit}
    wrong = tuple(m for m in doubtful if not _reached(m, readers, doubtful) & bad)
    if len(wrong) == len(doubtful):
        return Settled(without, again, wrong)
    if not wrong:
        return Settled(scene, introduced)
    kept = scene.without(wrong)
    return Settled(kept, remeasure(kept.matches), wrong)


def _between(start: str, flagged: set[str], readers: Mapping[str, set[str]]) -> set[str]:
    """Return `start` and the right-looking values between it and the next flagged ones.

    Values that were taken for others together (a query for a key, and what is made of it) look
    right among themselves; the first of them and what follows the last look wrong.
    """
    found: set[str] = set()
    paths: list[tuple[str, ...]] = [(start,)]
    while paths:
        path = paths.pop()
        for reader in readers.get(path[-1], set()) - set(path):
            if reader in flagged:
                found.update(path)
            elif len(path) < LONGEST:
                paths.append((*path, reader))
    return found


def _readers(scene: Scene) -> dict[str, set[str]]:
    """Return the boundaries whose segments read each boundary."""
    readers: dict[str, set[str]] = {}
    for match in scene.matches:
        for name in scene.candidate_segment(match.candidate).inputs:
            readers.setdefault(name, set()).add(match.candidate)
    return readers


def _reached(match: Match, readers: Mapping[str, set[str]], doubtful: Sequence[Match]) -> set[str]:
    """Return the kept boundaries that read a value, directly or through doubtful ones."""
    open_ends = {m.candidate for m in doubtful}
    reached: set[str] = set()
    stack, seen = [match.candidate], set()
    while stack:
        name = stack.pop()
        if name in seen:
            continue
        seen.add(name)
        for reader in readers.get(name, set()):
            (stack.append if reader in open_ends else reached.add)(reader)
    return reached
