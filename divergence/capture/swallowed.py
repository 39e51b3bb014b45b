"""Why a value of the user's file is not in the graph that ONNX Runtime made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from divergence.capture.deployed import Deployed
from divergence.capture.onnx_graph import Wiring, wire

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto


def reasons(own: ModelProto, graph: Deployed) -> dict[str, str]:
    """Return for each value at the top that has no place which node computes it inside."""
    wiring, other = wire(own.graph), wire(graph.model.graph)
    constants = {tensor.name for tensor in graph.model.graph.initializer}
    outer: dict[str, str] = {}
    found: dict[str, str] = {}
    for node in reversed(own.graph.node):
        swallower = _swallower(node, wiring, outer)
        for name in node.output:
            if name in graph.places:
                outer[name] = graph.places[name].value
            elif swallower:
                outer[name] = swallower
            if name in constants:
                found[name] = "ONNX Runtime folded it into a constant"
            elif name not in graph.places and swallower:
                found[name] = _inside(swallower, other)
    return found


def _swallower(node: NodeProto, wiring: Wiring, outer: Mapping[str, str]) -> str | None:
    """Return the nearest value downstream that exists in the traced graph."""
    for name in node.output:
        for reader in wiring.consumers.get(name, ()):
            for made in reader.output:
                if made in outer:
                    return outer[made]
    return None


def _inside(value: str, other: Wiring) -> str:
    if value not in other.producers:
        return "ONNX Runtime removed it"
    node = other.producers[value][1]
    while node.op_type == "ReorderOutput" and node.input[0] in other.producers:
        node = other.producers[node.input[0]][1]
    domain = f"{node.domain}::" if node.domain else ""
    return (
        f"ONNX Runtime rewrote it: it is computed within, or laid out otherwise for, the node "
        f"{node.name!r} ({domain}{node.op_type})"
    )
