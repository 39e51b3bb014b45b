"""Give values of a graph other names, wherever they are made or read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from divergence.capture.onnx_file import bodies

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto


def rename(graph: GraphProto, names: Mapping[str, str]) -> None:
    """Rename values of a graph in place; bodies follow where they read them from outside."""
    for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        value.name = names.get(value.name, value.name)
    for sparse in graph.sparse_initializer:
        sparse.values.name = names.get(sparse.values.name, sparse.values.name)
    for node in graph.node:
        rename_node(node, names)


def rename_node(node: NodeProto, names: Mapping[str, str]) -> None:
    """Rename what a node makes and reads, in place."""
    for held in (node.input, node.output):
        held[:] = [names.get(name, name) for name in held]
    for _, body in bodies(node):
        own = defined(body)
        rename(body, {old: new for old, new in names.items() if old not in own})


def defined(graph: GraphProto) -> set[str]:
    """Return the names that a graph gives itself: inputs, weights, what its nodes make."""
    names = {value.name for value in (*graph.input, *graph.initializer)}
    names.update(sparse.values.name for sparse in graph.sparse_initializer)
    names.update(name for node in graph.node for name in node.output if name)
    return names
