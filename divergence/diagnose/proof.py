"""Proof: the cause undone in the whole file, the run repeated, the error before and after."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from divergence.diagnose.distance import distance
from divergence.diagnose.edits import Edit
from divergence.records import Array, Proof

# Runs the file with edits; gives its outputs by name, None where it does not run.
Rerun = Callable[[Sequence[Edit]], Mapping[str, Array] | None]


# How many times the final error shrinks where the final outputs show a cause clearly.
CLEAR = 100.0


@dataclass(frozen=True, slots=True)
class Claim:
    """What one culprit's explanation would undo, and what its segment showed at its end `where`."""

    where: str
    edits: tuple[Edit, ...]
    segment_before: float
    segment_after: float


@dataclass(frozen=True, slots=True)
class Bench:
    """Where proofs are run: the candidate with edits, against the reference's outputs.

    expected: those by the candidate's names, in its layout. standing: edits that are made in
    every run, because what they undo is proved already.
    """

    rerun: Rerun
    expected: Mapping[str, Array]
    standing: tuple[Edit, ...] = ()

    def error(self, edits: Sequence[Edit] = ()) -> float | None:
        """Return the greatest final error with these edits; None where that does not run."""
        outputs = self.outputs(edits)
        return None if outputs is None else self.distance(outputs)

    def outputs(self, edits: Sequence[Edit] = ()) -> Mapping[str, Array] | None:
        """Return the final outputs with these edits; None where that does not run."""
        return self.rerun([*self.standing, *edits])

    def distance(self, outputs: Mapping[str, Array]) -> float:
        """Return the greatest error of final outputs."""
        errors = (distance(value, outputs[name]) for name, value in self.expected.items())
        return max(errors, default=0.0)


def workable(claims: Sequence[Claim], bench: Bench) -> list[Claim]:
    """Return the claims whose edits the file takes; one that a body cannot take is left out."""
    if not claims or bench.error([e for claim in claims for e in claim.edits]) is not None:
        return list(claims)
    return [claim for claim in claims if bench.error(claim.edits) is not None]


def prove(claims: Sequence[Claim], bench: Bench) -> list[Proof | None]:
    """Return a proof for each claim, None for one that brings nothing; together they should heal.

    Each is measured on the final outputs with all other claims undone in both runs, so that one
    fault does not hide what undoing another does. Where the segment's own end shows it more
    clearly (the error heals on the way, or drowns in rounding that grew), its figures stand.
    """
    if not claims:
        return []
    everything = bench.error([edit for claim in claims for edit in claim.edits])
    found = [_proof(number, claims, bench, everything) for number in range(len(claims))]
    return [proof if proof.holds else None for proof in found]


def _proof(number: int, claims: Sequence[Claim], bench: Bench, everything: float | None) -> Proof:
    claim = claims[number]
    others = [e for k, c in enumerate(claims) if k != number for e in c.edits]
    before = bench.error(others)
    action = "; ".join(edit.action for edit in claim.edits)
    if before is not None and everything is not None:
        at_outputs = before > CLEAR * everything
        if at_outputs or before * claim.segment_after >= everything * claim.segment_before:
            return Proof(action, before, everything)
    return Proof(action, claim.segment_before, claim.segment_after, where=claim.where)
