"""precision.accumulation: rounding that grew until a plain tolerance would refuse it."""

from __future__ import annotations

from divergence.compare.lineage import own_step
from divergence.diagnose.causes import reduced
from divergence.diagnose.inquiry import Conclusion, Inquiry
from divergence.records import Evidence, Finding

CAUSE = "precision.accumulation"


def examine(inquiry: Inquiry) -> Conclusion | str:
    """See whether values leave the default tolerance although no segment adds an error."""
    beyond = [m for m in inquiry.observed.measured if m.metrics.violations]
    if not beyond:
        return "every pair is within the default tolerance of its type"
    if inquiry.case.apart:
        return "both sides are fed other inputs, which the errors come from"
    if inquiry.accused:
        return "a segment adds an error beyond the floor"
    if not inquiry.introduced:
        return "what each segment adds is not known"
    if own_step(inquiry.scene.candidate) > reduced.HALF:
        return "the file as a whole is quantised, which is coarser"
    worst = max(beyond, key=lambda m: m.metrics.max_abs)
    added = max(inquiry.introduced.values(), key=lambda a: a.multiple)
    floor = worst.floor.reference_max_abs if worst.floor else float("nan")
    return Conclusion(
        Finding(
            cause=CAUSE,
            culprit=None,
            confidence=0.9,
            explanation=(
                f"rounding grew to {worst.metrics.max_abs:.2g} at {worst.match.reference}; no "
                f"segment adds more than {added.multiple:.2g} times what rounding explains"
            ),
            evidence=(
                Evidence(
                    f"error against float64 at {worst.match.reference}",
                    floor,
                    worst.floor.candidate_max_abs if worst.floor else worst.metrics.max_abs,
                ),
            ),
            remedy="Nothing is wrong; judge by the floor, or by a tolerance that allows for it.",
        )
    )
