"""The free run: both sides from the same input, each pair compared and dropped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from divergence.capture.lockstep import OnPair, Together, Unmet, lockstep
from divergence.capture.replay import replay
from divergence.capture.runner import KeepingRunner, exact_run
from divergence.compare.floor import floor_of, inherit
from divergence.compare.lineage import Lineage, lineages
from divergence.compare.measure import measure
from divergence.compare.tolerance import Tolerance, tolerance_for
from divergence.load.case import Case
from divergence.options import Options
from divergence.records import Array, Match, Measured, Program


@dataclass(frozen=True, slots=True)
class Observed:
    """What the free run gave.

    measured: in the order of `matches`, without those of `unmet`. Outputs are None where the
    run was interrupted. peak_nbytes: of copies held.
    """

    measured: tuple[Measured, ...]
    reference_outputs: tuple[Array, ...] | None
    candidate_outputs: tuple[Array, ...] | None
    unmet: tuple[Unmet, ...]
    peak_nbytes: int
    interrupted: bool = False


def observe(
    case: Case,
    reference: Program,
    candidate: Program,
    matches: Sequence[Match],
    asked: Options,
    advance: Callable[[], None] = lambda: None,
) -> Observed:
    """Run both sides once and measure every match; call `advance` after each."""
    found: dict[Match, Measured] = {}
    tolerance = None
    if asked.rtol is not None and asked.atol is not None:
        tolerance = Tolerance(asked.rtol, asked.atol)
    known = lineages(reference, candidate, matches)

    def on_pair(match: Match, ours: Array, theirs: Array, exact: Array | None) -> None:
        found[match] = compare(match, ours, theirs, exact, known[match], tolerance)
        advance()

    def measured() -> tuple[Measured, ...]:
        return inherit([found[match] for match in matches if match in found], known, reference)

    try:
        together = _side_by_side(case, matches, on_pair, asked)
    except KeyboardInterrupt:
        return Observed(measured(), None, None, (), 0, interrupted=True)
    return Observed(
        measured=measured(),
        reference_outputs=together.reference,
        candidate_outputs=together.candidate,
        unmet=together.unmet,
        peak_nbytes=together.peak_nbytes,
    )


def _side_by_side(
    case: Case, matches: Sequence[Match], on_pair: OnPair, asked: Options
) -> Together:
    """Show all pairs of one run of each side; for the reference that may be its survey."""
    candidate = partial(case.candidate.run, case.judged_call)
    if isinstance(case.reference, KeepingRunner) and not asked.floor:
        held = case.reference.kept(case.reference_call, {match.reference for match in matches})
        if held is not None:
            return replay(held, candidate, matches, on_pair)
    reference = exact_run(case.reference, case.reference_call, "free" if asked.floor else "none")
    return lockstep(reference, candidate, matches, on_pair, asked.memory)


def compare(
    match: Match,
    reference: Array,
    candidate: Array,
    exact: Array | None,
    lineage: Lineage | None = None,
    tolerance: Tolerance | None = None,
) -> Measured:
    """Measure one pair of values; with the exact value also the floor."""
    allowed = tolerance or tolerance_for(reference.dtype, candidate.dtype)
    metrics = measure(reference, candidate, match.alignment, allowed)
    return Measured(
        match=match,
        shape=tuple(reference.shape),
        dtypes=(reference.dtype.name, candidate.dtype.name),
        metrics=metrics,
        floor=None
        if exact is None or metrics.incomparable
        else floor_of(reference, candidate, exact, match.alignment, lineage),
    )
