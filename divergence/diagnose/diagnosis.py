"""From what segments introduce to culprits, findings and proofs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from divergence.compare.floor import MULTIPLE
from divergence.compare.profile import profile
from divergence.diagnose.causes import SEGMENT_CAUSES
from divergence.diagnose.culprits import Accused, accuse
from divergence.diagnose.edits import Edit
from divergence.diagnose.examine import Examination, Explained, examine
from divergence.diagnose.mispairs import Settled
from divergence.diagnose.proof import Claim, Rerun, prove
from divergence.diagnose.suspects import Scene, needed, suspect
from divergence.records import Array, Finding, Introduced, Match, Profile, Proof, RuledOut

# Segments that are examined; a file in which more diverge has a cause that is not local.
MOST_EXAMINED = 8


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found: culprits the worst first, findings that index them, edits that heal.

    introduced: what each segment adds, where that was measured. wrong: pairs that proved to be
    none. profiles: of what the first culprits should make and what they make, in their order.
    """

    introduced: Mapping[Match, Introduced] = field(default_factory=dict)
    wrong: tuple[Match, ...] = ()
    accused: tuple[Accused, ...] = ()
    findings: tuple[Finding, ...] = ()
    ruled_out: tuple[RuledOut, ...] = ()
    edits: tuple[Edit, ...] = ()
    profiles: tuple[Profile | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Means:
    """How diagnosis gets at values and at other runs.

    collect: the reference's values at the given sites. rerun: the candidate with edits.
    inputs: the candidate's, by name. expected: the reference's outputs by the candidate's
    names, in its layout.
    """

    collect: Callable[[set[str]], Mapping[str, Array]]
    rerun: Rerun
    inputs: Mapping[str, Array]
    expected: Mapping[str, Array]


def diagnose(
    settled: Settled, means: Means, skip: Callable[[str], bool] = lambda _: False
) -> Diagnosis:
    """Find the culprits, ask every detector about each, and prove what they say.

    skip: tells sites that the user wants left out.
    """
    scene, introduced = settled.scene, settled.introduced
    counted = {match: added for match, added in introduced.items() if not skip(match.reference)}
    accused = accuse(scene, counted, MULTIPLE)
    examined = accused[:MOST_EXAMINED]
    values = means.collect(needed(scene, [a.match for a in examined]))
    examinations = [_examine(scene, a, values, means.inputs) for a in examined]
    claims = {
        number: _claim(found.explained)
        for number, found in enumerate(examinations)
        if found.explained
    }
    proofs = dict(
        zip(claims, prove(list(claims.values()), means.rerun, means.expected), strict=True)
    )
    findings = [
        _finding(explained, number, proofs[number])
        for number, found in enumerate(examinations)
        for explained in found.explained
    ]
    return Diagnosis(
        introduced=introduced,
        wrong=settled.wrong,
        accused=accused,
        findings=tuple(sorted(findings, key=lambda f: -f.confidence)),
        ruled_out=_ruled_out(examinations, {f.cause for f in findings}),
        edits=tuple(edit for claim in claims.values() for edit in claim.edits),
        profiles=tuple(found.profile for found in examinations),
    )


def _examine(
    scene: Scene, accused: Accused, values: Mapping[str, Array], inputs: Mapping[str, Array]
) -> Examination:
    """Ask the detectors about one culprit; an error up to the limit of rounding is healed."""
    bound = MULTIPLE * accused.introduced.floor
    found = suspect(scene, accused.match, values, inputs, bound)
    if found is None:
        return Examination((), ())
    return replace(examine(found, SEGMENT_CAUSES), profile=profile(found.expected, found.produced))


def _claim(explained: Sequence[Explained]) -> Claim:
    return Claim(
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


def _ruled_out(examinations: Sequence[Examination], found: set[str]) -> tuple[RuledOut, ...]:
    """Return each cause that no segment has, with the reason of the first."""
    reasons: dict[str, RuledOut] = {}
    for examination in examinations:
        for entry in examination.ruled_out:
            if entry.cause not in found:
                reasons.setdefault(entry.cause, entry)
    return tuple(reasons.values())
