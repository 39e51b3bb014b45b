"""precision.overflow: a value leaves the range of the candidate's type."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from divergence.compare.headroom import HALF_MAXIMUM
from divergence.diagnose.causes.reduced import narrow, unrounded, widened
from divergence.diagnose.edits import Edit
from divergence.diagnose.inquiry import Conclusion, Inquiry
from divergence.diagnose.integers import ROUNDING, limits, result_of
from divergence.diagnose.restored import reference_weights
from divergence.diagnose.suspect import Hypothesis, Suspect
from divergence.diagnose.unrounded import Cut
from divergence.records import Array, Evidence, Finding, Match, Proof

if TYPE_CHECKING:
    from onnx import NodeProto

CAUSE = "precision.overflow"


def examine(inquiry: Inquiry) -> Conclusion | str:
    """Look for values that only the candidate has as infinite or NaN, from too large ones."""
    bad = [m for m in inquiry.observed.measured if m.metrics.nonfinite]
    if not bad:
        return "both sides are finite at the same places"
    number, start = _start(inquiry, bad[0].match)
    reached = _magnitudes(inquiry, start)
    beyond = [entry for entry in reached.items() if entry[1] > HALF_MAXIMUM]
    if not _is_half(inquiry, start) or not beyond:
        most = max(reached.values(), default=0.0)
        return f"the reference reaches {most:.3g} at most where the candidate is not finite"
    site, magnitude = beyond[0]
    edits = _widened(inquiry)
    proof = _proof(inquiry, edits)
    return Conclusion(
        Finding(
            cause=CAUSE,
            culprit=number,
            confidence=0.97,
            explanation=(
                f"{site} reaches {magnitude:.4g}, beyond the {HALF_MAXIMUM:.0f} of float16, "
                "and becomes infinite"
            ),
            evidence=(Evidence(f"greatest magnitude at {site}", magnitude, float("inf")),),
            remedy=f"Keep {site} in float32 (or bfloat16), or scale it down before it.",
            parameters={"maximum": HALF_MAXIMUM, "reached": magnitude},
            proof=proof,
        ),
        edits if proof else (),
        answers=frozenset(range(len(inquiry.accused))),
    )


def propose(suspect: Suspect) -> Sequence[Hypothesis] | str:
    """Look for quantised values beyond the range that their scale and zero point give."""
    rounding = [node for node in suspect.region.nodes if node.op_type in ROUNDING]
    weights = reference_weights(suspect.region)
    free = unrounded(suspect.region, rounding, weights, Cut(low=False, high=False))
    beyond = list(_beyond(suspect, rounding, free))
    above, below = (
        [entry for entry in beyond if (entry[1] > entry[2]) is up] for up in (True, False)
    )
    wider = ((Cut(high=False), above), (Cut(low=False), below), (Cut(False, False), beyond))
    found = [
        _wider(unrounded(suspect.region, rounding, weights, cut), cut_off)
        for cut, cut_off in wider
        if cut_off
    ]
    return found or "no quantisation of the segment cuts values off"


def _wider(edit: Edit, cut_off: Sequence[tuple[str, float, float]]) -> Hypothesis:
    """Return that ranges are too narrow, told by the value that is cut off most."""
    name, reached, limit = max(cut_off, key=lambda entry: abs(entry[1] - entry[2]))
    return Hypothesis(
        edit=replace(edit, action=f"widen the range of {name}"),
        explanation=(
            f"{name} reaches {reached:.4g} and is cut off at {limit:.4g}, where the range that it "
            "is quantised in ends"
        ),
        evidence=(Evidence(f"value at {name}", reached, limit),),
        remedy=f"Calibrate {name} on inputs like this one, or keep it in float32.",
        parameters={"maximum": limit, "reached": reached},
    )


def _beyond(
    suspect: Suspect, rounding: Sequence[NodeProto], free: Edit
) -> Iterator[tuple[str, float, float]]:
    """Yield (value, what it reaches, the end of its range) of those that are cut off."""
    for node in rounding:
        found = limits(node, result_of(node), suspect.region.candidate_weights)
        value = suspect.trial.run([free], node.output[0]) if found else None
        if found is None or value is None or not value.size:
            continue
        least, most, half = (float(limit) for limit in found)
        shown = node.name or node.output[0]
        if float(value.max()) > most + half:
            yield shown, float(value.max()), most
        if float(value.min()) < least - half:
            yield shown, float(value.min()), least


def _start(inquiry: Inquiry, seen: Match) -> tuple[int | None, Match]:
    """Return the first accused segment that is not finite, or where that is seen first."""
    order = inquiry.scene.reference_sites
    infinite = [
        (order[accused.match.reference].order, number, accused.match)
        for number, accused in enumerate(inquiry.accused)
        if math.isinf(accused.introduced.multiple)
    ]
    if not infinite:
        return (0 if inquiry.accused else None), seen
    _, number, match = min(infinite, key=lambda entry: entry[0])
    return number, match


def _magnitudes(inquiry: Inquiry, match: Match) -> dict[str, float]:
    """Return the greatest finite magnitude at each of the reference's sites that lead here.

    In its own precision or in float64, whichever is greater: where rounding grows, the one may
    leave the range and not the other.
    """
    segment = inquiry.scene.reference_segment(match.reference)
    names = {*segment.inputs, *(site.name for site in segment.sites)}
    pairs = inquiry.observed.measured
    exact = {pair.match.reference: pair.floor.peak for pair in pairs if pair.floor}
    values = inquiry.means.collect(names)
    return {name: max(_magnitude(value), exact.get(name, 0.0)) for name, value in values.items()}


def _magnitude(value: Array) -> float:
    if value.dtype.kind not in "fV" or not value.size:
        return 0.0
    finite = np.abs(value.astype(np.float64))
    return float(finite[np.isfinite(finite)].max(initial=0.0))


def _widened(inquiry: Inquiry) -> tuple[Edit, ...]:
    """Return what keeps the accused segments in float32, where casts alone make them float16."""
    names = {name for accused in inquiry.accused for name in accused.nodes}
    casts = [n for n in inquiry.scene.model.graph.node if n.name in names and narrow(n)]
    return tuple(widened(node) for node in casts)


def _proof(inquiry: Inquiry, edits: tuple[Edit, ...]) -> Proof | None:
    if not edits:
        return None
    before, after = inquiry.means.bench.error(), inquiry.means.bench.error(edits)
    if before is None or after is None or not after < before:
        return None
    return Proof("; ".join(edit.action for edit in edits), before, after)


def _is_half(inquiry: Inquiry, match: Match) -> bool:
    """Whether the value, or what computes it, is in float16 in the candidate."""
    segment = inquiry.scene.candidate_segment(match.candidate)
    return "float16" in {site.dtype for site in segment.sites}
