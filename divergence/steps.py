"""What the steps of a trace left behind, and what is taken back of it once all is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from divergence.compare.floor import widened
from divergence.compare.observe import Observed
from divergence.diagnose.diagnosis import Diagnosis
from divergence.diagnose.entrance import Entrance
from divergence.diagnose.judge import WITHIN
from divergence.load.case import Case
from divergence.postprocess.exit import Exit
from divergence.preparation.apply import STAGE as BEFORE
from divergence.records import Pair, Pairing, Program, RuledOut, Unpaired


@dataclass(frozen=True, slots=True)
class Steps:
    """What the steps of a trace left behind, as the result is built from it."""

    case: Case
    entrance: Entrance
    reference: Program
    candidate: Program
    pairing: Pairing
    observed: Observed
    diagnosis: Diagnosis
    exit: Exit


def with_inputs_that_meet(steps: Steps, pairs: Sequence[Pair], outputs: Sequence[Pair]) -> Steps:
    """Blame no input where each side takes another shape of it and all behind it agrees.

    A file may leave out, or expect, what the model does to its input by itself: silero-vad's
    files take the samples before the chunk with it, its module keeps them.
    """
    given = {site.name for site in steps.reference.sites if site.kind == "input"}
    behind = [p for p in pairs if p.stage != BEFORE and p.reference not in given]
    if not (steps.case.apart and outputs and all(pair.verdict in WITHIN for pair in behind)):
        return steps
    names = " and ".join(sorted(steps.case.apart))
    reason = f"each side takes its own {names}, and all that they compute of it agrees"
    causes = dict.fromkeys(finding.cause for finding in steps.entrance.findings)
    ruled_out = (*steps.entrance.ruled_out, *(RuledOut(cause, reason) for cause in causes))
    entrance = replace(steps.entrance, differs=False, findings=(), ruled_out=ruled_out)
    return replace(steps, entrance=entrance)


def without_wrong_pairs(steps: Steps) -> Steps:
    """Take back pairs that the fed run showed to be none, with that as the reason."""
    wrong = {match.candidate: match for match in steps.diagnosis.wrong}
    lost = [m for m in steps.pairing.matches if m.candidate in wrong]
    unpaired = [
        Unpaired("reference", m.reference, f"{m.candidate} proved not to be its value")
        for m in lost
    ]
    unpaired += [Unpaired("candidate", name, "its pair proved to be none") for name in wrong]
    kept = tuple(m for m in steps.pairing.matches if m.candidate not in wrong)
    measured = tuple(
        widened(m, steps.diagnosis.effects.get(m.match.candidate))
        for m in steps.observed.measured
        if m.match.candidate not in wrong
    )
    return replace(
        steps,
        pairing=replace(steps.pairing, matches=kept, unpaired=(*steps.pairing.unpaired, *unpaired)),
        observed=replace(steps.observed, measured=measured),
    )
