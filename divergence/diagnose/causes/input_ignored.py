"""graph.input_ignored: an input of the file changes nothing, or the file lacks it."""

from __future__ import annotations

import numpy as np

from divergence.diagnose.inquiry import Conclusion, Inquiry
from divergence.diagnose.perturb import apart, other_values, outputs, replaced
from divergence.diagnose.segments import live
from divergence.load.values import BoundInput
from divergence.records import Evidence, Finding, Program

CAUSE = "graph.input_ignored"


def examine(inquiry: Inquiry) -> Conclusion | str:
    """Perturb in the reference each input that the file lacks, or from which no output follows."""
    unread = _unread(inquiry.scene.candidate)
    # With inputs of its own the file may well be given the same thing in another shape.
    own = any(item.reference is None for item in inquiry.case.inputs)
    ignored = [item for item in inquiry.case.inputs if _is_ignored(item, unread, own)]
    for item in ignored:
        effect = _effect(inquiry, item)
        if effect > 0:
            answers = _readers(inquiry, item)
            finding = _finding(item.name, effect, min(answers, default=None))
            return Conclusion(finding, answers=answers)
    if ignored:
        return f"{', '.join(item.name for item in ignored)} changes nothing on either side"
    return "every input that the reference reads is read by the file"


def _is_ignored(item: BoundInput, unread: set[str], own: bool) -> bool:
    if item.reference is None or not isinstance(item.reference.value, np.ndarray):
        return False
    return not own if item.candidate is None else item.candidate.name in unread


def _effect(inquiry: Inquiry, item: BoundInput) -> float:
    """Return by how much the reference's outputs change with another value of the input."""
    assert item.reference is not None
    value = item.reference.value
    call = replaced(inquiry.case.reference_call, value, other_values(value))
    before, after = inquiry.observed.reference_outputs, outputs(inquiry.case.reference, call)
    return 0.0 if before is None or after is None else apart(before, after)


def _unread(program: Program) -> set[str]:
    """Return the graph inputs from which no output is reached."""
    reached = live(program)
    return {s.name for s in program.sites if s.kind == "input" and s.name not in reached}


def _readers(inquiry: Inquiry, item: BoundInput) -> frozenset[int]:
    """Return the accused whose segments read the input in the reference."""
    name = item.reference.name if item.reference else item.name
    return frozenset(
        number
        for number, accused in enumerate(inquiry.accused)
        if name in inquiry.scene.reference_segment(accused.match.reference).inputs
    )


def _finding(name: str, effect: float, culprit: int | None) -> Finding:
    return Finding(
        cause=CAUSE,
        culprit=culprit,
        confidence=0.95,
        explanation=(
            f"the input {name} changes nothing in the file; in the reference another value of it "
            f"changes the outputs by {effect:.2g}"
        ),
        evidence=(Evidence(f"change of the outputs when {name} changes", effect, 0.0),),
        remedy=f"Export again with {name} as a tensor that the traced code reads.",
        parameters={"input": name},
    )
