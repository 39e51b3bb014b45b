"""Pairs in doubt: where values differ grossly, values are asked what belongs together."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence

from divergence.capture.runner import Runner
from divergence.compare.observe import Observed, observe
from divergence.load.case import Case
from divergence.matching.fingerprints import Fingerprint, fingerprint
from divergence.matching.rematch import rematch
from divergence.matching.visible import visible
from divergence.options import Options
from divergence.records import Array, Call, Match, Measured, Pairing, Program

_SMALL = 4096  # elements of values that are always looked at: what a group in doubt leads to
_GROSS_DB = 40.0  # a hundredth of the value: no rounding of float16 comes near


def observe_settled(
    case: Case,
    reference: Program,
    candidate: Program,
    pairing: Pairing,
    fixed: Sequence[Match],
    asked: Options,
    advance: Callable[[], None] = lambda: None,
) -> tuple[Pairing, Observed]:
    """Make the free run; where values lead to another pairing, again with that.

    fixed: pairs that the user gave. advance: called after each pair of the first run.
    """
    shown = visible(pairing, candidate)[0]
    observed = observe(case, reference, candidate, shown, asked, advance)
    again = _settled(case, reference, candidate, pairing, observed, fixed)
    if again == pairing:
        return pairing, observed
    shown = visible(again, candidate)[0]
    return again, observe(case, reference, candidate, shown, asked)


def _settled(
    case: Case,
    reference: Program,
    candidate: Program,
    pairing: Pairing,
    observed: Observed,
    fixed: Sequence[Match],
) -> Pairing:
    """Return the pairing, or another that values agree with better where some differ grossly.

    Both sides run once more, and leave a fingerprint of each value that is small, or as large as
    one in doubt.
    """
    sizes = {math.prod(m.shape) for m in observed.measured if _is_gross(m)}
    if not sizes or observed.interrupted:
        return pairing
    try:
        prints = (
            _taken(case.reference, case.reference_call, reference, sizes),
            _taken(case.candidate, case.judged_call, candidate, sizes),
        )
    except KeyboardInterrupt:
        return pairing
    return rematch(reference, candidate, pairing, prints, fixed)


def _is_gross(measured: Measured) -> bool:
    return bool(measured.metrics.incomparable) or measured.metrics.sqnr_db < _GROSS_DB


def _taken(
    runner: Runner, call: Call, program: Program, sizes: Collection[int]
) -> dict[str, Fingerprint]:
    """Return the fingerprints of one side's values of these counts of elements."""
    found: dict[str, Fingerprint] = {}
    hidden = {entry.site for entry in program.unobservable}

    def probe(site: str, value: Array, exact: Array | None = None) -> None:
        del exact
        taken = fingerprint(value)
        if taken is not None:
            found[site] = taken

    sites = [
        site.name
        for site in program.sites
        if not site.constant and site.name not in hidden
        if site.shape is None or math.prod(site.shape) in sizes or math.prod(site.shape) <= _SMALL
    ]
    runner.run(call, probe, sites)
    return found
