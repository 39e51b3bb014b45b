"""Blocked layout (NCHWc) in the user's own file: one that ONNX Runtime optimised and saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from divergence.capture.blocked import DOMAIN

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto


def blocked_values(graph: GraphProto) -> dict[str, int]:
    """Return the values in blocked layout, with the channels that they have.

    Where the file does not say how many there are, padding is counted.
    """
    if not any(node.domain == DOMAIN for node in graph.node):
        return {}
    sizes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    known = {
        node.input[0]: int(next(a.i for a in node.attribute if a.name == "channels"))
        for node in graph.node
        if node.domain == DOMAIN and node.op_type == "ReorderOutput"
    }
    entering = _entering(graph, sizes)
    found: dict[str, int] = {}
    for node in graph.node:
        channels = entering.get(node.output[0]) or _channels(node, sizes, found)
        if channels is not None:
            found[node.output[0]] = known.get(node.output[0], channels)
    return found


def _channels(
    node: NodeProto, sizes: Mapping[str, tuple[int, ...]], found: Mapping[str, int]
) -> int | None:
    if node.domain == DOMAIN and node.op_type == "ReorderOutput":
        return None
    if node.domain == DOMAIN and node.op_type == "Conv":
        return sizes[node.input[1]][0] if node.input[1] in sizes else None
    given = [found[name] for name in node.input if name in found]
    if not given:
        return None
    return sum(given) if node.op_type == "Concat" else given[0]


def _entering(graph: GraphProto, sizes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """Return the channels of values that are put into blocked layout, where they are known.

    By the shape that the file notes of the plain one, else by the convolution that reads them.
    """
    typed = (*graph.input, *graph.value_info)
    plain = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in typed}
    read: dict[str, int] = {}
    found: dict[str, int] = {}
    for node in reversed(graph.node):
        if node.domain != DOMAIN:
            continue
        given = {a.name: a.i for a in node.attribute}
        if node.op_type == "ReorderInput":
            dims = plain.get(node.input[0], [])
            noted = dims[-1 if given.get("channels_last") else 1] if len(dims) == 4 else 0
            found[node.output[0]] = noted or read.get(node.output[0], 0)
        elif node.op_type == "Conv" and node.input[1] in sizes:
            read[node.input[0]] = sizes[node.input[1]][1] * given.get("group", 1)
        elif node.output[0] in read:
            read[node.input[0]] = read[node.output[0]]
    return found
