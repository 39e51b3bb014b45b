"""What each pair says, and what the whole trace says."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase

from divergence.compare.floor import MULTIPLE
from divergence.records import (
    Culprit,
    Evidence,
    Finding,
    Introduced,
    Measured,
    Pair,
    PairVerdict,
    Status,
)

# A pair that is doubtful counts for no verdict and bounds no segment: feeding it would make an
# error of its own. The matcher's confidences are calibrated: 0.9 is right in 99 of 100.
SURE = 0.9
# What pairs are judged by, as the sentence names it.
FLOOR = "the floor"
# Where neither the floor nor what a segment adds is known.
BY_TABLE = "beyond the default tolerance"
UNKNOWN = "; no known cause explains it."
WITHIN = frozenset({PairVerdict.IDENTICAL, PairVerdict.ROUNDING})
# Findings that explain a difference and do not blame the candidate, where they name no segment.
HARMLESS = frozenset({"precision.accumulation", "precision.reduced"})


def pair_verdict(
    measured: Measured, introduced: Introduced | None, by_tolerance: bool
) -> tuple[PairVerdict, str]:
    """Judge one pair and say by what.

    by_tolerance: by the tolerance that the user gave; else by the floor, and where that is not
    known by what the segment introduces, and last by the table of tolerances.
    """
    metrics = measured.metrics
    if metrics.incomparable:
        return PairVerdict.NOT_COMPARABLE, metrics.incomparable
    if metrics.nonfinite:
        return PairVerdict.NONFINITE, f"{metrics.nonfinite} of {metrics.total} not finite alike"
    if not metrics.mismatched:
        return PairVerdict.IDENTICAL, ""
    if by_tolerance:
        allowed = not metrics.violations
        return _either(allowed), f"{metrics.violations} of {metrics.total} beyond the tolerance"
    if measured.floor is not None:
        multiple = measured.floor.multiple
        return _either(multiple <= MULTIPLE), f"{multiple:.3g} times the floor"
    if introduced is not None:
        allowed = introduced.multiple <= MULTIPLE
        return _either(allowed), f"adds {introduced.multiple:.3g} times the floor"
    return _either(not metrics.violations), f"{metrics.violations} {BY_TABLE}"


def _either(allowed: bool) -> PairVerdict:
    return PairVerdict.ROUNDING if allowed else PairVerdict.DIVERGENT


def is_ignored(site: str, patterns: Sequence[str]) -> bool:
    """Return whether one of the patterns (`fnmatch`) names the site."""
    return any(fnmatchcase(site, pattern) for pattern in patterns)


def status(
    pairs: Sequence[Pair],
    outputs: Sequence[Pair],
    culprits: Sequence[Culprit],
    findings: Sequence[Finding],
    by_tolerance: bool,
) -> Status:
    """Return the trace's status.

    Without outputs that were compared nothing is proved, so the answer is inconclusive. By the
    floor, inner pairs speak through the culprits: an error beyond the floor of its own place
    that no segment introduced is inherited rounding. By tolerances every pair speaks.
    """
    counted = [pair for pair in outputs if not pair.ignored]
    if culprits:
        return Status.DIVERGENT
    if not pairs or any(p.verdict == PairVerdict.NOT_COMPARABLE for p in counted):
        return Status.INCONCLUSIVE
    if not all(_is_harmless(finding) for finding in findings):
        return Status.DIVERGENT
    judged = counted
    if by_tolerance:
        judged = [pair for pair in pairs if not pair.ignored and pair.confidence >= SURE]
    bad = {PairVerdict.DIVERGENT, PairVerdict.NONFINITE}
    if any(pair.verdict in bad for pair in judged):
        return Status.DIVERGENT
    if not counted:
        return Status.INCONCLUSIVE
    everything = [pair for pair in pairs if not pair.ignored]
    if all(pair.verdict == PairVerdict.IDENTICAL for pair in everything):
        return Status.IDENTICAL
    return Status.ROUNDING


def _is_harmless(finding: Finding) -> bool:
    return finding.cause in HARMLESS and finding.culprit is None


def sentence(
    answer: Status,
    pairs: Sequence[Pair],
    outputs: Sequence[Pair],
    culprits: Sequence[Culprit],
    findings: Sequence[Finding],
    bound: str = FLOOR,
) -> str:
    """Return the answer as one sentence with its figures. bound: what the pairs are within."""
    worst = max((p.metrics.max_abs for p in outputs), default=float("nan"))
    if answer is Status.IDENTICAL:
        return f"Identical: all {len(pairs)} pairs hold the same values."
    if answer is Status.ROUNDING:
        within = [p for p in pairs if p.verdict in WITHIN]
        those = (
            f"all {len(pairs)} pairs are"
            if len(within) == len(pairs)
            else f"the outputs and {len(within)} of {len(pairs)} pairs are"
        )
        ends = f"differ by {worst:.2g} at most" if worst else "are the same"
        return f"Rounding: {those} within {bound}; the outputs {ends}{_grown(within)}."
    if answer is Status.INCONCLUSIVE:
        return _inconclusive(pairs, outputs)
    if culprits:
        return _blame(pairs, culprits, findings)
    told = next((f for f in findings if not _is_harmless(f)), None)
    if told is not None:
        return f"Divergent: {told.explanation}{_undone(told)}"
    bad = next(
        (p for p in pairs if p.verdict in {PairVerdict.DIVERGENT, PairVerdict.NONFINITE}), None
    )
    where = f"from {bad.reference} on" if bad else "at the outputs"
    by_table = bad is not None and bad.reason.endswith(BY_TABLE)
    note = f" ({BY_TABLE}, which deep networks pass by rounding alone)" if by_table else ""
    return f"Divergent {where}: the outputs differ by {worst:.2g} at most{note}."


def tolerances(rtol: float, atol: float) -> str:
    """Return tolerances as the sentence names them, in place of the floor.

    >>> tolerances(1e-3, 1e-5)
    'rtol 0.001 and atol 1e-05'
    """
    return f"rtol {rtol:g} and atol {atol:g}"


def interrupted_sentence(done: int, total: int) -> str:
    """Say how far an interrupted run came."""
    return f"Inconclusive: interrupted after {done} of {total} pairs."


def on_equal_inputs(answer: Status, text: str) -> str:
    """Say what the model itself does when both sides are fed the reference's input."""
    if answer in {Status.ROUNDING, Status.IDENTICAL}:
        return f"Fed the same input the model is right. {text}"
    return f"Fed the same input: {text}"


def on_unequal_inputs(names: Collection[str], blamed: bool, measured: bool, text: str) -> str:
    """Say how far the model itself was judged where the file cannot take the reference's input.

    blamed: there are culprits. measured: what the segments add is known.
    """
    told = (
        f"The file cannot take the reference's {' and '.join(sorted(names))}, so its outputs say "
        "nothing of the network;"
    )
    if blamed or not measured:
        return f"{told} apart from that: {text}"
    return f"{told} every segment that does not read it is within the floor."


def unlike_sentence(evidence: Sequence[Evidence]) -> str:
    """Say that the two sides are different networks, with what shows it."""
    shown = "; ".join(f"{e.name}: {e.reference} against {e.candidate}" for e in evidence)
    return f"Inconclusive: these do not look like the same network ({shown})."


def _undone(finding: Finding) -> str:
    """End a finding's explanation, with its proof where there is one."""
    if finding.proof is None:
        return "."
    before, after = finding.proof.error_before, finding.proof.error_after
    return f". Undone: error {before:.2g} becomes {after:.2g}."


def _grown(pairs: Sequence[Pair]) -> str:
    """Say how far rounding grew, where it did."""
    errors = [p.metrics.max_abs for p in pairs if p.metrics.max_abs > 0]
    if len(errors) < 2 or max(errors) < 100 * errors[0]:
        return ""
    return f" (it grew from {errors[0]:.1g} to {max(errors):.1g} on the way)"


def _inconclusive(pairs: Sequence[Pair], outputs: Sequence[Pair]) -> str:
    if not pairs:
        return (
            "Inconclusive: no value of one side could be paired with one of the other; "
            "these do not look like the same network."
        )
    bad = next((p for p in outputs if p.verdict == PairVerdict.NOT_COMPARABLE), None)
    if bad is not None:
        return f"Inconclusive: the output {bad.candidate} cannot be compared ({bad.reason})."
    if outputs and all(pair.ignored for pair in outputs):
        return "Inconclusive: every output is ignored, so nothing speaks for the whole."
    return "Inconclusive: no output of one side could be paired with one of the other."


def _blame(pairs: Sequence[Pair], culprits: Sequence[Culprit], findings: Sequence[Finding]) -> str:
    first = culprits[0]
    place = first.reference_scope or first.reference
    before = [p for p in pairs[: first.pair] if p.verdict == PairVerdict.ROUNDING]
    start = f"Rounding up to `{before[-1].reference}`; " if before else ""
    multiple = first.introduced.multiple
    shown = pairs[first.pair]
    if shown.verdict == PairVerdict.NOT_COMPARABLE:
        adds = f"gives another shape, {shown.reason.removeprefix('shape ')}"
    elif multiple == float("inf"):
        adds = "adds values that are not finite"
    else:
        adds = f"adds an error {multiple:,.0f} times the floor"
    cause = next((f for f in findings if f.culprit == 0), None)
    if cause is None:
        cause = next((f for f in findings if f.culprit is None and f.proof), None)
    text = f"{start}`{place}` {adds}"
    text += f": {cause.explanation}{_undone(cause)}" if cause else UNKNOWN
    if len(culprits) > 1:
        others = len(culprits) - 1
        text += f" {others} more segment{'s' if others > 1 else ''} diverge{'s' * (others == 1)}."
    return text
