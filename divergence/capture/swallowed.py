"""Why a value of the user's file is not in the graph that ONNX Runtime made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from divergence.capture.blocked import Place
from divergence.capture.deployed import Deployed, twins
from divergence.capture.onnx_graph import Wiring, wire

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto


def reasons(own: ModelProto, graph: Deployed) -> dict[str, str]:
    """Return for each site that has no place which node computes it inside."""
    found: dict[str, str] = {}
    _collect(own.graph, graph.model.graph, "", graph.places, found)
    return found


def _collect(
    own: GraphProto,
    other: GraphProto,
    prefix: str,
    places: Mapping[str, Place],
    found: dict[str, str],
) -> None:
    wiring, rewritten = wire(own), wire(other)
    constants = {tensor.name for tensor in other.initializer}
    outer: dict[str, str] = {}
    for node in reversed(own.node):
        swallower = _swallower(node, wiring, outer)
        for name in node.output:
            site = prefix + name
            if site in places:
                outer[name] = places[site].value
            elif swallower:
                outer[name] = swallower
            if name in constants:
                found[site] = "ONNX Runtime folded it into a constant"
            elif site not in places and swallower:
                found[site] = _inside(swallower, rewritten)
    for node, branch, body, twin in twins(own, other):
        inner = f"{prefix}{node.name}/{branch}/"
        if twin is not None:
            _collect(body, twin, inner, places, found)
        else:
            gone = "ONNX Runtime took the body apart that it is in"
            found.update({inner + name: gone for n in body.node for name in n.output})


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
