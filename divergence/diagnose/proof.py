"""Proof: the cause undone in the whole file, the run repeated, the error before and after."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from divergence.diagnose.edits import Edit
from divergence.diagnose.examine import distance
from divergence.records import Array, Proof

# Runs the file with edits; gives its outputs by name, None where it does not run.
Rerun = Callable[[Sequence[Edit]], Mapping[str, Array] | None]


@dataclass(frozen=True, slots=True)
class Claim:
    """What one culprit's explanation would undo, and what its own segment showed."""

    edits: tuple[Edit, ...]
    segment_before: float
    segment_after: float


def prove(claims: Sequence[Claim], rerun: Rerun, expected: Mapping[str, Array]) -> list[Proof]:
    """Return a proof for each claim; all claims together should heal the file.

    expected: the reference's outputs by the candidate's names, in its layout.

    Each is measured on the final outputs with all other claims undone in both runs, so that one
    fault does not hide what undoing another does. Where that shows nothing at the outputs (the
    error heals on the way), the figures are those of the segment's own end.
    """
    everything = _run(claims, rerun, expected, leave_out=None)
    proofs = []
    for number, claim in enumerate(claims):
        before = _run(claims, rerun, expected, leave_out=number)
        if everything is None or before is None or not everything < before:
            before, after = claim.segment_before, claim.segment_after
        else:
            after = everything
        proofs.append(Proof("; ".join(edit.action for edit in claim.edits), before, after))
    return proofs


def _run(
    claims: Sequence[Claim], rerun: Rerun, expected: Mapping[str, Array], leave_out: int | None
) -> float | None:
    """Return the greatest final error with all claims but one undone; None if it does not run."""
    edits = [e for number, c in enumerate(claims) if number != leave_out for e in c.edits]
    outputs = rerun(edits)
    if outputs is None:
        return None
    return max((distance(value, outputs[name]) for name, value in expected.items()), default=0.0)
