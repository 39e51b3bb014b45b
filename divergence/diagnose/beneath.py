"""Faults beneath the rounding of a quantised file.

The floor of 8-bit integers is wide: a missing scale may add less than ten of their steps. So the
file is judged again without its rounding (see `unrounded`): every tensor of integers becomes the
real numbers that it stands for, every parameter that is the reference's but for its rounding
becomes the reference's, and each segment has to agree to the floor of float32. What then is wrong
counts as long as it is most of what the segment adds in the file itself; what is less is drowned
by the rounding, and within the floor of the file's own precision.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from divergence.diagnose.bared import Bared
from divergence.diagnose.blame import node_names
from divergence.diagnose.causes import reduced
from divergence.diagnose.causes.reduced import CUTS
from divergence.diagnose.culprits import Accused
from divergence.diagnose.diagnosis import Diagnosis, diagnose
from divergence.diagnose.edits import Edit
from divergence.diagnose.inquiry import Inquiry
from divergence.diagnose.level import Level
from divergence.diagnose.unrounded import REAL, Cut
from divergence.matching import match
from divergence.records import Call, Evidence, Finding, Pairing

# Share of what a segment adds in the file that is left without rounding, from which it is a fault.
SHARE = 0.5
# Share of an error that a right remedy does not leave: the rounding of a quantised file is less.
LEFT = 0.25
# Nothing is cut off where a range ends.
FREE = Cut(low=False, high=False)

# Sets up the inquiry into a file on the level that diagnosis works on, with these pairs.
Inquire = Callable[[Level, Pairing], Inquiry]


def beneath(inquiry: Inquiry, level: Level, call: Call, inquire: Inquire) -> Diagnosis | None:
    """Diagnose a quantised file without its rounding; None where nothing was hidden by it.

    inquiry: into the file as it is, on `level`. inquire: sets up one into another level.
    """
    bared = Bared(inquiry, level, call)
    free = bared.level(dict.fromkeys(bared.ranges, FREE))
    pairing = _completed(inquiry, match(inquiry.scene.reference, free.program))
    best = inquire(bared.level({}), pairing)
    if not best.accused:
        return None
    if bared.ranges:
        best = _ranged(bared, best, lambda other: inquire(other, pairing))
    rounded = _rounded(inquiry, inquire(level, pairing))
    inquired = replace(
        best,
        accused=[
            each
            for each in best.accused
            if not _holds(best, each, bared.unclear) and _stands_out(each, rounded)
        ],
    )
    found = diagnose(inquired, ())
    explained = {
        found.accused[finding.culprit]
        for finding in _blaming(found.findings)
        if finding.cause != reduced.CAUSE
    }
    # Pairs between integers may be wrong, and parameters rounded on another way: what no cause but
    # rounding explains is no fault.
    sure = {each.match.candidate for each in explained}
    if len(sure) < len(found.accused):
        kept = [each for each in inquired.accused if each.match.candidate in sure]
        found = diagnose(replace(inquired, accused=kept), ())
    return _in_its_words(inquiry, bared, found) if found.accused else None


def _completed(inquiry: Inquiry, found: Pairing) -> Pairing:
    """Return the pairs that bound segments in the file, and others for values that have none.

    Between integers there are few; without rounding the values between them are found as well.
    """
    known = inquiry.scene.matches
    ours, theirs = {m.reference for m in known}, {m.candidate for m in known}
    ends = {*inquiry.scene.reference.outputs, *inquiry.scene.candidate.outputs}
    new = [
        m
        for m in found.matches
        if {m.reference, m.candidate} <= ends
        or (m.reference not in ours and m.candidate not in theirs)
    ]
    return replace(found, matches=(*known, *new))


def merged(inquiry: Inquiry, given: Diagnosis, hidden: Diagnosis) -> Diagnosis:
    """Return what both found: what the rounding hid first.

    Of a segment that both explain, the file's own explanation, but for one that leaves much of the
    error where the other names another cause: at a floor as wide as that of a few bits more than
    one may pass.
    """
    known, finer, poor = _causes(given), _causes(hidden), _poor(given)
    new = [
        a
        for a in hidden.accused
        if (end := a.match.candidate) not in known or (end in poor and known[end] != finer[end])
    ]
    found = {a.match.candidate for a in new}
    edits = (*given.edits, *hidden.edits)
    if not found.isdisjoint(known):
        edits = _lasting(inquiry, (*hidden.edits, *given.edits))
    accused = (*new, *(a for a in given.accused if a.match.candidate not in found))
    findings = [
        replace(f, culprit=accused.index(source.accused[f.culprit]))
        for source in (hidden, given)
        for f in _blaming(source.findings)
        if source.accused[f.culprit] in accused
    ]
    causes = {f.cause for f in findings}
    return replace(
        given,
        introduced={**given.introduced, **{a.match: a.introduced for a in new}},
        accused=accused,
        findings=(*findings, *(f for f in given.findings if f.culprit is None and _proves(f))),
        ruled_out=tuple(r for r in given.ruled_out if r.cause not in causes),
        edits=edits,
    )


def _causes(diagnosis: Diagnosis) -> dict[str, set[str]]:
    """Return the causes that explain segments, by the segment's end."""
    causes: dict[str, set[str]] = {}
    for finding in _blaming(diagnosis.findings):
        end = diagnosis.accused[finding.culprit].match.candidate
        causes.setdefault(end, set()).add(finding.cause)
    return causes


def _poor(diagnosis: Diagnosis) -> set[str]:
    """Return the ends of segments whose explanation leaves much of the error, or is not proved."""
    return {
        diagnosis.accused[finding.culprit].match.candidate
        for finding in _blaming(diagnosis.findings)
        if (proof := finding.proof) is None or proof.error_after > LEFT * proof.error_before
    }


def _blaming(findings: Iterable[Finding]) -> list[Any]:
    """Return the findings that name a culprit."""
    return [finding for finding in findings if finding.culprit is not None]


def _proves(finding: Finding) -> bool:
    """Whether a finding about the run says more than that the file rounds."""
    return finding.cause not in {"precision.accumulation", "precision.reduced"}


def _ranged(bared: Bared, first: Inquiry, inquire: Callable[[Level], Inquiry]) -> Inquiry:
    """Return an inquiry in which values are cut off so that most segments are right.

    Where one is wrong however its values are cut off, nothing is: a wrong file may have been given
    ranges that are too narrow for a right one. One that is right then has no other fault.
    """
    free = inquire(bared.level(dict.fromkeys(bared.ranges, FREE)))
    wrong, cuts = _wrong_values(first), dict[str, Cut]()
    for cut in CUTS[:-1]:
        open_ones = [name for name in bared.ranges if name in wrong and name not in cuts]
        if open_ones:
            still = _wrong_values(inquire(bared.level(dict.fromkeys(open_ones, cut))))
            cuts.update({name: cut for name in open_ones if name not in still})
    errors, accused = _errors(free), _errors(first)
    bound = _inside(first, set(errors) - set(accused))  # right only where values are cut off
    freed = [name for name, error in accused.items() if errors.get(name, 0.0) <= error]
    known = bound.union(cuts)
    cuts.update(dict.fromkeys(_inside(first, freed) - known, FREE))
    best = inquire(bared.level(cuts))
    # With all ranges open at once, pairs were given up that are wrong only for that.
    worse = [name for name, error in _errors(best).items() if error > accused.get(name, 0.0)]
    if not worse:
        return best
    spoilt = _inside(first, worse)
    return inquire(bared.level({name: cut for name, cut in cuts.items() if name not in spoilt}))


def _errors(inquiry: Inquiry) -> dict[str, float]:
    """Return the greatest error of each segment that is accused, by its end."""
    return {each.match.candidate: each.introduced.max_abs for each in inquiry.accused}


def _wrong_values(inquiry: Inquiry) -> set[str]:
    """Return the values of segments that are accused."""
    return _inside(inquiry, (accused.match.candidate for accused in inquiry.accused))


def _inside(inquiry: Inquiry, ends: Iterable[str]) -> set[str]:
    """Return the values of the segments with these ends."""
    return {site.name for end in ends for site in inquiry.scene.candidate_segment(end).sites}


def _rounded(*inquiries: Inquiry) -> Mapping[str, float]:
    """Return the greatest error that each segment adds in the file as it is, by its end."""
    return {
        match.candidate: added.max_abs
        for each in inquiries
        for match, added in each.introduced.items()
    }


def _holds(inquiry: Inquiry, accused: Accused, values: Collection[str]) -> bool:
    """Whether a segment holds one of these values."""
    return not _inside(inquiry, [accused.match.candidate]).isdisjoint(values)


def _stands_out(accused: Accused, rounded: Mapping[str, float]) -> bool:
    """Whether an error without rounding is most of what the segment adds in the file itself.

    Where that is not known (its end is an integer), it is beyond the floor of float32 at least.
    """
    if math.isinf(accused.introduced.multiple):
        return False
    return accused.introduced.max_abs >= SHARE * rounded.get(accused.match.candidate, 0.0)


def _in_its_words(inquiry: Inquiry, bared: Bared, diagnosis: Diagnosis) -> Diagnosis:
    """Return a diagnosis of the file without rounding in the words of the file itself."""
    made = {f"{name}{REAL}": name for name in bared.given.program.weights}
    return replace(
        diagnosis,
        accused=tuple(_shown(inquiry, each) for each in diagnosis.accused),
        findings=tuple(_renamed(finding, made) for finding in diagnosis.findings),
        edits=_lasting(inquiry, diagnosis.edits),
    )


def _shown(inquiry: Inquiry, accused: Accused) -> Accused:
    known = {node.name for node in inquiry.scene.nodes}
    segment = node_names(inquiry.scene.candidate_segment(accused.match.candidate).sites)
    known.update(segment)
    return replace(accused, nodes=tuple(n for n in accused.nodes if n in known) or segment)


def _lasting(inquiry: Inquiry, edits: Sequence[Edit]) -> tuple[Edit, ...]:
    """Return the edits that heal the file as it is, with its rounding."""
    bench = inquiry.means.bench
    before, kept = bench.error(), list[Edit]()
    for edit in edits:
        after = bench.error([*kept, edit])
        if before is not None and after is not None and after < before:
            kept.append(edit)
            before = after
    return tuple(kept)


def _renamed(finding: Finding, made: Mapping[str, str]) -> Finding:
    """Return a finding that calls constants as the file does."""

    def words(text: str) -> str:
        for name, own in made.items():
            text = text.replace(name, own) if name in text else text
        return text

    proof = finding.proof
    return replace(
        finding,
        explanation=words(finding.explanation),
        evidence=tuple(Evidence(words(e.name), e.reference, e.candidate) for e in finding.evidence),
        remedy=words(finding.remedy),
        parameters={
            key: words(value) if isinstance(value, str) else value
            for key, value in finding.parameters.items()
        },
        proof=proof
        and replace(proof, action=f"{words(proof.action)}, nothing rounded to integers"),
    )
