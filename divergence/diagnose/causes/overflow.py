"""precision.overflow: a value leaves the range of the candidate's type."""

from __future__ import annotations

import numpy as np

from divergence.compare.headroom import HALF_MAXIMUM
from divergence.diagnose.causes.reduced import narrow, widened
from divergence.diagnose.edits import Edit
from divergence.diagnose.inquiry import Conclusion, Inquiry
from divergence.records import Array, Evidence, Finding, Measured, Proof

CAUSE = "precision.overflow"


def examine(inquiry: Inquiry) -> Conclusion | str:
    """Look for values that only the candidate has as infinite or NaN, from too large ones."""
    bad = [m for m in inquiry.observed.measured if m.metrics.nonfinite]
    if not bad:
        return "both sides are finite at the same places"
    first = bad[0]
    reached = _magnitudes(inquiry, first)
    site, magnitude = max(reached.items(), key=lambda entry: entry[1], default=("", 0.0))
    if not _is_half(inquiry, first) or magnitude <= HALF_MAXIMUM:
        return f"the reference reaches {magnitude:.3g} at most where the candidate is not finite"
    edits = _widened(inquiry)
    proof = _proof(inquiry, edits)
    return Conclusion(
        Finding(
            cause=CAUSE,
            culprit=0 if inquiry.accused else None,
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


def _magnitudes(inquiry: Inquiry, measured: Measured) -> dict[str, float]:
    """Return the greatest finite magnitude at each of the reference's sites that lead here."""
    segment = inquiry.scene.reference_segment(measured.match.reference)
    names = {*segment.inputs, *(site.name for site in segment.sites)}
    return {name: _magnitude(value) for name, value in inquiry.means.collect(names).items()}


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


def _is_half(inquiry: Inquiry, measured: Measured) -> bool:
    """Whether the value, or what computes it, is in float16 in the candidate."""
    segment = inquiry.scene.candidate_segment(measured.match.candidate)
    dtypes = {site.dtype for site in segment.sites} | {measured.dtypes[1]}
    return "float16" in dtypes
