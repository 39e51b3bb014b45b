"""From the steps' results to one `Report`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from divergence.capture.onnx_runner import OnnxRunner
from divergence.compare.headroom import headroom_bits
from divergence.compare.stages import stage_names, summarise
from divergence.diagnose.distance import distance
from divergence.diagnose.judge import (
    FLOOR,
    interrupted_sentence,
    is_ignored,
    on_equal_inputs,
    on_unequal_inputs,
    pair_verdict,
    sentence,
    status,
    tolerances,
    unlike_sentence,
)
from divergence.environment import environment
from divergence.options import Options
from divergence.postprocess.apply import STAGE as BEHIND
from divergence.preparation.apply import STAGE as BEFORE
from divergence.records import (
    Coverage,
    Culprit,
    Introduced,
    Match,
    Measured,
    Pair,
    Site,
    Status,
    Verdict,
)
from divergence.report import Report
from divergence.steps import Steps, with_inputs_that_meet, without_wrong_pairs


def build(steps: Steps, asked: Options, seconds: Mapping[str, float]) -> Report:
    """Judge every pair and the whole, and put the report together."""
    by_tolerance = asked.rtol is not None
    steps = without_wrong_pairs(steps)
    pairs = _pairs(steps, asked, by_tolerance)
    outputs = _outputs(steps, pairs)
    steps = with_inputs_that_meet(steps, pairs, outputs)
    findings = (*steps.entrance.findings, *steps.diagnosis.findings, *steps.exit.findings)
    verdict, culprits = _judged(steps, asked, pairs, outputs)
    if not culprits:
        findings = tuple(finding for finding in findings if finding.culprit is None)
    return Report(
        verdict=verdict,
        partial=steps.observed.interrupted or steps.diagnosis.interrupted,
        culprits=culprits,
        findings=findings,
        ruled_out=(*steps.entrance.ruled_out, *steps.diagnosis.ruled_out),
        outputs=outputs,
        pairs=pairs,
        unpaired=steps.pairing.unpaired,
        coverage=_coverage(steps, pairs),
        stages=summarise(pairs),
        observer_effect={"max_abs": _observer_effect(steps)},
        reference={**steps.case.reference.describe(), **steps.case.described["reference"]},
        candidate={**steps.case.candidate.describe(), **steps.case.described["candidate"]},
        inputs=steps.case.describe_inputs(),
        environment=environment(),
        options=asked.describe(),
        timing=dict(seconds),
        detections=steps.exit.detections,
    )


def _judged(
    steps: Steps,
    asked: Options,
    pairs: Sequence[Pair],
    outputs: Sequence[Pair],
) -> tuple[Verdict, tuple[Culprit, ...]]:
    """Return the verdict, and the culprits where it is divergent.

    What differs before and behind the model does not speak for the model itself.
    """
    if steps.observed.interrupted or steps.diagnosis.interrupted:
        text = interrupted_sentence(len(steps.observed.measured), len(steps.pairing.matches))
        return Verdict(Status.INCONCLUSIVE, text), ()
    if steps.pairing.unlike:
        return Verdict(Status.INCONCLUSIVE, unlike_sentence(steps.pairing.unlike)), ()
    accused = tuple(_culprits(steps, pairs))
    findings = (*steps.diagnosis.findings, *steps.exit.findings)
    inner = [pair for pair in pairs if pair.stage not in (BEFORE, BEHIND)]
    bound = FLOOR
    if asked.rtol is not None and asked.atol is not None:
        bound = tolerances(asked.rtol, asked.atol)
        network = status(inner, outputs, (), (), by_tolerance=True)
    else:
        network = status(inner, outputs, accused, steps.diagnosis.findings, by_tolerance=False)
    answer = Status.DIVERGENT if steps.exit.findings else network
    culprits = accused if answer is Status.DIVERGENT else ()
    # A culprit counts its pair among all of them.
    shown = pairs if culprits else inner
    text = sentence(answer, shown, outputs, culprits, findings, bound)
    if steps.exit.sentence:
        text = f"Divergent behind the model: {steps.exit.sentence} {text}"
        answer = Status.DIVERGENT
    if steps.entrance.differs:
        text = f"{steps.entrance.sentence} {_fed(steps, network, culprits, text)}"
        answer = Status.DIVERGENT
    return Verdict(answer, text + _alone(steps, pairs, outputs)), culprits


def _fed(steps: Steps, answer: Status, culprits: Sequence[Culprit], text: str) -> str:
    """Say what the model itself does, as far as both sides could be fed the same."""
    apart, measured = steps.case.apart, bool(steps.diagnosis.introduced)
    if apart:
        return on_unequal_inputs(apart, bool(culprits), measured, text)
    return on_equal_inputs(answer, text)


def _pairs(steps: Steps, asked: Options, by_tolerance: bool) -> tuple[Pair, ...]:
    stages = stage_names(steps.reference)
    sites = {site.name: site for site in steps.reference.sites}

    # One boundary stands for all reference sites that hold its value.
    introduced = {m.candidate: added for m, added in steps.diagnosis.introduced.items()}

    def pair(measured: Measured, site: Site | None, order: int, stage: str = "") -> Pair:
        names = measured.match.reference, measured.match.candidate
        return _pair(
            measured,
            introduced.get(measured.match.candidate),
            scope=site.scope if site else "",
            stage=stages[site.name] if site else stage,
            order=order,
            by_tolerance=by_tolerance,
            ignored=any(is_ignored(name, asked.ignore) for name in names),
        )

    before, behind = steps.entrance.measured, steps.exit.measured
    last = max((site.order for site in sites.values()), default=0)
    return (
        *(pair(m, None, place - len(before), BEFORE) for place, m in enumerate(before)),
        *(
            pair(measured, site, site.order)
            for measured in steps.observed.measured
            for site in [sites[measured.match.reference]]
        ),
        *(pair(m, None, last + 1 + place, BEHIND) for place, m in enumerate(behind)),
    )


def _pair(
    measured: Measured,
    introduced: Introduced | None,
    *,
    scope: str,
    stage: str,
    order: int,
    by_tolerance: bool,
    ignored: bool,
) -> Pair:
    match = measured.match
    verdict, reason = pair_verdict(measured, introduced, by_tolerance)
    return Pair(
        reference=match.reference,
        candidate=match.candidate,
        reference_scope=scope,
        stage=stage,
        order=order,
        paired_by=match.paired_by,
        confidence=match.confidence,
        shape=measured.shape,
        dtypes=measured.dtypes,
        alignment=match.alignment,
        metrics=measured.metrics,
        floor=measured.floor,
        introduced=introduced,
        verdict=verdict,
        reason=reason,
        ignored=ignored,
        headroom_bits=headroom_bits(measured.floor, measured.dtypes[0]),
    )


def _outputs(steps: Steps, pairs: Sequence[Pair]) -> tuple[Pair, ...]:
    """Return the pairs that are outputs on both sides, one for each output."""
    ends, names = set(steps.reference.outputs), set(steps.candidate.outputs)
    found: dict[str, Pair] = {}
    for pair in pairs:
        if pair.candidate in names and pair.reference in ends:
            found.setdefault(pair.candidate, pair)
    return tuple(found.values())


def _alone(steps: Steps, pairs: Sequence[Pair], outputs: Sequence[Pair]) -> str:
    """Name outputs that one side alone has; they do not change the status."""
    if not outputs:
        return _cut_off(steps, pairs)
    ours = [n for n in steps.reference.outputs if n not in {p.reference for p in outputs}]
    theirs = [n for n in steps.candidate.outputs if n not in {p.candidate for p in outputs}]
    parts = [
        f"{side} alone has {', '.join(names)}"
        for side, names in (("the reference", ours), ("the candidate", theirs))
        if names
    ]
    return f" Not compared: {'; '.join(parts)}." if parts else ""


def _cut_off(steps: Steps, pairs: Sequence[Pair]) -> str:
    """Say which inner value of one side the other one ends with, if any."""
    ends = steps.reference.outputs
    found = [p for p in pairs if p.reference in ends or p.candidate in steps.candidate.outputs]
    if not found:
        return ""
    last = found[-1]
    if last.reference in ends:
        return f" The reference ends with what is {last.candidate} inside the candidate."
    return f" The candidate ends with what is `{last.reference}` inside the reference."


def _culprits(steps: Steps, pairs: Sequence[Pair]) -> Iterable[Culprit]:
    """Yield the culprits with the index of the pair that shows each."""
    sites = {site.name: site for site in steps.reference.sites}
    for accused in steps.diagnosis.accused:
        match = accused.match
        number = _shows(match, pairs, sites[match.reference].order)
        if number is None:
            continue
        yield Culprit(
            reference=match.reference,
            reference_scope=sites[match.reference].scope,
            candidate=match.candidate,
            candidate_nodes=accused.nodes,
            stage=pairs[number].stage,
            introduced=accused.introduced,
            pair=number,
            profile=accused.profile,
        )


def _shows(match: Match, pairs: Sequence[Pair], order: int) -> int | None:
    """Return the pair that shows a culprit: its own, or the next where a fusion swallowed it."""
    for number, pair in enumerate(pairs):
        if (pair.reference, pair.candidate) == (match.reference, match.candidate):
            return number
    behind = (number for number, pair in enumerate(pairs) if pair.order >= order)
    return next(behind, len(pairs) - 1 if pairs else None)


def _observer_effect(steps: Steps) -> float:
    """Return how far the traced run's outputs are from those of the untouched session."""
    traced, candidate = steps.observed.candidate_outputs, steps.case.candidate
    if traced is None or not isinstance(candidate, OnnxRunner):
        return math.nan
    untouched = candidate.untouched(steps.case.judged_call)
    return max((distance(a, b) for a, b in zip(untouched, traced, strict=True)), default=0.0)


def _coverage(steps: Steps, pairs: Sequence[Pair]) -> Coverage:
    ours = {s.name for s in steps.reference.sites if not s.constant and s.kind != "input"}
    theirs = {s.name for s in steps.candidate.sites if not s.constant and s.kind != "input"}
    compared = [pair for pair in pairs if pair.verdict != "not_comparable"]
    return Coverage(
        reference_sites=len(ours),
        reference_paired=len(ours & {pair.reference for pair in compared}),
        candidate_sites=len(theirs),
        candidate_paired=len(theirs & {pair.candidate for pair in compared}),
    )
