"""Try what the detectors propose: a hypothesis counts when undoing it removes the error.

Hypotheses are tried in the segment alone, which costs milliseconds. Where no single one
suffices, the best is kept and the search goes on from there, so that a segment with two
independent faults still gets both named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from divergence.diagnose.suspect import Hypothesis, Suspect
from divergence.records import Array, Profile, RuledOut

# A change that removes at least this share of the error is worth going on from.
WORTHWHILE = 0.5
MOST_AT_ONCE = 3
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
    """What the detectors found in one segment. profile: of what it should make and what it does."""

    explained: tuple[Explained, ...]
    ruled_out: tuple[RuledOut, ...]
    profile: Profile | None = None


def examine(suspect: Suspect, causes: Sequence[ModuleType]) -> Examination:
    """Ask every detector, try every hypothesis, return those that hold."""
    proposals: list[tuple[str, Hypothesis]] = []
    ruled_out: list[RuledOut] = []
    for cause in causes:
        answer = cause.propose(suspect)
        if isinstance(answer, str):
            ruled_out.append(RuledOut(cause.CAUSE, answer))
        else:
            proposals.extend((cause.CAUSE, hypothesis) for hypothesis in answer)
    explained = _search(suspect, proposals)
    held = {e.cause for e in explained}
    tried = dict.fromkeys(cause for cause, _ in proposals if cause not in held)
    ruled_out += [RuledOut(cause, "undone in the segment, the error stays") for cause in tried]
    return Examination(explained, tuple(ruled_out))


def _search(suspect: Suspect, proposals: Sequence[tuple[str, Hypothesis]]) -> tuple[Explained, ...]:
    """Greedily undo what helps most until the error is gone; nothing, where it does not go."""
    first = error = distance(suspect.expected, suspect.produced)
    found: list[Explained] = []
    for _ in range(MOST_AT_ONCE):
        best = _best(suspect, proposals, [entry.hypothesis for entry in found])
        if best is None:
            break
        after, cause, hypothesis = best
        complete = after <= suspect.bound
        if not complete and not after <= (1 - WORTHWHILE) * error:
            break
        found.append(Explained(cause, hypothesis, error, after, complete))
        if complete:
            return tuple(found)
        error = after
    return tuple(found) if error <= REMNANT * first else ()


def _best(
    suspect: Suspect, proposals: Sequence[tuple[str, Hypothesis]], undone: Sequence[Hypothesis]
) -> tuple[float, str, Hypothesis] | None:
    """Return the hypothesis that leaves the smallest error; the first that suffices wins.

    Detectors stand in order of how specific their evidence is, so the first wins ties.
    """
    best: tuple[float, str, Hypothesis] | None = None
    for cause, hypothesis in proposals:
        if hypothesis in undone:
            continue
        result = suspect.trial.run([*(h.edit for h in undone), hypothesis.edit])
        if result is None or result.shape != suspect.expected.shape:
            continue
        after = distance(suspect.expected, result)
        if best is None or after < best[0]:
            best = (after, cause, hypothesis)
        if after <= suspect.bound:
            return best
    return best


def distance(reference: Array, candidate: Array) -> float:
    """Return the greatest absolute difference; inf where one side alone is not finite.

    Shapes that differ are infinitely far; values that are not finite alike are equal.
    """
    if reference.shape != candidate.shape:
        return float("inf")
    if not reference.size:
        return 0.0
    a, b = (np.asarray(x, dtype=np.float64) for x in (reference, candidate))
    with np.errstate(invalid="ignore"):
        error = np.abs(a - b)
    error[(a == b) | (np.isnan(a) & np.isnan(b))] = 0.0
    return float("inf") if np.isnan(error).any() else float(error.max())
