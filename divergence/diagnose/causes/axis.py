"""attribute.axis: a softmax, norm, reduction, concat or split over another axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from divergence.diagnose.edits import Edit, set_attributes, set_weight
from divergence.diagnose.reading import attribute, settings
from divergence.diagnose.suspect import Hypothesis, Suspect
from divergence.records import Evidence

if TYPE_CHECKING:
    from onnx import NodeProto

CAUSE = "attribute.axis"


def propose(suspect: Suspect) -> Sequence[Hypothesis] | str:
    """Try every other axis, those that the reference names first."""
    places = [(node, found) for node in suspect.region.nodes for found in _axes(suspect, node)]
    if not places:
        return "no node of the segment works along an axis"
    ndim = max([suspect.expected.ndim, *(v.ndim for v in suspect.feeds.values())])
    named = dict(settings(suspect, "dim", "axis", "dims"))
    wanted = [_first(value) for value in named.values()]
    order = [w % ndim for w in wanted if w is not None and ndim]
    axes = list(dict.fromkeys([*order, *range(ndim)]))
    hypotheses = [
        _hypothesis(node, found, axis, named)
        for node, found in places
        for axis in axes
        if axis != found % ndim
    ]
    return hypotheses or "every axis is the only one there is"


def _axes(suspect: Suspect, node: NodeProto) -> Iterator[int]:
    """Yield the axis of a node that works along one (from attribute or operand)."""
    axis = attribute(node, "axis")
    if isinstance(axis, int):
        yield axis
    elif node.op_type in {"Softmax", "LogSoftmax", "Hardmax"}:
        yield -1
    elif node.op_type in {"Concat", "Gather", "ArgMax", "ArgMin", "Split"}:
        yield 0
    if node.op_type.startswith("Reduce"):
        listed = attribute(node, "axes")
        if listed is None and len(node.input) > 1:
            listed = suspect.region.constant(node.input[1])
        if listed is not None and len(listed) == 1:
            yield int(listed[0])
    if node.op_type == "CumSum":
        constant = suspect.region.constant(node.input[1])
        if constant is not None:
            yield int(constant.reshape(-1)[0])


def _first(value: Any) -> int | None:
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _hypothesis(node: NodeProto, found: int, axis: int, named: dict[str, Any]) -> Hypothesis:
    name = node.name or node.output[0]
    source = next(iter(named), "reference")
    return Hypothesis(
        edit=_edit(node, axis, f"let {name} work along axis {axis}"),
        explanation=f"{node.op_type} {name} works along axis {found} instead of {axis}",
        evidence=(Evidence(f"axis ({source})", named.get(source, axis), found),),
        remedy=f"Set the axis of {name} to {axis}, or export again.",
        parameters={"axis": [axis, found]},
    )


def _edit(node: NodeProto, axis: int, action: str) -> Edit:
    value = node.output[0]
    reduces = node.op_type.startswith("Reduce")
    if node.op_type == "CumSum":
        return set_weight(value, 1, np.asarray(axis, np.int64), action)
    if reduces and attribute(node, "axes") is None:
        return set_weight(value, 1, np.asarray([axis], np.int64), action)
    return set_attributes(value, {"axes": [axis]} if reduces else {"axis": axis}, action)
