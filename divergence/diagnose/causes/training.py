"""mode.training: dropout or batch statistics are active on one side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from divergence.diagnose.edits import Edit, keep_outputs, pass_through, set_attributes, together
from divergence.diagnose.inquiry import Conclusion, Inquiry
from divergence.diagnose.reading import attribute
from divergence.records import Array, Evidence, Finding, Proof

if TYPE_CHECKING:
    from onnx import NodeProto
    from torch import nn

CAUSE = "mode.training"

# Modules that compute otherwise in training mode.
STATEFUL = ("BatchNorm", "SyncBatchNorm", "Dropout", "AlphaDropout", "DropPath", "StochasticDepth")

# How many times nearer eval mode brings both where training mode is what parts them.
CLEARLY = 3.0


def examine(inquiry: Inquiry) -> Conclusion | str:
    """Look for training flags of modules, and for nodes in training mode."""
    edits = dict(_nodes(inquiry))
    active = list(_active_modules(inquiry.case.module))
    if not edits and not active:
        return "no module and no node is in training mode"
    if edits:
        return _of_candidate(inquiry, edits)
    return _of_reference(inquiry, active)


def _active_modules(module: nn.Module | None) -> Iterator[str]:
    """Yield the names of modules that training mode changes."""
    if module is None:
        return
    for name, child in module.named_modules():
        changes = type(child).__name__.startswith(STATEFUL)
        if child.training and changes and getattr(child, "p", 1.0) != 0:
            yield name


def _nodes(inquiry: Inquiry) -> Iterator[tuple[str, Edit]]:
    for node in inquiry.scene.model.graph.node:
        name = node.name or node.output[0]
        if node.op_type == "BatchNormalization" and attribute(node, "training_mode", 0):
            yield name, use_running_statistics(node)
        elif node.op_type == "Dropout" and _drops(inquiry, node):
            yield name, pass_through(node.output[0], node.input[0], f"let {name} drop nothing")


def use_running_statistics(node: NodeProto) -> Edit:
    """Let a batch norm use its running statistics; in that mode it has one output."""
    value = node.output[0]
    action = f"let {node.name or value} use its running statistics"
    mode = set_attributes(value, {"training_mode": 0}, action)
    return together([mode, keep_outputs(value, 1, action)], action)


def _drops(inquiry: Inquiry, node: NodeProto) -> bool:
    """Whether a Dropout node is told to train (its third operand, since opset 12)."""
    if len(node.input) < 3 or not node.input[2]:
        return False
    weight = inquiry.scene.candidate.weights.get(node.input[2])
    value: Any = None if weight is None else weight.load()
    return value is not None and bool(value.reshape(-1)[0])


def _of_candidate(inquiry: Inquiry, edits: dict[str, Edit]) -> Conclusion | str:
    names = list(edits)
    before = inquiry.means.bench.error()
    after = inquiry.means.bench.error(list(edits.values()))
    answers = frozenset(
        number for number, a in enumerate(inquiry.accused) if set(a.nodes) & set(names)
    )
    # A model may want batch statistics (standardised weights, no running ones): then both agree.
    heals = before is not None and after is not None and after < before
    if before is None or after is None or not (heals and (answers or after < before / CLEARLY)):
        return f"{_listed(names)} in training mode, but eval mode does not bring both nearer"
    finding = Finding(
        cause=CAUSE,
        culprit=min(answers, default=None),
        confidence=0.97,
        explanation=f"the file was exported in training mode: {_listed(names)} in training mode",
        evidence=(Evidence("nodes in training mode", 0, len(names)),),
        remedy="Call model.eval() before the export.",
        parameters={"nodes": names},
        proof=Proof(f"run {_listed(names)} in eval mode", before, after),
    )
    return Conclusion(finding, tuple(edits.values()), answers)


def _of_reference(inquiry: Inquiry, active: list[str]) -> Conclusion | str:
    module = inquiry.case.module
    assert module is not None
    before = _distance(inquiry)
    flags = {child: child.training for child in module.modules()}
    try:
        module.eval()
        after = _distance(inquiry)
    finally:
        for child, flag in flags.items():
            child.training = flag
    if not after < before / CLEARLY:
        return f"{_listed(active)} in training mode, but eval mode does not bring both nearer"
    finding = Finding(
        cause=CAUSE,
        culprit=0 if inquiry.accused else None,
        confidence=0.97,
        explanation=f"the reference is in training mode: {_listed(active)} active",
        evidence=(Evidence("modules in training mode", len(active), 0),),
        remedy="Call model.eval() on the reference before it is compared, and before the export.",
        parameters={"modules": active},
        proof=Proof("put the reference in eval mode", before, after),
    )
    return Conclusion(finding, (), frozenset(range(len(inquiry.accused))))


def _distance(inquiry: Inquiry) -> float:
    """Return how far the reference's outputs, as it now is, are from the candidate's."""
    from divergence.diagnose.distance import distance

    theirs = inquiry.observed.candidate_outputs or ()
    ours: tuple[Array, ...] = inquiry.case.reference.run(inquiry.case.reference_call)
    return max((distance(a, b) for a, b in zip(ours, theirs, strict=False)), default=0.0)


def _listed(names: list[str]) -> str:
    rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + rest
