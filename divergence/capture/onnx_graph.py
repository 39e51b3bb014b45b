"""A graph's nodes by what they make and what they read."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from divergence.capture.onnx_file import operands

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto


@dataclass(frozen=True, slots=True)
class Wiring:
    """The top level of a graph. Bodies count as what their node reads from outside.

    producers: the node that makes a value, and its place in the file; consumers: the nodes that
    read it, in the order of the file.
    """

    producers: Mapping[str, tuple[int, NodeProto]]
    consumers: Mapping[str, tuple[NodeProto, ...]]


def wire(graph: GraphProto) -> Wiring:
    """Index a graph once."""
    producers: dict[str, tuple[int, NodeProto]] = {}
    consumers: dict[str, list[NodeProto]] = {}
    for place, node in enumerate(graph.node):
        producers.update({name: (place, node) for name in node.output if name})
        for name in dict.fromkeys(operands(node)):
            consumers.setdefault(name, []).append(node)
    return Wiring(producers, {name: tuple(nodes) for name, nodes in consumers.items()})


def between(
    wiring: Wiring, end: str, boundaries: Collection[str]
) -> tuple[list[NodeProto], set[str]]:
    """Walk back from `end` to the nearest boundaries.

    Returns:
        The nodes that compute `end` from the boundaries, in the order of the file, those that
        depend on no input among them; and the boundaries that are read.
    """
    found: dict[int, NodeProto] = {}
    entries: set[str] = set()
    stack = [end]
    while stack:
        name = stack.pop()
        if name != end and name in boundaries:
            entries.add(name)
        elif name in wiring.producers:
            place, node = wiring.producers[name]
            if place not in found:
                found[place] = node
                stack.extend(operands(node))
    return [found[place] for place in sorted(found)], entries


def segment(model: ModelProto, end: str, boundaries: Collection[str]) -> list[str]:
    """Return the names of the nodes between `boundaries` and the value `end`, in file order.

    `model` is `OnnxFile.model` or one whose nodes all have names; values in bodies are named
    by their node. The fewer boundaries, the more nodes.
    """
    return [node.name for node in between(wire(model.graph), end, boundaries)[0]]
