"""Graph surgery: leaf nodes that show a value, values made outputs.

Nodes are added beside what is there and nothing else is touched: types, attributes and metadata
that a rewriting library might not know stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from divergence.capture import observers
from divergence.capture.onnx_file import bodies, operands

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

BLOCKED = "com.microsoft.nchwc"
_MARK = "divergence:"
INT64 = 7  # onnx.TensorProto.INT64


@dataclass(frozen=True, slots=True)
class Tap:
    """A value that is to be seen.

    site: what it is called. value: its name in the traced graph; body: the prefix of the body
    that it is in, "" at the top. element: ONNX element type. channels: of a value in blocked
    (NCHWc) layout, which is put back to NCHW first.
    """

    site: str
    value: str
    element: int
    body: str = ""
    channels: int | None = None


def observed(model: ModelProto, taps: Sequence[Tap], recorder: int) -> ModelProto:
    """Return the model with an observer on each tap, which fires when the value exists."""
    leaves: dict[tuple[str, str], list[NodeProto]] = {}
    for number, tap in enumerate(taps):
        leaves.setdefault((tap.body, tap.value), []).extend(_leaf(tap, number, recorder))
    copy = _copy(model)
    _insert(copy.graph, "", leaves)
    _import(copy, [observers.DOMAIN, *(BLOCKED for tap in taps if tap.channels)])
    return copy


def exposed(model: ModelProto, taps: Sequence[Tap], keep: bool) -> tuple[ModelProto, list[str]]:
    """Return the model with the taps as outputs, and the names of these outputs.

    taps: at the top of the graph. keep: the model's own outputs stay, behind the taps. Nodes
    that no output needs are left out.
    """
    copy = _copy(model)
    own = {value.name: value for value in model.graph.output}
    del copy.graph.output[:]
    names = []
    for number, tap in enumerate(taps):
        names.append(_output_of(copy.graph, tap, number))
        if names[-1] in own:
            copy.graph.output.add().CopyFrom(own[names[-1]])
        else:
            _declare(copy.graph, names[-1], tap.element)
    if keep:
        copy.graph.output.extend(value for name, value in own.items() if name not in names)
    prune(copy.graph)
    _import(copy, [BLOCKED for tap in taps if tap.channels])
    return copy, names


def measured(model: ModelProto, taps: Sequence[Tap]) -> tuple[ModelProto, list[str]]:
    """Return the model with the shape of each tap as its only outputs, and their names."""
    from onnx import helper

    copy = _copy(model)
    del copy.graph.output[:]
    names = []
    for number, tap in enumerate(taps):
        value, name = _output_of(copy.graph, tap, number), f"{_MARK}{number}/shape"
        copy.graph.node.append(helper.make_node("Shape", [value], [name]))
        _declare(copy.graph, name, INT64)
        names.append(name)
    prune(copy.graph)
    _import(copy, [BLOCKED for tap in taps if tap.channels])
    return copy, names


def _output_of(graph: GraphProto, tap: Tap, number: int) -> str:
    if not tap.channels:
        return tap.value
    graph.node.append(_reorder(tap, f"{_MARK}{number}"))
    return f"{_MARK}{number}"


def declared(model: ModelProto, values: Sequence[str]) -> ModelProto:
    """Return the model with values of unknown type as its only outputs."""
    copy = _copy(model)
    del copy.graph.output[:]
    for value in dict.fromkeys(values):
        _declare(copy.graph, value, 0)
    prune(copy.graph)
    return copy


def prune(graph: GraphProto) -> None:
    """Take out the nodes of a graph, at the top, that none of its outputs needs."""
    needed = needed_values(graph)
    nodes = [node for node in graph.node if needed.intersection(node.output)]
    del graph.node[:]
    graph.node.extend(nodes)
    initializers = [tensor for tensor in graph.initializer if tensor.name in needed]
    del graph.initializer[:]
    graph.initializer.extend(initializers)


def needed_values(graph: GraphProto) -> set[str]:
    """Return the names that the outputs of a graph, nodes in order, are computed from."""
    needed = {value.name for value in graph.output}
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(operands(node))
    return needed


def _declare(graph: GraphProto, name: str, element: int) -> None:
    output = graph.output.add()
    output.name = name
    if element:
        output.type.tensor_type.elem_type = element


def _copy(model: ModelProto) -> ModelProto:
    from onnx import ModelProto

    copy = ModelProto()
    copy.CopyFrom(model)
    return copy


def _insert(
    graph: GraphProto, prefix: str, leaves: Mapping[tuple[str, str], Sequence[NodeProto]]
) -> None:
    """Put each leaf right behind the node that makes its value: the order is the graph's."""
    nodes: list[NodeProto] = []
    for value in graph.input:
        nodes.extend(leaves.get((prefix, value.name), ()))
    for node in graph.node:
        for branch, body in bodies(node):
            _insert(body, f"{prefix}{node.name}/{branch}/", leaves)
        nodes.append(node)
        for name in node.output:
            nodes.extend(leaves.get((prefix, name), ()))
    kept = [_detached(node) for node in nodes]
    del graph.node[:]
    graph.node.extend(kept)


def _detached(node: NodeProto) -> NodeProto:
    from onnx import NodeProto

    copy = NodeProto()
    copy.CopyFrom(node)
    return copy


def _leaf(tap: Tap, number: int, recorder: int) -> list[NodeProto]:
    from onnx import helper

    name = f"{_MARK}{tap.body}{number}"
    nodes, value = [], tap.value
    if tap.channels:
        nodes.append(_reorder(tap, value := f"{name}/unblocked"))
    wider = observers.cast_before(tap.element)
    if wider is not None:
        nodes.append(helper.make_node("Cast", [value], [f"{name}/wider"], to=wider))
        value = f"{name}/wider"
    nodes.append(
        helper.make_node(
            observers.operator(tap.element),
            [value],
            [f"{name}/seen"],
            name=f"{name}/observer",
            domain=observers.DOMAIN,
            recorder=recorder,
            tap=number,
        )
    )
    return nodes


def _reorder(tap: Tap, output: str) -> NodeProto:
    from onnx import helper

    return helper.make_node(
        "ReorderOutput", [tap.value], [output], domain=BLOCKED, channels=tap.channels
    )


def _import(model: ModelProto, domains: Iterable[str]) -> None:
    known = {entry.domain for entry in model.opset_import}
    for domain in dict.fromkeys(domains):
        if domain not in known:
            entry = model.opset_import.add()
            entry.domain, entry.version = domain, 1
