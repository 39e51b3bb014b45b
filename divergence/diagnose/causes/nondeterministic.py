"""random.nondeterministic: a side differs from itself."""

from __future__ import annotations

from divergence.capture.onnx_constants import RANDOM
from divergence.diagnose.distance import distance
from divergence.diagnose.inquiry import Conclusion, Inquiry
from divergence.records import Evidence, Finding

CAUSE = "random.nondeterministic"

# ATen ops whose result is drawn.
DRAWN = frozenset(
    {"bernoulli", "dropout", "exponential", "multinomial", "native_dropout", "normal", "poisson"}
    | {"rand", "rand_like", "randint", "randint_like", "randn", "randn_like", "randperm", "uniform"}
)


def examine(inquiry: Inquiry) -> Conclusion | str:
    """Run the candidate twice where it holds random nodes or something diverges."""
    nodes = [s.node for s in inquiry.scene.candidate.sites if s.op in RANDOM and s.op != "Dropout"]
    sites = [s.name for s in inquiry.scene.reference.sites if s.op in DRAWN]
    if not nodes and not sites and not inquiry.accused and not inquiry.options.thorough:
        return "neither side draws random numbers"
    changed = _differs_from_itself(inquiry)
    if not changed and not nodes and not sites:
        return "neither side draws random numbers, and the candidate repeats itself exactly"
    if not inquiry.accused and not changed:
        return "the candidate repeats itself exactly"
    where = ", ".join((nodes or sites)[:3])
    answers = frozenset(
        number for number, a in enumerate(inquiry.accused) if not nodes or set(a.nodes) & set(nodes)
    )
    if not answers:
        return "the segments that diverge draw no random numbers"
    return Conclusion(
        Finding(
            cause=CAUSE,
            culprit=min(answers),
            confidence=0.97 if changed else 0.8,
            explanation=f"one side draws random numbers{f' at {where}' if where else ''}",
            evidence=(Evidence("greatest difference between two runs", 0.0, changed),),
            remedy="Give the random numbers as an input, or take them out of the graph.",
            parameters={"nodes": nodes, "sites": sites},
        ),
        answers=answers,
    )


def _differs_from_itself(inquiry: Inquiry) -> float:
    """Return the greatest difference between the traced run and another of the candidate."""
    first = inquiry.observed.candidate_outputs or ()
    second = inquiry.case.candidate.run(inquiry.case.judged_call)
    return max((distance(a, b) for a, b in zip(first, second, strict=False)), default=0.0)
