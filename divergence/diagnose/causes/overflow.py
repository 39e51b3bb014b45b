"""precision.overflow: a value leaves the range of the candidate's type."""

from __future__ import annotations

import numpy as np

from divergence.diagnose.inquiry import Conclusion, Inquiry
from divergence.records import Evidence, Finding, Measured

CAUSE = "precision.overflow"

HALF_MAXIMUM = 65504.0  # IEEE 754 binary16


def examine(inquiry: Inquiry) -> Conclusion | str:
    """Look for values that only the candidate has as infinite or NaN, from too large ones."""
    bad = [m for m in inquiry.observed.measured if m.metrics.nonfinite]
    if not bad:
        return "both sides are finite at the same places"
    first = bad[0]
    site = first.match.reference
    magnitude = _magnitude(inquiry, site)
    if not _is_half(inquiry, first) or magnitude <= HALF_MAXIMUM:
        return f"the reference reaches {magnitude:.3g} at most where the candidate is not finite"
    answers = frozenset(range(len(inquiry.accused)))
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
        ),
        answers=answers,
    )


def _magnitude(inquiry: Inquiry, site: str) -> float:
    value = inquiry.means.collect({site}).get(site)
    if value is None or not value.size:
        return 0.0
    finite = np.abs(value.astype(np.float64))
    return float(finite[np.isfinite(finite)].max(initial=0.0))


def _is_half(inquiry: Inquiry, measured: Measured) -> bool:
    """Whether the value, or what computes it, is in float16 in the candidate."""
    segment = inquiry.scene.candidate_segment(measured.match.candidate)
    dtypes = {site.dtype for site in segment.sites} | {measured.dtypes[1]}
    return "float16" in dtypes
