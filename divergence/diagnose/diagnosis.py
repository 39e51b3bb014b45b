"""From what segments introduce to culprits, findings and proofs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import ModuleType

from divergence.capture.onnx_runner import OnnxRunner
from divergence.compare.floor import Effect
from divergence.compare.lineage import own_step
from divergence.diagnose.blame import MOST_NODES, nearest
from divergence.diagnose.causes import RUN_CAUSES, overflow, reduced, ties
from divergence.diagnose.culprits import Accused
from divergence.diagnose.edits import Edit
from divergence.diagnose.examine import Explained
from divergence.diagnose.examined import Examined, look
from divergence.diagnose.inherited import inherited
from divergence.diagnose.inquiry import Conclusion, Inquiry
from divergence.diagnose.joint import Joined, join
from divergence.diagnose.proof import Claim, prove, workable
from divergence.records import Finding, Introduced, Match, Proof, RuledOut

# Segments that are examined; a file in which more diverge has a cause that is not local.
MOST_EXAMINED = 8
# Of float32: a file whose parameters are stored in coarser steps is reduced as a whole.
STEP = 2.0**-23


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found: culprits the worst first, findings that index them, edits that heal.

    introduced: what each segment adds, where that was measured. wrong: pairs that proved to be
    none. interrupted: Ctrl-C ended it, so nothing is known. edits: those that a file may keep.
    effects: of the precision that the whole file is in, by output of the candidate.
    """

    introduced: Mapping[Match, Introduced] = field(default_factory=dict)
    wrong: tuple[Match, ...] = ()
    accused: tuple[Accused, ...] = ()
    findings: tuple[Finding, ...] = ()
    ruled_out: tuple[RuledOut, ...] = ()
    edits: tuple[Edit, ...] = ()
    effects: Mapping[str, Effect] = field(default_factory=dict)
    interrupted: bool = False


def diagnose(inquiry: Inquiry, causes: Sequence[ModuleType] = RUN_CAUSES) -> Diagnosis:
    """Ask every detector, about the run and about each culprit, and prove what they say.

    causes: the detectors that are asked about the run.
    """
    inquiry = _without_own(inquiry)
    conclusions, excluded = _of_run(inquiry, causes)
    answered = {number for c in conclusions for number in c.answers}
    left = [a for number, a in enumerate(inquiry.accused) if number not in answered]
    joined = join(inquiry, look(inquiry, inquiry.scene, left[:MOST_EXAMINED]))
    acquitted = _acquitted(inquiry, joined.examined)
    charged = tuple(e for e in joined.examined if e.accused.match not in acquitted)
    joined = replace(joined, examined=charged)
    explained = [_narrowed(inquiry, joined, e) for e in joined.examined if e.explained]
    explained.sort(key=lambda e: (_is_choice(e), _is_cut_off(e)))
    unknown = [e for e in joined.examined if not e.explained]
    told = [inquiry.accused[number] for number in sorted(answered)]
    faults = [e for e in explained if not _is_choice(e) and not _is_cut_off(e)]
    culprits = _by_size([*told, *(e.accused for e in faults)])
    culprits += _by_size([e.accused for e in explained if _is_cut_off(e)])
    culprits += _by_size([*(e.accused for e in unknown), *left[MOST_EXAMINED:]])
    culprits += [e.accused for e in explained if _is_choice(e)]

    standing = tuple(edit for c in conclusions for edit in c.edits)
    bench = replace(inquiry.means.bench, standing=standing)
    claims = [_claim(e) for e in explained]
    proofs = prove(claims, bench)
    proved = [claim for claim, proof in zip(claims, proofs, strict=True) if proof]
    findings = [_renumbered(c.finding, inquiry.accused, culprits) for c in conclusions]
    if culprits:  # that the file is quantised explains none of them
        findings = [f for f in findings if (f.cause, f.culprit) != (reduced.CAUSE, None)]
    findings += [
        _finding(entry, culprits.index(e.accused), proof)
        for e, proof in zip(explained, proofs, strict=True)
        for entry in e.examination.explained
    ]
    excluded += [r for e in joined.examined for r in e.examination.ruled_out]
    introduced = {**_introduced(inquiry, joined), **acquitted}
    grown = inherited(inquiry, introduced) if _is_reduced(inquiry) and not culprits else {}
    return Diagnosis(
        introduced=introduced,
        wrong=joined.wrong,
        accused=tuple(culprits),
        findings=tuple(sorted(findings, key=lambda finding: -finding.confidence)),
        ruled_out=_ruled_out(excluded, {finding.cause for finding in findings}),
        edits=tuple(e for e in (*standing, *_edits(workable(proved, bench))) if e.lasting),
        effects={**_effects(conclusions), **grown},
    )


def _of_run(
    inquiry: Inquiry, causes: Sequence[ModuleType]
) -> tuple[list[Conclusion], list[RuledOut]]:
    """Ask the detectors of causes that concern the whole run."""
    conclusions: list[Conclusion] = []
    ruled_out: list[RuledOut] = []
    for cause in causes:
        answer = cause.examine(inquiry)
        if isinstance(answer, str):
            ruled_out.append(RuledOut(cause.CAUSE, answer))
        else:
            conclusions.append(answer)
    return conclusions, ruled_out


def _effects(conclusions: Iterable[Conclusion]) -> dict[str, Effect]:
    return {name: effect for c in conclusions for name, effect in c.effects.items()}


def _is_reduced(inquiry: Inquiry) -> bool:
    """Whether the file as a whole is in a coarser precision than float32."""
    return own_step(inquiry.scene.candidate) > STEP


def _without_own(inquiry: Inquiry) -> Inquiry:
    """Acquit segments that add the rounding of the type that the whole file is in, no more.

    The floor of such a segment is what that rounding does there.
    """
    if not _is_reduced(inquiry):
        return inquiry
    finite = [a for a in inquiry.accused if math.isfinite(a.introduced.multiple)]
    known = _acquitted(inquiry, look(inquiry, inquiry.scene, finite, (reduced,), ()))
    return replace(
        inquiry,
        accused=tuple(a for a in inquiry.accused if a.match not in known),
        introduced={**inquiry.introduced, **known},
    )


def _acquitted(inquiry: Inquiry, examined: Iterable[Examined]) -> dict[Match, Introduced]:
    """Return what segments add that only round, as a multiple of what their rounding does.

    Besides a type of its own a file may have parameters that were rounded on another way: where
    the reference is a file too, each may have been folded by its own exporter.
    """
    reduced_file, folded = _is_reduced(inquiry), isinstance(inquiry.case.reference, OnnxRunner)
    return {
        e.accused.match: replace(e.accused.introduced, multiple=1.0, floor=entry.error_before)
        for e in examined
        if (reduced_file and _is_own(e)) or (folded and _is_folded(e))
        for entry in e.examination.explained
    }


def _is_folded(examined: Examined) -> bool:
    """Whether parameters explain what a segment adds that differ by rounding."""
    return all(entry.hypothesis.rounding for entry in examined.examination.explained)


def _is_own(examined: Examined) -> bool:
    """Whether nothing but rounding explains what a segment adds."""
    return {entry.cause for entry in examined.examination.explained} == {reduced.CAUSE}


def _narrowed(inquiry: Inquiry, joined: Joined, examined: Examined) -> Examined:
    """Return an explained segment with few nodes: those around the place that heals it."""
    scene, accused = inquiry.scene.without(joined.wrong), examined.accused
    edits = [entry.hypothesis.edit for entry in examined.examination.explained]
    nodes = nearest(scene, accused.match.candidate, accused.nodes, edits)
    more = [n for entry in examined.examination.explained for n in entry.hypothesis.nodes]
    nodes = tuple(dict.fromkeys((*more, *nodes)))[: max(MOST_NODES, len(more))]
    return replace(examined, accused=replace(accused, nodes=nodes))


def _introduced(inquiry: Inquiry, joined: Joined) -> dict[Match, Introduced]:
    """Return what segments add, those that were joined as a whole."""
    known = {m: a for m, a in inquiry.introduced.items() if m not in joined.wrong}
    known.update({e.accused.match: e.accused.introduced for e in joined.examined})
    return known


def _by_size(accused: Sequence[Accused]) -> list[Accused]:
    return sorted(accused, key=lambda a: -a.introduced.multiple)


def _is_choice(examined: Examined) -> bool:
    """Whether both sides are right: the least to blame, however far indices are apart."""
    return all(entry.cause == ties.CAUSE for entry in examined.examination.explained)


def _is_cut_off(examined: Examined) -> bool:
    """Whether a quantised range alone is too narrow, as it is where what comes into it is wrong."""
    return {entry.cause for entry in examined.examination.explained} == {overflow.CAUSE}


def _edits(claims: Sequence[Claim]) -> list[Edit]:
    return [edit for claim in claims for edit in claim.edits]


def _claim(examined: Examined) -> Claim:
    explained = examined.examination.explained
    return Claim(
        where=examined.accused.match.candidate,
        edits=tuple(e.hypothesis.edit for e in explained),
        segment_before=explained[0].error_before,
        segment_after=explained[-1].error_after,
    )


def _renumbered(
    finding: Finding, before: Sequence[Accused], culprits: Sequence[Accused]
) -> Finding:
    """Return a finding of the run that indexes the culprits as they are listed in the end."""
    if finding.culprit is None:
        return finding
    accused = before[finding.culprit]
    return replace(finding, culprit=next((n for n, c in enumerate(culprits) if c is accused), None))


def _finding(explained: Explained, culprit: int, proof: Proof | None) -> Finding:
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
