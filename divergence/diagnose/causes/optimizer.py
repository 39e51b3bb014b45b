"""graph.optimizer: an optimisation of the runtime changed the result."""

from __future__ import annotations

from collections.abc import Mapping

from divergence.capture.onnx_runner import OnnxRunner
from divergence.compare.floor import MULTIPLE
from divergence.diagnose.distance import distance
from divergence.diagnose.inquiry import Conclusion, Inquiry
from divergence.errors import CaptureError, LoadError
from divergence.records import Array, Evidence, Finding, Proof

CAUSE = "graph.optimizer"

LEVELS = ("basic", "extended", "all")
# How many times nearer the file's own graph must be to blame what the runtime made of it.
NEARER = 10.0


def examine(inquiry: Inquiry) -> Conclusion | str:
    """Compare what the runtime makes of the file with the file's own graph, level by level."""
    if inquiry.options.optimization == "none":
        return "the graph was traced without optimisation"
    if not inquiry.options.thorough and not _suspicious(inquiry):
        return "the outputs of the optimised graph are within the floor"
    expected = inquiry.means.bench.expected
    traced = _error(expected, _outputs(inquiry))
    plain = inquiry.means.bench.error()
    if plain is None or not traced > NEARER * plain:
        return "the file's own graph, not optimised, is no nearer to the reference"
    errors = {"none": plain, **{level: _at(inquiry, level) for level in LEVELS}}
    guilty = next((lv for lv in LEVELS if errors[lv] > NEARER * plain), LEVELS[-1])
    finding = Finding(
        cause=CAUSE,
        culprit=None,
        confidence=0.97,
        explanation=(
            f"ONNX Runtime's optimisation changes the result from level {guilty} on; "
            "the file itself is right"
        ),
        evidence=tuple(Evidence(f"error at level {k}", plain, v) for k, v in errors.items()),
        remedy=f"Load the file with a graph optimisation level below {guilty}, and report it.",
        parameters={"level": guilty, "errors": dict(errors)},
        proof=Proof("run the file's graph without optimisation", traced, plain),
    )
    return Conclusion(finding)


def _suspicious(inquiry: Inquiry) -> bool:
    """Whether an output is beyond the floor, or not finite, in the graph that was traced."""
    names = set(inquiry.scene.candidate.outputs)
    for measured in inquiry.observed.measured:
        if measured.match.candidate not in names:
            continue
        floor = measured.floor
        if measured.metrics.nonfinite or (floor is not None and floor.multiple > MULTIPLE):
            return True
    return False


def _outputs(inquiry: Inquiry) -> Mapping[str, Array]:
    values = inquiry.observed.candidate_outputs or ()
    return dict(zip(inquiry.scene.candidate.outputs, values, strict=False))


def _at(inquiry: Inquiry, level: str) -> float:
    """Return the final error at one level; inf where the runtime fails there."""
    runner = OnnxRunner(
        inquiry.case.model.given, provider=inquiry.options.provider, optimization=level
    )
    try:
        values = runner.untouched(inquiry.case.judged_call)
    except (CaptureError, LoadError):
        return float("inf")
    names = inquiry.scene.candidate.outputs
    return _error(inquiry.means.bench.expected, dict(zip(names, values, strict=True)))


def _error(expected: Mapping[str, Array], found: Mapping[str, Array]) -> float:
    return max((distance(v, found[n]) for n, v in expected.items() if n in found), default=0.0)
