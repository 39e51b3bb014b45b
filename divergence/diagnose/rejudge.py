"""A report judged again by other criteria, from the figures that it keeps: no model runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from divergence.compare.allowance import needed_atol
from divergence.compare.stages import summarise
from divergence.diagnose.judge import is_ignored, sentence, status, tolerances
from divergence.records import Culprit, Finding, Pair, PairVerdict, Report, Status, Verdict

R = TypeVar("R", bound=Report)
JUDGED = frozenset({PairVerdict.ROUNDING, PairVerdict.DIVERGENT})


@dataclass(frozen=True, slots=True)
class Criteria:
    """What to judge by. None, and no patterns: as it was judged before."""

    rtol: float | None = None
    atol: float | None = None
    ignore: tuple[str, ...] = ()


def rejudge(report: R, criteria: Criteria) -> R:
    """Return the report with other verdicts; what was measured stays as it is.

    Tolerances are applied to what each pair needs (see `compare.allowance`): never laxer than
    an elementwise judgement, and the same at the relative tolerances that are kept. A culprit
    stays where its pair still diverges and is not ignored, with its findings.
    """
    pairs = tuple(_pair(pair, criteria) for pair in report.pairs)
    outputs = tuple(_pair(pair, criteria) for pair in report.outputs)
    kept = {old: new for new, old in enumerate(_kept(report.culprits, pairs, criteria))}
    culprits = tuple(report.culprits[old] for old in kept)
    findings = tuple(_renumbered(f, kept) for f in report.findings if f.culprit in {None, *kept})
    by_tolerance = criteria.rtol is not None or "rtol" in report.options
    answer = status(pairs, outputs, culprits, findings, by_tolerance)
    text = sentence(answer, pairs, outputs, culprits, findings, _bound(report.options, criteria))
    _, alone, names = report.verdict.sentence.partition(" Not compared: ")
    return replace(
        report,
        verdict=Verdict(answer, text + alone + names),
        culprits=culprits if answer is Status.DIVERGENT else (),
        findings=findings,
        outputs=outputs,
        pairs=pairs,
        stages=summarise(pairs),
    )


def _pair(pair: Pair, criteria: Criteria) -> Pair:
    ignored = pair.ignored
    if criteria.ignore:
        ignored = any(
            is_ignored(name, criteria.ignore) for name in (pair.reference, pair.candidate)
        )
    if criteria.rtol is None or criteria.atol is None or pair.verdict not in JUDGED:
        return replace(pair, ignored=ignored)
    needed = needed_atol(criteria.rtol, pair.metrics.max_abs, pair.metrics.needed_atol)
    within = needed <= criteria.atol
    return replace(
        pair,
        ignored=ignored,
        verdict=PairVerdict.ROUNDING if within else PairVerdict.DIVERGENT,
        reason=f"needs atol {needed:.2g} at rtol {criteria.rtol:g}",
    )


def _kept(culprits: tuple[Culprit, ...], pairs: tuple[Pair, ...], criteria: Criteria) -> list[int]:
    """Return which culprits still are."""
    by_tolerance = criteria.rtol is not None
    return [
        place
        for place, culprit in enumerate(culprits)
        if not pairs[culprit.pair].ignored
        and not (by_tolerance and pairs[culprit.pair].verdict is PairVerdict.ROUNDING)
    ]


def _renumbered(finding: Finding, kept: Mapping[int, int]) -> Finding:
    return finding if finding.culprit is None else replace(finding, culprit=kept[finding.culprit])


def _bound(options: Mapping[str, object], criteria: Criteria) -> str:
    rtol, atol = criteria.rtol, criteria.atol
    if rtol is None or atol is None:
        rtol, atol = options.get("rtol"), options.get("atol")  # type: ignore[assignment]
    return "the floor" if rtol is None or atol is None else tolerances(rtol, atol)
