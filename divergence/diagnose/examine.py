"""Try what the detectors propose: a hypothesis counts when undoing it removes the error.

Hypotheses are tried in the segment alone, which costs milliseconds. Where no single one
suffices, the best is kept and the search goes on from there, so that a segment with two
independent faults still gets both named.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from types import ModuleType

from divergence.diagnose.causes import SEARCHES, SEGMENT_CAUSES
from divergence.diagnose.distance import distance
from divergence.diagnose.suspect import Hypothesis, Suspect
from divergence.records import RuledOut

# A change that removes at least this share of the error is worth going on from.
WORTHWHILE = 0.5
MOST_AT_ONCE = 3
# Changes that are tried in one round, and those of one detector that come before the others':
# some take seconds on the largest segments.
MOST_TRIALS = 250
FIRST = 40
# What is left of the error when the cause is right although rounding does not explain the rest
# (a remedy that is itself rounded, such as a folded weight or a gain that was searched for).
REMNANT = 1e-3


@dataclass(frozen=True, slots=True)
class Explained:
    """A hypothesis that held: the segment's error before and after, in the order undone."""

    cause: str
    hypothesis: Hypothesis
    error_before: float
    error_after: float
    complete: bool


@dataclass(frozen=True, slots=True)
class Examination:
    """What the detectors found in one segment."""

    explained: tuple[Explained, ...]
    ruled_out: tuple[RuledOut, ...]


Proposals = Sequence[tuple[str, Hypothesis]]


def examine(
    suspect: Suspect,
    causes: Sequence[ModuleType] = SEGMENT_CAUSES,
    searches: Sequence[ModuleType] = SEARCHES,
) -> Examination:
    """Ask every detector, try every hypothesis, return those that hold.

    What `searches` come up with is tried only where nothing that was proposed explains the error.
    """
    proposals, ruled_out = _ask(suspect, causes)
    explained = _undo(suspect, proposals)
    if not explained:
        found = [(c.CAUSE, h) for c in searches for h in islice(c.search(suspect), MOST_TRIALS)]
        explained = _undo(suspect, found)
        proposals = [*proposals, *found]
    held = {entry.cause for entry in explained}
    tried = dict.fromkeys(cause for cause, _ in proposals if cause not in held)
    ruled_out += [RuledOut(cause, "undone in the segment, the error stays") for cause in tried]
    kept = [entry for entry in ruled_out if entry.cause not in held]
    return Examination(explained, tuple(kept))


def _ask(
    suspect: Suspect, causes: Sequence[ModuleType]
) -> tuple[list[tuple[str, Hypothesis]], list[RuledOut]]:
    """Return what the detectors propose, the first of each before what more they have."""
    proposals: list[tuple[str, Hypothesis]] = []
    more: list[tuple[str, Hypothesis]] = []
    ruled_out: list[RuledOut] = []
    for cause in causes:
        answer = cause.propose(suspect)
        if isinstance(answer, str):
            ruled_out.append(RuledOut(cause.CAUSE, answer))
        else:
            proposals.extend((cause.CAUSE, hypothesis) for hypothesis in answer[:FIRST])
            more.extend((cause.CAUSE, hypothesis) for hypothesis in answer[FIRST:])
    return [*proposals, *more], ruled_out


def _undo(suspect: Suspect, proposals: Proposals) -> tuple[Explained, ...]:
    """Greedily undo what helps most until the error is gone; nothing, where it does not go.

    Where several faults hide what undoing one of them does, parameters that are not the
    reference's are wrong whatever else is: they are replaced first.
    """
    differing = _differing(proposals)
    return _healing(suspect, proposals, ()) or (
        _healing(suspect, proposals, differing) if differing else ()
    )


def _differing(proposals: Proposals) -> Proposals:
    """Return the likeliest replacement of each parameter, as many as leave room for another."""
    found: dict[str, tuple[str, Hypothesis]] = {}
    for cause, hypothesis in proposals:
        if "weight" in hypothesis.parameters:
            found.setdefault(str(hypothesis.parameters["initializer"]), (cause, hypothesis))
    return list(found.values())[: MOST_AT_ONCE - 1]


def _healing(suspect: Suspect, proposals: Proposals, given: Proposals) -> tuple[Explained, ...]:
    """Return what heals, `given` first; nothing, where that and more does not."""
    first = current = _State(
        suspect.bound.multiple(suspect.expected, suspect.produced),
        distance(suspect.expected, suspect.produced),
    )
    same_shape = suspect.expected.shape == suspect.produced.shape
    found: list[Explained] = []
    for _ in range(MOST_AT_ONCE):
        undone = [entry.hypothesis for entry in found]
        forced = given[len(found) : len(found) + 1]
        best = _best(suspect, forced or proposals, undone)
        if best is None:
            break
        after, cause, hypothesis = best
        complete = after.multiple <= 1
        worthwhile = after.multiple <= (1 - WORTHWHILE) * current.multiple
        if not (complete or worthwhile or forced):
            break
        found.append(Explained(cause, hypothesis, current.error, after.error, complete))
        current = after
        if complete:
            break
    remnant = REMNANT * first.multiple if same_shape else 0.0
    healed = current.multiple <= max(1.0, remnant)
    return tuple(found) if healed else ()


@dataclass(frozen=True, slots=True)
class _State:
    """How far the segment's result is off: as a multiple of what rounding explains, and at most."""

    multiple: float
    error: float


def _best(
    suspect: Suspect, proposals: Proposals, undone: Sequence[Hypothesis]
) -> tuple[_State, str, Hypothesis] | None:
    """Return the hypothesis that leaves the smallest error; the first that suffices wins.

    Detectors stand in order of how specific their evidence is, so the first wins ties.
    """
    best: tuple[_State, str, Hypothesis] | None = None
    for cause, hypothesis in _untried(proposals, undone):
        result = suspect.trial.run([*(h.edit for h in undone), hypothesis.edit])
        if result is None or result.shape != suspect.expected.shape:
            continue
        multiple = suspect.bound.multiple(suspect.expected, result)
        if best is None or multiple < best[0].multiple:
            best = _State(multiple, distance(suspect.expected, result)), cause, hypothesis
        if multiple <= 1:
            return best
    return best


def _untried(
    proposals: Proposals, undone: Sequence[Hypothesis]
) -> Iterator[tuple[str, Hypothesis]]:
    yield from islice(((c, h) for c, h in proposals if h not in undone), MOST_TRIALS)
