"""Pairs that were none: feeding a wrong value makes errors on both sides of it.

A segment that is wrong shows at its own end alone, because what follows is fed the reference's
value again. A value that was paired with another one shows at its own end and at every segment
that reads it; and when it is left out, what follows is right. Where something else is wrong
there, it still shows: it holds the elements of another of the reference's values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from divergence.diagnose.suspects import Scene
from divergence.records import Introduced, Match

# As many values in a row are taken for others: one alone is likelier than several together.
LENGTHS = (1, 4)

Added = Mapping[Match, Introduced]
# Measures what each segment adds between the boundaries of a scene.
Remeasure = Callable[[Scene], Added]
# Returns those of these matches whose value is another one of the reference.
Strange = Callable[[Scene, Added, Sequence[Match]], Sequence[Match]]
# What was hidden by a wrong pair shows once that is left out, so a few rounds are made.
ROUNDS = 3
# What is left at most of an error that came from a wrong pair. Right ones relieve nothing.
RELIEF = 0.5


@dataclass(frozen=True, slots=True)
class Settled:
    """The scene without wrong pairs, what its segments add, and the pairs that were wrong."""

    scene: Scene
    introduced: Added
    wrong: tuple[Match, ...] = ()


def settle(
    scene: Scene, introduced: Added, remeasure: Remeasure, strange: Strange, limit: float
) -> Settled:
    """Leave out boundaries that prove to be wrong pairs.

    First those that hold another of the reference's values, then those that make what follows
    right when they are left out.
    """
    settled = Settled(scene, introduced)
    for _ in range(ROUNDS):
        open_ones = _spoiling(settled, limit)
        wrong = tuple(strange(settled.scene, settled.introduced, open_ones))
        if not wrong:
            break
        kept = settled.scene.without(wrong)
        settled = Settled(kept, remeasure(kept), (*settled.wrong, *wrong))
    settled = _untangled(settled, remeasure, strange, limit)
    for length in LENGTHS:
        rest = _left_out(settled, remeasure, length, limit)
        settled = replace(rest, wrong=(*settled.wrong, *rest.wrong))
    return settled


def _untangled(settled: Settled, remeasure: Remeasure, strange: Strange, limit: float) -> Settled:
    """Leave out values that hold another one and go into what is right either way.

    A sum does not show that its operands are exchanged, a product with zeros shows nothing of the
    other operand. Each has to hold another value of the reference, and what reads it has to be
    right without it.
    """
    readers = read_by(settled.scene)
    flagged = [match for match, added in settled.introduced.items() if added.multiple > limit]
    behind = [readers.get(match.candidate, set()) for match in flagged]
    counted = Counter(name for names in behind for name in names)
    wrong_ends = {match.candidate for match in flagged}
    quiet = [
        match
        for match, names in zip(flagged, behind, strict=True)
        if names and (not names & wrong_ends or any(counted[name] > 1 for name in names))
    ]
    wrong = tuple(strange(settled.scene, settled.introduced, quiet))
    if not wrong:
        return settled
    kept = settled.scene.without(wrong)
    again = remeasure(kept)
    bad = {m.candidate for m, added in again.items() if added.multiple > limit}
    if any(_reached(match, readers, wrong) & bad for match in wrong):
        return settled
    return Settled(kept, again, (*settled.wrong, *wrong))


def _left_out(settled: Settled, remeasure: Remeasure, length: int, limit: float) -> Settled:
    """Leave out each doubtful boundary and keep out those that make what follows right."""
    scene, introduced = settled.scene, settled.introduced
    readers = read_by(scene)
    doubtful = _doubtful(introduced, readers, length, limit)
    loose = _loose(introduced, readers, doubtful, limit)
    feeding = _feeding(introduced, readers, [*doubtful, *loose], limit)
    doubtful += [*loose, *feeding]
    if not doubtful:
        return Settled(scene, introduced)
    without = scene.without(doubtful)
    again = remeasure(without)
    bad = {m.candidate for m, added in again.items() if added.multiple > limit}
    bad |= {m.candidate for m, added in again.items() if _drowned(introduced.get(m), added, limit)}
    right = {m.candidate for m, added in again.items() if relieved(introduced.get(m), added)}
    flagged = {m.candidate for m, added in introduced.items() if added.multiple > limit}
    wrong = tuple(
        m
        for m in doubtful
        for reached in [_reached(m, readers, doubtful)]
        if not reached & bad
        and (m not in loose or reached <= right)
        and (m not in feeding or reached & flagged <= right)
    )
    if len(wrong) == len(doubtful):
        return Settled(without, again, wrong)
    if not wrong:
        return Settled(scene, introduced)
    kept = scene.without(wrong)
    return Settled(kept, remeasure(kept), wrong)


def _loose(
    introduced: Added, readers: Mapping[str, set[str]], doubtful: Sequence[Match], limit: float
) -> list[Match]:
    """Return boundaries that look wrong, and whose readers do not look quite right.

    Where what follows rounds more, a value that is nearly the right one spoils it too little.
    """
    multiples = {m.candidate: added.multiple for m, added in introduced.items()}
    return [
        match
        for match, added in introduced.items()
        if added.multiple > limit and match not in doubtful and match.candidate in readers
        if all(1 < multiples.get(name, 0.0) <= limit for name in readers[match.candidate])
    ]


def _feeding(
    introduced: Added, readers: Mapping[str, set[str]], doubtful: Sequence[Match], limit: float
) -> list[Match]:
    """Return boundaries that do not look quite right, and what reads them looks wrong.

    Where the floor is wide (of 8-bit integers), nearly the right value is within it.
    """
    flagged = {m.candidate for m, added in introduced.items() if added.multiple > limit}
    return [
        match
        for match, added in introduced.items()
        if 1 < added.multiple <= limit and match not in doubtful
        if readers.get(match.candidate, set()) & flagged
    ]


def relieved(before: Introduced | None, after: Introduced) -> bool:
    """Whether most of an error is gone."""
    return before is not None and after.max_abs <= RELIEF * before.max_abs


def _drowned(before: Introduced | None, after: Introduced, limit: float) -> bool:
    """Whether an error is as great as before, and only the floor of a longer segment hides it."""
    if before is None or before.multiple <= limit:
        return False
    return after.floor > before.floor and after.max_abs >= before.max_abs


def _doubtful(
    introduced: Added, readers: Mapping[str, set[str]], length: int, limit: float
) -> list[Match]:
    """Return boundaries that look wrong or stand behind one that does, with one behind them."""
    flagged = {m.candidate for m, added in introduced.items() if added.multiple > limit}
    names = {name for start in flagged for name in _between(start, flagged, readers, length)}
    return [m for m in introduced if m.candidate in names]


def _spoiling(settled: Settled, limit: float) -> list[Match]:
    """Return those that look wrong, and all of whose readers do in the end.

    One that nothing which is compared reads is among them, but for outputs: those are judged.
    """
    readers, outputs = read_by(settled.scene), settled.scene.candidate.outputs
    doubtful = _doubtful(settled.introduced, readers, LENGTHS[-1], limit)
    flagged = {m.candidate for m, added in settled.introduced.items() if added.multiple > limit}
    doubtful += [
        m for m in settled.introduced if m.candidate not in readers and m.candidate not in outputs
    ]
    quiet = [m for m in doubtful if m.candidate not in flagged]
    return [
        m for m in doubtful if m.candidate in flagged and _reached(m, readers, quiet) <= flagged
    ]


def _between(
    start: str, flagged: set[str], readers: Mapping[str, set[str]], length: int
) -> set[str]:
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
            elif len(path) < length:
                paths.append((*path, reader))
    return found


def read_by(scene: Scene) -> dict[str, set[str]]:
    """Return the boundaries whose segments read each boundary."""
    found: dict[str, set[str]] = {}
    for match in scene.matches:
        for name in scene.candidate_segment(match.candidate).inputs:
            found.setdefault(name, set()).add(match.candidate)
    return found


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
