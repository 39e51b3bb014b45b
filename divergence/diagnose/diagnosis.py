"""From what segments introduce to culprits, findings and proofs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from divergence.compare.floor import MULTIPLE
from divergence.diagnose.causes import RUN_CAUSES, SEGMENT_CAUSES
from divergence.diagnose.culprits import Accused
from divergence.diagnose.edits import Edit
from divergence.diagnose.examine import Examination, Explained, examine
from divergence.diagnose.inquiry import Conclusion, Inquiry
from divergence.diagnose.proof import Claim, prove
from divergence.diagnose.suspects import needed, suspect
from divergence.records import Array, Finding, Introduced, Match, Proof, RuledOut

# Segments that are examined; a file in which more diverge has a cause that is not local.
MOST_EXAMINED = 8


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found: culprits the worst first, findings that index them, edits that heal.

    introduced: what each segment adds, where that was measured. wrong: pairs that proved to be
    none.
    """

    introduced: Mapping[Match, Introduced] = field(default_factory=dict)
    wrong: tuple[Match, ...] = ()
    accused: tuple[Accused, ...] = ()
    findings: tuple[Finding, ...] = ()
    ruled_out: tuple[RuledOut, ...] = ()
    edits: tuple[Edit, ...] = ()
    interrupted: bool = False


def diagnose(inquiry: Inquiry) -> Diagnosis:
    """Ask every detector, about the run and about each culprit, and prove what they say."""
    conclusions, excluded = _of_run(inquiry)
    answered = frozenset(number for c in conclusions for number in c.answers)
    standing = tuple(edit for c in conclusions for edit in c.edits)
    examinations = _of_segments(inquiry, answered)
    claims = {
        number: _claim(found.explained, inquiry.accused[number].match.candidate)
        for number, found in examinations.items()
        if found.explained
    }
    bench = replace(inquiry.means.bench, standing=standing)
    proofs = dict(zip(claims, prove(list(claims.values()), bench), strict=True))
    findings = [conclusion.finding for conclusion in conclusions]
    findings += [
        _finding(explained, number, proofs[number])
        for number in claims
        for explained in examinations[number].explained
    ]
    ruled_out = [*excluded, *(r for found in examinations.values() for r in found.ruled_out)]
    return Diagnosis(
        introduced=inquiry.introduced,
        accused=tuple(inquiry.accused),
        findings=tuple(sorted(findings, key=lambda finding: -finding.confidence)),
        ruled_out=_ruled_out(ruled_out, {finding.cause for finding in findings}),
        edits=(*standing, *(edit for claim in claims.values() for edit in claim.edits)),
    )


def _of_run(inquiry: Inquiry) -> tuple[list[Conclusion], list[RuledOut]]:
    """Ask the detectors of causes that concern the whole run."""
    conclusions: list[Conclusion] = []
    ruled_out: list[RuledOut] = []
    for cause in RUN_CAUSES:
        answer = cause.examine(inquiry)
        if isinstance(answer, str):
            ruled_out.append(RuledOut(cause.CAUSE, answer))
        else:
            conclusions.append(answer)
    return conclusions, ruled_out


def _of_segments(inquiry: Inquiry, answered: frozenset[int]) -> dict[int, Examination]:
    """Ask the detectors about each culprit that the run's causes do not answer for."""
    open_ones = [n for n in range(len(inquiry.accused)) if n not in answered][:MOST_EXAMINED]
    matches = [inquiry.accused[number].match for number in open_ones]
    values = inquiry.means.collect(needed(inquiry.scene, matches)) if matches else {}
    return {number: _examine(inquiry, inquiry.accused[number], values) for number in open_ones}


def _examine(inquiry: Inquiry, accused: Accused, values: Mapping[str, Array]) -> Examination:
    """Ask the detectors about one culprit; an error up to the limit of rounding is healed."""
    bound = MULTIPLE * accused.introduced.floor
    found = suspect(inquiry.scene, accused.match, values, inquiry.means.inputs, bound)
    if found is None:
        return Examination((), ())
    return examine(found, SEGMENT_CAUSES)


def _claim(explained: Sequence[Explained], where: str) -> Claim:
    return Claim(
        where=where,
        edits=tuple(e.hypothesis.edit for e in explained),
        segment_before=explained[0].error_before,
        segment_after=explained[-1].error_after,
    )


def _finding(explained: Explained, culprit: int, proof: Proof) -> Finding:
    hypothesis = explained.hypothesis
    return Finding(
        cause=explained.cause,
        culprit=culprit,
        confidence=0.99 if explained.complete else 0.9,
        explanation=hypothesis.explanation,
        evidence=hypothesis.evidence,
        remedy=hypothesis.remedy,
        parameters=dict(hypothesis.parameters),
        proof=proof,
    )


def _ruled_out(entries: Iterable[RuledOut], found: set[str]) -> tuple[RuledOut, ...]:
    """Return each cause that was not found, with the first reason given."""
    reasons: dict[str, RuledOut] = {}
    for entry in entries:
        if entry.cause not in found:
            reasons.setdefault(entry.cause, entry)
    return tuple(reasons.values())
