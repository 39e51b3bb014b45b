"""The one document that every renderer lowers: what to say, in which order, in which words.

Here it is decided what a reader is told; a renderer decides only how it looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from divergence.records import (
    Detections,
    Finding,
    InputSet,
    Pair,
    Profile,
    Proof,
    Report,
    RuledOut,
    Status,
    Unpaired,
    Verdict,
)
from divergence.report import growth, headroom, words
from divergence.report.growth import Growth

Facts = tuple[tuple[str, str], ...]

HEADLINES = {
    Status.IDENTICAL: "Identical",
    Status.ROUNDING: "Rounding only",
    Status.DIVERGENT: "Divergent",
    Status.INCONCLUSIVE: "Inconclusive",
}

# Where a side's description may say what a reader calls it, the best first.
NAMES = ("name", "file", "path", "class", "kind")


@dataclass(frozen=True, slots=True)
class Cause:
    """A finding in words. evidence: name, reference value, candidate value."""

    cause: str
    certainty: str
    explanation: str
    evidence: tuple[tuple[str, str, str], ...]
    parameters: Facts
    remedy: str
    proof: Proof | None


@dataclass(frozen=True, slots=True)
class Suspect:
    """A culprit with its causes. added: what it does, in words. pair: index into the pairs."""

    title: str
    reference: str
    candidate: str
    nodes: tuple[str, ...]
    stage: str
    added: str
    pair: int
    causes: tuple[Cause, ...]
    profile: Profile | None


@dataclass(frozen=True, slots=True)
class Section:
    """Facts under a title."""

    title: str
    facts: Facts


@dataclass(frozen=True, slots=True)
class Document:
    """All that is told.

    glance: the figures that a reader looks for first.
    causes: findings that belong to no culprit (preparation, inputs, post-processing).
    coverage: how much was compared; details: the rest, from models to options.
    half: how much room the values have in float16.
    """

    status: Status
    headline: str
    sentence: str
    partial: bool
    title: str
    glance: Facts
    suspects: tuple[Suspect, ...]
    causes: tuple[Cause, ...]
    ruled_out: tuple[RuledOut, ...]
    growth: Growth
    outputs: tuple[Pair, ...]
    pairs: tuple[Pair, ...]
    unpaired: tuple[Unpaired, ...]
    coverage: Facts
    details: tuple[Section, ...]
    detections: Detections | None
    input_set: InputSet | None
    half: str


def build(report: Report) -> Document:
    """Return the document of a report."""
    return Document(
        status=report.verdict.status,
        headline=HEADLINES[report.verdict.status],
        sentence=_sentence(report.verdict),
        partial=report.partial,
        title=f"{_name(report.reference)} against {_name(report.candidate)}",
        glance=_glance(report),
        suspects=_suspects(report),
        causes=tuple(told(f) for f in report.findings if f.culprit is None),
        ruled_out=report.ruled_out,
        growth=growth.build(report),
        outputs=report.outputs,
        pairs=report.pairs,
        unpaired=report.unpaired,
        coverage=_coverage(report),
        details=_details(report),
        detections=report.detections,
        input_set=report.input_set,
        half=headroom.brief(report.pairs),
    )


def _glance(report: Report) -> Facts:
    worst = max(report.outputs, key=growth.severity, default=None)
    floor = worst.floor if worst else None
    c = report.coverage
    return (
        ("greatest output error", words.number(worst.metrics.max_abs if worst else None)),
        ("the floor at the output", words.multiple(floor.multiple if floor else None)),
        ("pairs compared", f"{len(report.pairs):,}"),
        ("of the reference's sites", words.percent(c.reference_paired, c.reference_sites)),
        ("of the candidate's sites", words.percent(c.candidate_paired, c.candidate_sites)),
    )


def _sentence(verdict: Verdict) -> str:
    """Return the sentence without the status before it: the headline says that already."""
    status, colon, rest = words.printable(verdict.sentence).partition(": ")
    if not colon or status.lower() != verdict.status.value:
        return words.printable(verdict.sentence)
    return rest[:1].upper() + rest[1:]


def _suspects(report: Report) -> tuple[Suspect, ...]:
    return tuple(
        Suspect(
            title=culprit.reference_scope or culprit.reference,
            reference=culprit.reference,
            candidate=culprit.candidate,
            nodes=culprit.candidate_nodes,
            stage=culprit.stage,
            added=words.added(culprit.introduced, report.pairs[culprit.pair]),
            pair=culprit.pair,
            causes=tuple(told(f) for f in report.findings if f.culprit == index),
            profile=culprit.profile,
        )
        for index, culprit in enumerate(report.culprits)
    )


def told(finding: Finding) -> Cause:
    """Return a finding in words."""
    return Cause(
        cause=words.printable(finding.cause),
        certainty=f"{round(100 * finding.confidence)} %",
        explanation=words.printable(finding.explanation),
        evidence=tuple(
            (words.printable(e.name), words.value(e.reference), words.value(e.candidate))
            for e in finding.evidence
        ),
        parameters=_facts(finding.parameters),
        remedy=words.printable(finding.remedy),
        proof=finding.proof,
    )


def _coverage(report: Report) -> Facts:
    c = report.coverage
    return (
        ("reference", words.share(c.reference_paired, c.reference_sites)),
        ("candidate", words.share(c.candidate_paired, c.candidate_sites)),
    )


def _details(report: Report) -> tuple[Section, ...]:
    sections = (
        Section("Room in float16", headroom.facts(report.pairs)),
        Section("Reference", _facts(report.reference)),
        Section("Candidate", _facts(report.candidate)),
        Section("Inputs", _facts(report.inputs)),
        Section("Environment", _facts(report.environment)),
        Section("Timing", tuple((k, f"{v:.3g} s") for k, v in report.timing.items())),
        Section("Options", _facts(report.options)),
        Section("Observer effect", _facts(report.observer_effect)),
    )
    return tuple(section for section in sections if section.facts)


def _facts(mapping: Mapping[str, Any]) -> Facts:
    return tuple((words.printable(str(k)), words.value(v)) for k, v in mapping.items())


def _name(side: Mapping[str, Any]) -> str:
    """Return what a reader calls a side: its file, else its class or what kind it is."""
    told = next((str(side[key]) for key in NAMES if side.get(key)), "model")
    return words.printable(PurePath(told).name)
